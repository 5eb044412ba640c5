//! A policy that fails now and then, under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use super::sent_once;
use crate::harness::{Policy, Setup, Sidecar, plivo};

const SENDS: usize = 100;
const EVERY: usize = 10;

/// The number and text of one of them; the guest traps at the last of every ten.
fn message(nth: usize) -> (String, String) {
    let word = if nth % EVERY == EVERY - 1 { "panic" } else { "hello" };
    (format!("+1415555{nth:04}"), format!("{word} {nth}"))
}

fn traps(text: &str) -> bool {
    text.starts_with("panic")
}

#[tokio::test]
async fn of_a_guest_that_traps_on_every_tenth_call_the_tenth_are_refused_or_passed_and_no_other() {
    for isolation in ["warm", "fresh"] {
        for on_failure in ["reject", "accept"] {
            let plivo = plivo().await;
            let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
            let guest = guest.set("on_failure", on_failure).set("isolation", isolation);
            let setup = Setup::standard(&plivo).durable().policy(guest);
            let sidecar = Arc::new(Sidecar::start(setup).await);
            let next = Arc::new(AtomicUsize::new(0));
            let mut clients = JoinSet::new();
            for _ in 0..4 {
                let (sidecar, next) = (Arc::clone(&sidecar), Arc::clone(&next));
                clients.spawn(async move {
                    let mut answers = Vec::new();
                    loop {
                        let nth = next.fetch_add(1, Ordering::Relaxed);
                        if nth >= SENDS {
                            return answers;
                        }
                        let (to, text) = message(nth);
                        let answer = sidecar.send(&json!({"to": to, "text": text})).await;
                        answers.push((text, answer));
                    }
                });
            }
            let answers = clients.join_all().await.into_iter().flatten();

            let (mut sent, mut passed) = (Vec::new(), BTreeSet::new());
            for (text, answer) in answers {
                if traps(&text) && on_failure == "reject" {
                    answer.refused(503, "policy.module_failed");
                    continue;
                }
                let body = answer.expect(202);
                if body["warnings"][0]["code"] == "policy.skipped" {
                    passed.insert(text.clone());
                }
                sent.push(text);
            }
            let all: BTreeSet<String> = (0..SENDS).map(|nth| message(nth).1).collect();
            let trapped: BTreeSet<String> =
                all.iter().filter(|text| traps(text)).cloned().collect();
            let skipped = if on_failure == "accept" { trapped.clone() } else { BTreeSet::new() };
            assert_eq!(passed, skipped, "{on_failure}, {isolation}");
            let refused = if on_failure == "accept" { 0 } else { trapped.len() };
            assert_eq!(sent.len(), SENDS - refused, "{on_failure}, {isolation}");
            sent_once(&plivo, sent);
            Arc::into_inner(sidecar).expect("nobody else has it").stop().await;
        }
    }
}
