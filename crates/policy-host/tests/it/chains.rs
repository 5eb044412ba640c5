//! Verdicts, in order, and what they do.

use std::sync::Arc;

use policy_host::{Mode, NotClearedKind, OnFailure, PolicyFailure, Verdict};
use serde_json::json;

use crate::host::{Host, country, ending, policy, runaway, said, sms, sms_to};

#[tokio::test]
async fn a_message_that_every_policy_accepts_is_cleared_unchanged() {
    let host = Host::new();
    let chain = host.chain(&[country(), runaway()]).await;
    let candidate = sms("hello");

    let cleared = chain.clear(candidate.clone()).await.unwrap();

    assert_eq!(cleared.message(), &candidate.message);
    assert_eq!(cleared.facts(), &candidate.facts);
    let verdicts: Vec<_> =
        cleared.decisions().iter().map(|d| (d.policy.as_str(), d.verdict.as_str())).collect();
    assert_eq!(verdicts, [("country", "accept"), ("runaway", "accept")]);
    assert_eq!(cleared.generation(), chain.generation());
}

#[tokio::test]
async fn an_empty_chain_clears_everything() {
    let host = Host::new();
    let chain = host.chain(&[]).await;
    assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
}

#[tokio::test]
async fn a_refusal_ends_the_way_and_names_the_policy() {
    let host = Host::new();
    let chain = host.chain(&[country(), runaway()]).await;

    let not = chain.clear(sms_to("+447911123456", "hello")).await.unwrap_err();

    let NotClearedKind::Rejected(rejection) = &not.kind else { panic!("{:?}", not.kind) };
    assert_eq!((not.policy.as_str(), rejection.code.as_str()), ("country", "country.not_allowed"));
    assert_eq!(
        not.trail.decisions.len(),
        1,
        "the next policy was asked: {:?}",
        not.trail.decisions
    );
}

#[tokio::test]
async fn a_change_is_applied_told_and_seen_by_the_next_policy() {
    let host = Host::new();
    let mut second = runaway();
    second.name = policy_host::PolicyName::new("second");
    let chain = host.chain(&[runaway(), second]).await;

    let not = chain.clear(sms("amend undecided")).await.unwrap_err();

    assert_eq!(not.policy.as_str(), "second", "the second policy saw another text");
    assert_eq!(not.message.text, "undecided");
    let codes: Vec<_> = not.trail.changes.iter().map(|change| change.policy.as_str()).collect();
    assert_eq!(codes, ["runaway"]);
    assert_eq!(not.trail.decisions[0].verdict.as_str(), "amend");
}

#[tokio::test]
async fn an_amended_message_has_its_facts_found_anew() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;

    let cleared = chain.clear(sms("amend 😀")).await.unwrap();

    assert_eq!(cleared.message().text, "😀");
    assert_eq!(cleared.facts().text.encoding.as_str(), "ucs2");
    assert_eq!(cleared.changes().len(), 1);
}

#[tokio::test]
async fn a_change_without_its_grant_is_the_policys_failure() {
    let host = Host::new();
    let all = || policy_host::Grant::ALL.into_iter();
    let mut without = runaway();
    without.grants = all().filter(|grant| *grant != policy_host::Grant::AmendRecipient).collect();
    let chain = host.chain(&[without.clone()]).await;
    assert_eq!(ending(&chain.clear(sms("redirect +14155550199")).await), "failed: illegal_amend");

    without.grants = all().filter(|grant| *grant != policy_host::Grant::Amend).collect();
    let chain = host.chain(&[without]).await;
    assert_eq!(ending(&chain.clear(sms("amend x")).await), "failed: illegal_amend");

    let chain = host.chain(&[runaway()]).await;
    let redirected = chain.clear(sms("redirect +14155550199")).await.unwrap();
    assert_eq!(redirected.message().to.as_str(), "+14155550199");
}

#[tokio::test]
async fn a_change_that_does_not_leave_a_sendable_message_is_the_policys_failure() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    // The blank text that is left has nothing to see in it.
    let not = chain.clear(sms("amend  ")).await.unwrap_err();
    let NotClearedKind::Failed(failure @ PolicyFailure::IllegalAmend(_)) = &not.kind else {
        panic!("{:?}", not.kind)
    };
    assert!(said(failure).contains("text.empty"), "{failure}");
}

#[tokio::test]
async fn a_policy_is_asked_only_about_its_apps() {
    let host = Host::new();
    let mut marketing = runaway();
    marketing.apps = Some(vec![Arc::from("marketing")]);
    let chain = host.chain(&[marketing]).await;

    let cleared = chain.clear(sms("panic")).await.unwrap();
    assert_eq!(cleared.decisions().len(), 0);

    let mut candidate = sms("panic");
    candidate.app = Arc::from("marketing");
    assert_eq!(ending(&chain.clear(candidate).await), "failed: trap");
}

#[tokio::test]
async fn an_explanation_has_every_verdict_even_after_a_refusal() {
    let host = Host::new();
    let mut shadow = runaway();
    shadow.name = policy_host::PolicyName::new("shadow");
    shadow.mode = Mode::Shadow;
    let mut strict = policy("country");
    strict.settings = json!({ "allow": ["CA"] });
    let chain = host.chain(&[strict, runaway(), shadow]).await;

    let explained = chain.explain(sms("panic")).await;

    let verdicts: Vec<_> =
        explained.trail.decisions.iter().map(|d| (d.policy.as_str(), d.verdict.as_str())).collect();
    assert_eq!(verdicts, [("country", "reject"), ("runaway", "failure"), ("shadow", "failure")]);
    let (policy, kind) = explained.stopped.unwrap();
    assert_eq!(policy.as_str(), "country");
    assert!(matches!(kind, NotClearedKind::Rejected(_)), "{kind:?}");
}

#[tokio::test]
async fn an_explanation_of_what_would_be_cleared_shows_the_message_as_it_would_be_sent() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    let explained = chain.explain(sms("amend changed")).await;
    assert!(explained.stopped.is_none(), "{:?}", explained.stopped);
    assert_eq!(explained.message.text, "changed");
}

#[tokio::test]
async fn a_policy_that_cannot_decide_refuses_or_is_skipped_as_the_operator_wants() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    let not = chain.clear(sms("undecided")).await.unwrap_err();
    assert!(
        matches!(not.kind, NotClearedKind::Failed(PolicyFailure::Undecided { .. })),
        "{:?}",
        not.kind
    );

    let mut open = runaway();
    open.on_failure = OnFailure::Accept;
    let chain = host.next_chain(Some(&chain), &[open]).await;
    let cleared = chain.clear(sms("undecided")).await.unwrap();
    let decision = &cleared.decisions()[0];
    assert!(matches!(decision.verdict, Verdict::Failed { kind: "undecided", .. }), "{decision:?}");
    let said = "policy `runaway` could not decide (undecided) and was left out";
    for notes in [&decision.notes[..], cleared.warnings()] {
        let notes: Vec<_> = notes.iter().map(|n| (n.key.as_str(), n.value.as_str())).collect();
        assert_eq!(notes, [("policy.skipped", said)]);
    }
}
