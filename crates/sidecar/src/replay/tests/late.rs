//! Second looks decided again, as the dry runs that they were.

use std::time::Duration;

use message::{Message, Settlement};
use policy_host::Candidate;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

use super::stage::{By, Stage};
use super::traffic::{self, Between, Sent, between, traffic};
use super::{assert_shows_nothing_of, policies};

const HOUR: Duration = Duration::from_secs(3_600);

/// The second looks of a log.
fn looks(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("second_look").cloned()).collect()
}

/// How often this policy ended it so, where none ran out of time.
fn count(looks: &[Value], verdict: &str, policy: &str) -> u64 {
    let is = |look: &&Value| {
        let had_time = !look["visits"].to_string().contains("deadline");
        had_time && look["end"]["verdict"] == verdict && look["end"]["policy"] == policy
    };
    looks.iter().filter(is).count() as u64
}

proptest! {
    #![proptest_config(Config { cases: 8, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_policies_that_took_second_looks_decide_them_as_they_did(
        sent in traffic(25),
        between in between(25),
        later in 1_u64..20,
        whole in any::<bool>(),
        with_guest in any::<bool>(),
    ) {
        let stage = Stage::new(&policies(with_guest), whole);
        let log = stage.play_late(&sent, &between, HOUR * u32::try_from(later).unwrap());
        if !whole {
            assert_shows_nothing_of(&log, &sent);
        }
        let looks = looks(&log).len() as u64;
        let all = [By::OwnConfiguration, By::Module("consent", "consent")];
        for by in all {
            let report = if whole { stage.replay_to_the_notes(by) } else { stage.replay(by) };
            let shown = serde_json::to_string_pretty(&report.shown()).unwrap();
            prop_assert_eq!(report.decisions, sent.len() as u64 + looks, "{}", shown);
            prop_assert_eq!((report.second_looks, report.changed), (looks, 0), "{}", shown);
            prop_assert_eq!(report.passed_over, 0, "{}", shown);
            if whole || !with_guest {
                prop_assert_eq!((report.untold, report.guessed), (0, 0), "{}", shown);
            }
        }
    }
}

#[test]
fn second_looks_are_counted_apart_and_what_others_would_say_of_them_is_told() {
    let stage = Stage::new(&policies(true), true);
    let sent = traffic::much();
    let stop = vec![Between::Says("STOP"); sent.len()];
    let looks = looks(&stage.play_late(&sent, &stop, HOUR * 4));
    let (refused, by_guest) =
        (count(&looks, "reject", "consent"), count(&looks, "reject", "guest"));
    assert!(refused > 10 && by_guest > 10, "{refused}, {by_guest}: {:#}", looks[0]);
    assert!(looks.iter().all(|look| look["message"].get("ttl_s").is_none()));

    let name = "name = \"consent\"";
    let without = policies(true).replace(name, &format!("{name}\nmode = \"shadow\""));
    for (by, policy, code, wanted) in [
        (By::Configuration(without), None, "optout.suppressed", refused),
        // It wants no second look.
        (By::Module("trial", "guest"), Some("guest"), "test.asked", by_guest),
    ] {
        let report = stage.replay(by);
        let shown = report.shown();
        assert_eq!(shown["second_looks"], looks.len(), "{shown:#}");
        let changes = shown["changes"].as_array().unwrap();
        let of_looks = changes.iter().filter(|change| {
            change["from"] == format!("second look: {code}") && change["policy"].as_str() == policy
        });
        let messages: u64 = of_looks.map(|each| each["decisions"].as_u64().unwrap()).sum();
        assert_eq!(messages, wanted, "{shown:#}");
    }
}

#[test]
fn a_reservation_that_a_second_look_only_looks_for_is_answered_as_it_was() {
    let consent = r#"
[[policies]]
name = "consent"
module = "MODULES/consent.wasm"
grants = ["state"]
"#;
    let mut sent: Vec<Sent> = traffic::much().into_iter().take(3).collect();
    let first = sent[0].candidate.clone();
    for (nth, each) in (0..).zip(&mut sent) {
        let id = each.candidate.message.id.clone();
        let intent = if nth == 0 { "" } else { "optout_confirmation" };
        let message = Message {
            id,
            intent: intent.to_owned(),
            text: "words".to_owned(),
            not_before: None,
            ..first.message.clone()
        };
        let now = first.now.after(HOUR / 60 * nth);
        each.candidate = Candidate { message, now, ..first.clone() };
        each.settlement = Settlement::Keep;
    }
    for whole in [true, false] {
        let stage = Stage::new(consent, whole);
        // The second of them has the one confirmation that may go, which the last finds taken.
        let looks = looks(&stage.play_late(&sent, &[Between::Says("STOP")], HOUR / 60));
        let last = looks.last().unwrap();
        let held = last["visits"][0]["calls"].as_array().unwrap().iter().any(|call| {
            call["asked"]["reserve"]["ttl_ms"] == 0
                && call["answer"]["held"]["by"] == *sent[1].candidate.message.id.0
        });
        assert!(held, "{last:#}");
        for by in [By::OwnConfiguration, By::Module("consent", "consent")] {
            let shown = stage.replay(by).shown();
            let alike = (&shown["second_looks"], &shown["changed"], &shown["guessed"]);
            assert_eq!(alike, (&json!(looks.len()), &json!(0), &json!(0)), "{shown:#}");
        }
    }
}
