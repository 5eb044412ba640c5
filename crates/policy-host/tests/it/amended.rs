//! What one policy amends, and those before it are asked about again.

use std::sync::Arc;

use policy_host::{Grant, Mode, NotClearedKind, PolicyFailure, PolicyName, PolicySource, Trail};
use serde_json::json;

use crate::host::{Host, country, dedup, ending, policy, runaway, sms};

/// A number in France, which `country` does not let pass.
const REDIRECTED: &str = "redirect +33612345678";
const LONG: &str = "see you at five at the usual place, or give me a ring if anything comes between; \
                    I shall be there in any case, with the books and the keys and all the rest of it";

/// `source` as its operator grants it what it needs to amend and no `state`.
fn stateless(mut source: PolicySource) -> PolicySource {
    source.grants = [Grant::Amend].into_iter().collect();
    source
}

/// Refuses a text of more than one segment, and makes typography plain.
fn validation() -> PolicySource {
    let mut source = stateless(policy("validation"));
    source.settings = json!({ "max_segments": 1, "smart_encoding": "apply" });
    source
}

/// Does as `request` says where the text is `hello`.
fn on_hello(request: &str) -> PolicySource {
    let mut source = runaway();
    source.settings = json!({ "on_text": { "hello": request } });
    source
}

/// Each decision's policy and verdict.
fn verdicts(trail: &Trail) -> Vec<(&str, &str)> {
    trail.decisions.iter().map(|d| (d.policy.as_str(), d.verdict.as_str())).collect()
}

#[tokio::test]
async fn a_new_recipient_is_shown_to_the_policies_before() {
    let host = Host::new();
    let chain = host.chain(&[stateless(country()), dedup(), on_hello(REDIRECTED)]).await;

    let not = chain.clear(sms("hello")).await.unwrap_err();

    let NotClearedKind::Rejected(rejection) = &not.kind else { panic!("{:?}", not.kind) };
    assert_eq!((not.policy.as_str(), rejection.code.as_str()), ("country", "country.not_allowed"));
    assert_eq!(not.message.to.as_str(), "+33612345678");
    let expected =
        [("country", "accept"), ("dedup", "accept"), ("runaway", "amend"), ("country", "reject")];
    assert_eq!(verdicts(&not.trail), expected);
    let given_back = [(1, message::Settlement::GiveBack)];
    assert_eq!(host.ledger.settled(), given_back, "what `dedup` had reserved was not given back");
}

#[tokio::test]
async fn a_new_text_meets_the_bounds_of_the_policies_before() {
    let host = Host::new();
    let chain = host.chain(&[validation(), on_hello(&format!("amend {LONG}"))]).await;
    assert_eq!(ending(&chain.clear(sms("hello")).await), "text.too_many_segments");
    assert_eq!(ending(&chain.clear(sms("good bye")).await), "cleared");
}

#[tokio::test]
async fn a_refusal_of_what_a_later_policy_made_of_it_says_so() {
    let host = Host::new();
    let mut other = on_hello("tag x");
    other.name = PolicyName::new("other");
    let chain = host.chain(&[validation(), on_hello(&format!("amend {LONG}")), other]).await;

    let not = chain.clear(sms("hello")).await.unwrap_err();

    let NotClearedKind::Rejected(rejection) = &not.kind else { panic!("{:?}", not.kind) };
    let details = rejection.faults.iter().map(|fault| &fault.detail).chain([&rejection.detail]);
    for detail in details {
        let said = detail.strip_prefix("as policy runaway has changed it: ");
        assert!(said.is_some_and(|said| said.contains("segments")), "{detail}");
    }
    let NotClearedKind::Rejected(own) = chain.clear(sms(LONG)).await.unwrap_err().kind else {
        panic!("cleared")
    };
    assert!(own.detail.contains("segments") && !own.detail.contains("changed"), "{own:?}");
}

#[tokio::test]
async fn what_the_policies_before_let_pass_again_is_cleared_and_leaves_no_mark() {
    let host = Host::new();
    let chain = host.chain(&[stateless(country()), on_hello("redirect +14155550199")]).await;

    let cleared = chain.clear(sms("hello")).await.unwrap();

    assert_eq!(cleared.message().to.as_str(), "+14155550199");
    let verdicts: Vec<_> = cleared.decisions().iter().map(|d| d.verdict.as_str()).collect();
    assert_eq!(verdicts, ["accept", "amend"]);
}

#[tokio::test]
async fn what_a_policy_would_amend_when_it_is_asked_again_is_not_cleared() {
    let host = Host::new();
    let chain = host.chain(&[validation(), on_hello("amend “hello”")]).await;
    let not = chain.clear(sms("hello")).await.unwrap_err();
    assert!(matches!(not.kind, NotClearedKind::Failed(PolicyFailure::IllegalAmend(_))), "{not:?}");
    assert_eq!(verdicts(&not.trail).last(), Some(&("validation", "failure")));

    let chain = host.chain(&[validation(), on_hello("amend good bye")]).await;
    let cleared = chain.clear(sms("hello")).await.unwrap();
    assert_eq!(cleared.message().text, "good bye");
}

#[tokio::test]
async fn a_policy_before_strips_no_media_that_a_later_one_adds_so_they_are_not_sent() {
    let host = Host::new();
    let mut strips = stateless(country());
    strips.settings = json!({ "allow": ["US", "GB"], "mms": ["US"], "mms_fallback": "strip" });
    let chain = host.chain(&[strips, on_hello("media https://cdn.example.com/a.jpg")]).await;
    assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
    let mut abroad = sms("hello");
    abroad.message.to = message::E164::parse("+447400123456", "/to").unwrap();
    abroad.facts = message::facts::survey(&abroad.message, Vec::new()).unwrap();
    assert_eq!(ending(&chain.clear(abroad).await), "failed: illegal_amend");
}

#[tokio::test]
async fn only_enforced_policies_for_the_app_without_state_are_asked_again() {
    let host = Host::new();
    let mut shadow = stateless(country());
    shadow.mode = Mode::Shadow;
    let mut elsewhere = stateless(country());
    elsewhere.apps = Some(vec![Arc::from("marketing")]);
    // The guest would panic about the amended text.
    let mut with_state = runaway();
    with_state.name = PolicyName::new("with-state");
    for (first, request) in
        [(shadow, REDIRECTED), (elsewhere, REDIRECTED), (with_state, "amend panic")]
    {
        let chain = host.chain(&[first.clone(), on_hello(request)]).await;
        let ended = ending(&chain.clear(sms("hello")).await);
        assert_eq!(ended, "cleared", "{} was asked again", first.name);
    }
}

#[tokio::test]
async fn each_amendment_is_shown_to_all_policies_before_it() {
    let host = Host::new();
    let (mut second, mut third) = (on_hello("tag x"), on_hello(REDIRECTED));
    second.name = PolicyName::new("second");
    third.name = PolicyName::new("third");
    let chain = host.chain(&[stateless(country()), second, third]).await;

    let not = chain.clear(sms("hello")).await.unwrap_err();

    let expected =
        [("country", "accept"), ("second", "amend"), ("third", "amend"), ("country", "reject")];
    assert_eq!(verdicts(&not.trail), expected);
}

#[tokio::test]
async fn an_explanation_tells_who_would_end_the_way_of_the_amended_message() {
    let host = Host::new();
    let mut last = runaway();
    last.name = PolicyName::new("last");
    let chain = host.chain(&[stateless(country()), on_hello(REDIRECTED), last]).await;

    let explained = chain.explain(sms("hello")).await;

    let (policy, kind) = explained.stopped.unwrap();
    assert_eq!(policy.as_str(), "country");
    assert!(matches!(kind, NotClearedKind::Rejected(_)), "{kind:?}");
    let expected =
        [("country", "accept"), ("runaway", "amend"), ("country", "reject"), ("last", "accept")];
    assert_eq!(verdicts(&explained.trail), expected);
}

#[tokio::test]
async fn an_explanation_asks_nobody_again_after_the_way_has_ended() {
    let host = Host::new();
    let mut strict = stateless(country());
    strict.settings = json!({ "allow": ["CA"] });
    let chain = host.chain(&[strict, on_hello(REDIRECTED)]).await;

    let explained = chain.explain(sms("hello")).await;

    assert_eq!(verdicts(&explained.trail), [("country", "reject"), ("runaway", "amend")]);
}
