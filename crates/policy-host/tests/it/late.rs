//! The second look: who is asked before a late call, and what follows.

use std::sync::Arc;

use message::{E164, MessageId, Settlement, Timestamp};
use policy_host::{
    Afterwards, Candidate, Inbound, Mode, OnFailure, PolicyName, PolicySource, SecondLook,
};
use serde_json::json;

use crate::host::{Host, country, dedup, policy, runaway, sms};

/// Another guest that does as `request` says where the text is `hello`.
fn on_hello(name: &str, request: &str) -> PolicySource {
    let mut source = runaway();
    source.name = PolicyName::new(name);
    source.settings = json!({ "on_text": { "hello": request } });
    source
}

/// What comes of it, in a few words.
fn said(look: &SecondLook, now: Timestamp) -> String {
    match look {
        SecondLook::Goes => "goes".to_owned(),
        SecondLook::Rejected { policy, rejection, .. } => format!("{policy}: {}", rejection.code),
        SecondLook::PutOff { until, code, .. } => format!("{code} by {} ms", until.0 - now.0),
        SecondLook::Failed { policy, failure } => format!("{policy} failed: {}", failure.as_str()),
    }
}

async fn asked(host: &Host, chain: &[PolicySource], candidate: Candidate) -> String {
    let now = candidate.now;
    said(&host.chain(chain).await.ask_late(candidate).await.0, now)
}

#[tokio::test]
async fn only_enforced_policies_for_the_app_that_want_it_are_asked() {
    let host = Host::new();
    let refuses = on_hello("refuses", "refuse test.late");
    let (mut shadow, mut elsewhere) = (refuses.clone(), refuses.clone());
    shadow.mode = Mode::Shadow;
    elsewhere.apps = Some(vec![Arc::from("marketing")]);
    for (source, wanted, outcome) in [
        (refuses, true, "refuses: test.late"),
        (shadow, false, "goes"),
        (elsewhere, false, "goes"),
        (country(), false, "goes"),
    ] {
        let chain = host.chain(std::slice::from_ref(&source)).await;
        let mut abroad = sms("hello");
        abroad.message.to = E164::parse("+33612345678", "/to").unwrap();
        assert_eq!(chain.asks_late("billing"), wanted, "{}", source.name);
        assert_eq!(asked(&host, &[source], abroad).await, outcome);
    }
}

#[tokio::test]
async fn the_latest_instant_counts_a_refusal_more_and_all_other_changes_nothing() {
    let host = Host::new();
    let (sooner, later) = (on_hello("a", "later 5000"), on_hello("b", "later 9000"));
    let refuses = on_hello("c", "refuse test.late");
    let changes = on_hello("d", "amend refuse test.amended");
    let put_off = [later.clone(), changes, sooner.clone()];
    assert_eq!(asked(&host, &put_off, sms("hello")).await, "test.later by 9000 ms");
    assert_eq!(asked(&host, &[sooner, later, refuses], sms("hello")).await, "c: test.late");
}

#[tokio::test]
async fn an_instant_of_the_first_look_is_no_bound_of_the_second() {
    let host = Host::new();
    let mut waited = sms("hello");
    // It was put off to an hour from now, and the clock was set meanwhile.
    waited.message.not_before = Some(waited.now.after(std::time::Duration::from_secs(3_600)));
    waited.message.ttl_s = Some(1);
    let look = asked(&host, &[on_hello("a", "later 5000")], waited).await;
    assert_eq!(look, "test.later by 5000 ms");
    let look = asked(&host, &[on_hello("a", "earlier")], sms("hello")).await;
    assert_eq!(look, "goes", "it is over");
}

#[tokio::test]
async fn where_one_cannot_decide_its_operator_does() {
    let host = Host::new();
    for (on_failure, outcome) in
        [(OnFailure::Reject, "fails failed: undecided"), (OnFailure::Accept, "refuses: test.late")]
    {
        let mut fails = on_hello("fails", "undecided");
        fails.on_failure = on_failure;
        let chain = [fails, on_hello("refuses", "refuse test.late")];
        assert_eq!(asked(&host, &chain, sms("hello")).await, outcome);
    }
}

#[tokio::test]
async fn what_it_reserved_itself_stands_against_no_message_and_nothing_is_taken() {
    let host = Host::new();
    let chain = host.chain(&[policy("consent"), dedup()]).await;
    let confirmation = || {
        let mut message = sms("you get no more");
        message.message.intent = "optout_confirmation".to_owned();
        message
    };
    let first = confirmation();
    let id = MessageId("in1".into());
    let about = Afterwards { id: &id, app: "billing", door: "messages", now: first.now };
    let (sender, to) = (&first.message.to, first.message.sender.as_str());
    chain.tell_inbound(about, Inbound { sender, to, text: "STOP" }).await.unwrap();
    let cleared = chain.clear(first.clone()).await.unwrap();
    assert_eq!(cleared.holds().len(), 2);

    let own = said(&chain.ask_late(first.clone()).await.0, first.now);
    let other = said(&chain.ask_late(confirmation()).await.0, first.now);

    assert_eq!((own.as_str(), other.as_str()), ("goes", "consent: optout.suppressed"));
    cleared.settle(Settlement::Keep).await.unwrap();
    assert_eq!(host.ledger.settled(), [(2, Settlement::Keep)]);
    let own = said(&chain.ask_late(first.clone()).await.0, first.now);
    assert_eq!(own, "goes", "kept, it is its own still");
}

#[tokio::test]
async fn what_it_rests_on_is_recorded_as_it_was_asked_and_an_explanation_is_not() {
    let host = Host::with(|options| options.record = true);
    let chain = host.chain(&[policy("consent"), dedup()]).await;
    let candidate = sms("hello");
    let (look, decisions) = chain.ask_late(candidate.clone()).await;
    assert_eq!(said(&look, candidate.now), "goes");
    // `dedup` wants no second look.
    let [decision] = decisions.as_slice() else { panic!("{decisions:?}") };
    let basis = decision.basis.as_ref().expect("it is recorded");
    assert!(!basis.calls.is_empty() && !basis.again, "{basis:?}");
    let explained = chain.explain(candidate).await;
    assert!(explained.trail.decisions.iter().all(|each| each.basis.is_none()), "{explained:?}");
}
