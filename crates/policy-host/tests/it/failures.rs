//! Guests that misbehave end their own request and nothing else.

use std::sync::Mutex;
use std::time::Duration;

use policy_host::{NotClearedKind, OnFailure, PolicySource, Verdict};

use crate::host::{Host, ending, runaway, sms};

/// Every way to misbehave, and what it is called. A guest of Rust runs out of its own stack, which lies at the bottom
/// of its memory, before it runs out of the engine's.
const WAYS: [(&str, &str); 6] = [
    ("spin", "deadline"),
    ("hoard", "memory"),
    ("panic", "trap"),
    ("overflow", "stack_overflow"),
    ("greedy", "host_calls"),
    ("undecided", "undecided"),
];

/// Time that a spinning guest uses up soon, and that the others do not need.
fn limited(text: &str) -> PolicySource {
    let mut source = runaway();
    if text == "spin" {
        source.limits.time = Duration::from_millis(50);
    }
    source
}

#[tokio::test]
async fn each_failure_is_told_apart_and_the_next_message_is_cleared() {
    let host = Host::new();
    for (text, kind) in WAYS {
        let chain = host.chain(&[limited(text)]).await;
        assert_eq!(ending(&chain.clear(sms(text)).await), format!("failed: {kind}"), "{text}");
        assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared", "after {text}");
    }
}

#[tokio::test]
async fn a_trap_is_told_in_one_line_with_what_the_guest_said() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    let not = chain.clear(sms("panic")).await.unwrap_err();
    let NotClearedKind::Failed(failure) = &not.kind else { panic!("{:?}", not.kind) };
    let told = failure.to_string();
    let (start, end) = (
        "the policy trapped: wasm trap: wasm `unreachable` instruction executed, as a panic ends",
        ": as the message asks",
    );
    assert!(told.starts_with(start) && told.ends_with(end), "{told}");
    assert!(told.contains("runaway/src/lib.rs:"), "{told}");
    assert!(!told.contains('\n') && !told.contains("backtrace"), "{told}");
    let Verdict::Failed { detail, .. } = &not.trail.decisions[0].verdict else { panic!("{not:?}") };
    assert_eq!(*detail, told);
}

#[tokio::test]
async fn each_failure_lets_pass_where_the_operator_wants_that() {
    let host = Host::new();
    for (text, kind) in WAYS {
        let mut open = limited(text);
        open.on_failure = OnFailure::Accept;
        let chain = host.chain(&[open]).await;
        let cleared = chain.clear(sms(text)).await.unwrap();
        let noted = &cleared.decisions()[0].notes[0];
        assert_eq!(noted.key, "policy.skipped");
        assert!(noted.value.contains(&format!("({kind})")), "{text}: {}", noted.value);
    }
}

#[tokio::test]
async fn log_lines_above_the_bound_are_dropped_and_the_verdict_stands() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    assert_eq!(ending(&chain.clear(sms("chatty 1000")).await), "cleared");
}

/// On one thread: a guest that did not yield would keep the second message from being looked at until it is cut.
#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_does_not_stop_another_request() {
    let host = Host::new();
    let mut source = runaway();
    source.limits.time = Duration::from_millis(500);
    let chain = host.chain(&[source]).await;
    let order = Mutex::new(Vec::new());
    let clear = async |text: &'static str| {
        let ended = ending(&chain.clear(sms(text)).await);
        order.lock().unwrap().push((text, ended));
    };

    tokio::join!(clear("spin"), clear("hello"));

    let order = order.into_inner().unwrap();
    let expected = [("hello", "cleared".to_owned()), ("spin", "failed: deadline".to_owned())];
    assert_eq!(order, expected);
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_ends_the_visit_in_its_time() {
    let host = Host::new();
    let mut source = runaway();
    source.limits.time = Duration::from_millis(50);
    let chain = host.chain(&[source]).await;
    host.ledger.get_stuck();
    assert_eq!(ending(&chain.clear(sms("greedy")).await), "failed: deadline");
    assert_eq!(host.ledger.asked(), ["get"]);
}

/// Half of two instances may be visited at once, and the first visit stays until the ledger answers.
#[tokio::test]
async fn what_finds_no_free_instance_in_its_time_is_refused_whatever_the_rule_for_failures() {
    for rule in [OnFailure::Reject, OnFailure::Accept, OnFailure::LastGood] {
        let host = Host::with(|options| {
            options.instances = 2;
            options.state_wait = Duration::from_millis(1);
        });
        let mut hasty = runaway();
        hasty.limits.time = Duration::from_millis(5);
        hasty.on_failure = rule;
        let mut patient = runaway();
        patient.limits.time = Duration::from_secs(60);
        let (patient, hasty) = (host.chain(&[patient]).await, host.chain(&[hasty]).await);
        let spins = patient.clear(sms("spin"));
        let second = async {
            tokio::task::yield_now().await;
            hasty.clear(sms("hello")).await
        };
        tokio::select! {
            biased;
            _ = spins => panic!("{rule:?}: it ended before its time"),
            second = second => assert_eq!(ending(&second), "failed: no_instance", "{rule:?}"),
        }
    }
}
