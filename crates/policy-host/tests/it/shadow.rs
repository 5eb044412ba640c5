//! Policies that are asked but do not count.

use message::Settlement;
use policy_host::Mode;

use crate::host::{Host, country, dedup, ending, runaway, sms, sms_to};

#[tokio::test]
async fn a_shadow_policys_refusal_is_recorded_and_not_enforced() {
    let host = Host::new();
    let mut shadow = country();
    shadow.mode = Mode::Shadow;
    let chain = host.chain(&[shadow]).await;

    let cleared = chain.clear(sms_to("+447911123456", "hello")).await.unwrap();

    let decision = &cleared.decisions()[0];
    assert_eq!(decision.verdict.code(), Some("country.not_allowed"));
    assert_eq!(decision.mode, Mode::Shadow);
}

#[tokio::test]
async fn a_shadow_policys_changes_and_failures_change_nothing() {
    let host = Host::new();
    let mut shadow = runaway();
    shadow.mode = Mode::Shadow;
    let chain = host.chain(&[shadow]).await;
    for text in ["amend other", "redirect +14155550199", "panic"] {
        let candidate = sms(text);
        let cleared = chain.clear(candidate.clone()).await.unwrap();
        assert_eq!(cleared.message(), &candidate.message, "{text}");
        assert_eq!(cleared.changes(), [], "{text}");
    }
}

#[tokio::test]
async fn a_shadow_policy_remembers_what_was_sent_where_no_other_comes_upon_it() {
    let host = Host::new();
    let mut shadow = dedup();
    shadow.mode = Mode::Shadow;
    let chain = host.chain(&[shadow]).await;
    let cleared = chain.clear(sms("hello")).await.unwrap();
    assert_eq!(cleared.decisions()[0].verdict.as_str(), "accept");
    let owners: Vec<_> = cleared.holds().iter().map(|hold| hold.owner.as_str()).collect();
    assert_eq!(owners, ["dedup~shadow"]);
    cleared.settle(Settlement::Keep).await.unwrap();

    let again = chain.clear(sms("hello")).await.unwrap();
    assert_eq!(again.decisions()[0].verdict.code(), Some("dup.content"));
    assert_eq!(again.holds(), []);

    let enforced = host.next_chain(Some(&chain), &[dedup()]).await;
    assert!(enforced.policies()[0].shares_revision_with(&chain.policies()[0]));
    assert_eq!(ending(&enforced.clear(sms("hello")).await), "cleared");
}

#[tokio::test]
async fn what_a_shadow_policy_took_for_a_message_that_was_not_sent_is_given_back() {
    let host = Host::new();
    let mut shadow = dedup();
    shadow.mode = Mode::Shadow;
    let chain = host.chain(&[shadow, country()]).await;
    for _ in 0..2 {
        let refused = chain.clear(sms_to("+447911123456", "hello")).await;
        assert_eq!(ending(&refused), "country.not_allowed");
        assert_eq!(refused.unwrap_err().trail.decisions[0].verdict.as_str(), "accept");
    }
}

#[tokio::test]
async fn an_explanation_takes_nothing_from_the_ledger_but_sees_what_is_there() {
    let host = Host::new();
    let chain = host.chain(&[dedup()]).await;
    assert!(chain.explain(sms("hello")).await.stopped.is_none());
    assert_eq!(host.ledger.asked(), ["holder"]);

    let cleared = chain.clear(sms("hello")).await.unwrap();
    cleared.settle(Settlement::Keep).await.unwrap();

    let explained = chain.explain(sms("hello")).await;
    assert_eq!(explained.trail.decisions[0].verdict.code(), Some("dup.content"));
    assert_eq!(ending(&chain.clear(sms("hello")).await), "dup.content");
}
