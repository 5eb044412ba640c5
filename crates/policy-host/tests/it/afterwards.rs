//! Policies that are told what became of a message.

use message::{E164, Kind, MessageId, Sender, Settlement};
use policy_host::{Afterwards, Inbound, Mode, Outcome, PolicyChain, PolicyName, Receipt};

use crate::host::{Host, country, policy, sms};

async fn told(chain: &PolicyChain, id: &MessageId) -> String {
    let cleared = chain.clear(sms(&format!("told {id}"))).await.unwrap();
    let decision = cleared.decisions().iter().find(|each| each.policy.as_str() == "probe").unwrap();
    decision.notes.iter().find(|note| note.key == "probe.answer").unwrap().value.clone()
}

#[tokio::test]
async fn a_policy_hears_of_the_outcome_and_of_each_delivery_report() {
    let host = Host::new();
    // `country` does not want to know, and is not asked.
    let chain = host.chain(&[country(), policy("probe")]).await;
    let candidate = sms("hello");
    let (id, now) = (candidate.message.id.clone(), candidate.now);
    let about = Afterwards { id: &id, app: "billing", door: "messages", now };
    let cleared = chain.clear(candidate).await.unwrap();
    cleared.settle(Settlement::Keep).await.unwrap();
    assert_eq!(told(&chain, &id).await, "nothing kept");

    chain.tell_outcome(about, Outcome::InDoubt).await;
    assert_eq!(told(&chain, &id).await, "in-doubt");

    chain.tell_delivery_report(about, "undelivered", "200").await.unwrap();
    assert_eq!(told(&chain, &id).await, "undelivered 200");
}

#[tokio::test]
async fn a_policy_hears_only_of_its_own_apps() {
    let host = Host::new();
    let mut source = policy("probe");
    source.apps = Some(vec!["billing".into()]);
    let chain = host.chain(&[source]).await;
    let id = MessageId("m-elsewhere".into());
    let about = Afterwards { id: &id, app: "marketing", door: "messages", now: sms("x").now };
    chain.tell_outcome(about, Outcome::Accepted).await;
    assert_eq!(told(&chain, &id).await, "nothing kept");
}

#[tokio::test]
async fn a_policy_hears_in_full_what_became_of_a_message() {
    let host = Host::new();
    let chain = host.chain(&[country(), policy("probe")]).await;
    let to = E164::parse("+33612345678", "/to").unwrap();
    let sender = Sender::parse("+14155551212", "/from").unwrap();
    let id = MessageId("m1".into());
    let about = Afterwards { id: &id, app: "billing", door: "messages", now: sms("x").now };
    let receipt = Receipt {
        kind: Kind::Sms,
        to: Some(&to),
        sender: &sender,
        intent: "otp",
        state: "undelivered",
        error_code: "200",
        units: Some(2),
        total_rate: "0.00500",
    };
    chain.tell_receipt(about, receipt).await.unwrap();
    let heard = told(&chain, &MessageId("receipt-m1".into())).await;
    assert_eq!(heard, "+336• +141• FR otp undelivered 200 Some(2) 0.00500");
}

#[tokio::test]
async fn a_policy_without_its_state_is_to_be_told_again_whatever_it_made_of_that() {
    let host = Host::new();
    let mut shadow = policy("probe");
    (shadow.name, shadow.mode) = (PolicyName::new("on-the-side"), Mode::Shadow);
    let beside = host.chain(&[shadow]).await;
    let chain = host.chain(&[policy("probe")]).await;
    let sender = Sender::parse("+14155551212", "/from").unwrap();
    let id = MessageId("m1".into());
    let about = Afterwards { id: &id, app: "billing", door: "messages", now: sms("x").now };
    let receipt = Receipt {
        kind: Kind::Sms,
        to: None,
        sender: &sender,
        intent: "",
        state: "undelivered",
        error_code: "200",
        units: None,
        total_rate: "",
    };

    host.ledger.set_away(true);
    // It cannot say that it failed at this one.
    let untold = chain.tell_delivery_report(about, "undelivered", "200").await.unwrap_err();
    assert_eq!((untold.0.as_str(), untold.1.as_str()), ("probe", "undecided"));
    let (policy, failure) = chain.tell_receipt(about, receipt).await.unwrap_err();
    assert_eq!((policy.as_str(), failure.as_str()), ("probe", "undecided"));
    beside.tell_receipt(about, receipt).await.unwrap();

    host.ledger.set_away(false);
    chain.tell_delivery_report(about, "undelivered", "200").await.unwrap();
    chain.tell_receipt(about, receipt).await.unwrap();
    let heard = told(&chain, &MessageId("receipt-m1".into())).await;
    assert_eq!(heard, " +141•   undelivered 200 None ");
}

#[tokio::test]
async fn every_policy_hears_from_handsets_and_says_what_it_made_of_it() {
    let host = Host::new();
    let mut source = policy("probe");
    source.apps = Some(vec!["billing".into()]);
    let chain = host.chain(&[country(), source]).await;
    assert!(chain.hears_inbound());
    let sender = E164::parse("+14155550123", "/sender").unwrap();
    let id = MessageId("in-1".into());
    let about = Afterwards { id: &id, app: "", door: "callback", now: sms("x").now };
    let says = |text| Inbound { sender: &sender, to: "12345", text };

    let made = chain.tell_inbound(about, says("put k v 1000")).await.unwrap();
    let made: Vec<_> =
        made.iter().map(|note| (note.policy.as_str(), &*note.key, &*note.value)).collect();
    assert_eq!(made, [("probe", "probe.heard", "true; to 12345; by \"\"")]);
    let kept = chain.tell_inbound(about, says("get k")).await.unwrap();
    assert_eq!(kept[0].value, "v; to 12345; by \"\"");

    for (text, kind) in [("fail", "undecided"), ("panic", "trap")] {
        let (policy, failure) = chain.tell_inbound(about, says(text)).await.unwrap_err();
        assert_eq!((policy.as_str(), failure.as_str()), ("probe", kind), "{text}");
    }
}
