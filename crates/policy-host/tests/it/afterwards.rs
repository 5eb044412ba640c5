//! Policies that are told what became of a message.

use message::{MessageId, Settlement};
use policy_host::{Afterwards, Outcome, PolicyChain};

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

    chain.tell_delivery_report(about, "undelivered", "200").await;
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
