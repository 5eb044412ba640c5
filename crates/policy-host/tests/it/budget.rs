//! A policy that fails too often is not asked any more, and its operator's rule for failures decides at once.

use std::time::Duration;

use policy_host::{ErrorBudget, OnFailure, PolicyChain, PolicySource};
use serde_json::json;

use crate::host::{Host, country, ending, runaway, sms};

const HOUR: Duration = Duration::from_secs(3_600);

/// The guest that does what a text says, until it has failed twice in `window`.
fn guest(window: Duration, on_failure: OnFailure) -> PolicySource {
    let budget = Some(ErrorBudget { failures: 2, window });
    PolicySource { budget, on_failure, ..runaway() }
}

async fn endings(chain: &PolicyChain, texts: &[&str]) -> Vec<String> {
    let mut endings = Vec::new();
    for text in texts {
        endings.push(ending(&chain.clear(sms(text)).await));
    }
    endings
}

fn trips(chain: &PolicyChain) -> (bool, u64) {
    let report = chain.policies()[0].budget().unwrap();
    (report.tripped_for.is_some(), report.trips)
}

#[tokio::test]
async fn a_policy_that_fails_too_often_is_spared_and_on_failure_decides() {
    let host = Host::new();
    for (on_failure, before, after) in [
        (OnFailure::Reject, "failed: trap", "failed: tripped"),
        (OnFailure::Accept, "cleared", "cleared"),
    ] {
        let chain = host.chain(&[guest(HOUR, on_failure)]).await;
        let ended = endings(&chain, &["hello", "panic", "panic", "hello", "refuse test.no"]).await;
        assert_eq!(ended, ["cleared", before, before, after, after]);
        assert_eq!(trips(&chain), (true, 1));

        let cleared = chain.explain(sms("hello")).await;
        let decision = &cleared.trail.decisions[0];
        assert_eq!(decision.verdict.codes(), ["tripped"]);
        assert_eq!((decision.elapsed, decision.host_calls), (Duration::ZERO, 0), "it was asked");
    }
}

#[tokio::test]
async fn the_last_good_revision_stands_in_for_one_that_is_spared() {
    let host = Host::new();
    let open = PolicySource { on_failure: OnFailure::LastGood, ..country() };
    let name = open.name.clone();
    let first = host.chain(&[open]).await;
    let failing = PolicySource { name, ..guest(HOUR, OnFailure::LastGood) };
    let second = host.next_chain(Some(&first), &[failing]).await;

    assert_eq!(endings(&second, &["panic", "panic", "refuse test.no"]).await, ["cleared"; 3]);
    assert_eq!(trips(&second), (true, 1));
}

#[tokio::test]
async fn neither_refusals_nor_explanations_nor_a_dry_run_spend_the_budget() {
    let host = Host::new();
    let chain = host.chain(&[guest(HOUR, OnFailure::Reject)]).await;
    for _ in 0..3 {
        chain.explain(sms("panic")).await;
    }
    assert_eq!(endings(&chain, &["refuse test.no"; 3]).await, ["test.no"; 3]);
    let report = chain.policies()[0].budget().unwrap();
    assert_eq!((report.failures, report.tripped_for, report.trips), (0, None, 0));
}

#[tokio::test]
async fn once_its_time_is_over_one_message_tries_it_and_it_is_back() {
    let host = Host::new();
    let chain = host.chain(&[guest(Duration::from_millis(200), OnFailure::Reject)]).await;
    endings(&chain, &["panic", "panic"]).await;
    let asked_again = async {
        while endings(&chain, &["hello"]).await != ["cleared"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked_again).await.unwrap();
    assert_eq!(trips(&chain), (false, 1));
    assert_eq!(endings(&chain, &["hello", "panic"]).await, ["cleared", "failed: trap"]);
}

#[tokio::test]
async fn what_comes_into_force_begins_with_its_whole_budget() {
    let host = Host::new();
    let first = host.chain(&[guest(HOUR, OnFailure::Reject)]).await;
    endings(&first, &["panic", "panic"]).await;

    let reloaded =
        host.next_chain(Some(&first), &[guest(HOUR, OnFailure::Reject), country()]).await;
    reloaded.take_place_of(&first);

    assert!(reloaded.policies()[0].shares_revision_with(&first.policies()[0]));
    assert_eq!(endings(&reloaded, &["hello"]).await, ["cleared"]);
    let mut other = guest(HOUR, OnFailure::Reject);
    other.settings = json!({ "on_text": { "hello": "panic" } });
    assert!(!host.chain(&[other]).await.decides_like(&first));
}
