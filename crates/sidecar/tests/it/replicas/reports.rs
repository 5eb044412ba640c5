//! A delivery report reaches the replica that has its message, whichever it was brought to.

use plivo_sim::{Report, State};
use serde_json::json;

use super::{connected, replica};
use crate::harness::{Redis, Sidecar, TO, eventually};
use crate::reports::{Ingress, manual};

#[tokio::test]
async fn one_that_comes_to_another_replica_is_handed_on_to_the_one_that_has_the_message() {
    let (plivo, ingress, redis) = (manual().await, Ingress::open().await, Redis::start());
    let setup = replica(&plivo, &redis.url())
        .set("listen.callbacks", "127.0.0.1:0")
        .set("listen.callbacks_url", ingress.url());
    let (here, there) = tokio::join!(Sidecar::start(setup.clone()), Sidecar::start(setup.clone()));
    connected(&here).await;
    connected(&there).await;
    ingress.lead_to(&there).await;
    let sent = here.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let (id, uuid) = (sent["id"].as_str().unwrap(), sent["message_uuid"].as_str().unwrap());

    let report = Report { sequence: Some(3), ..Report::of(State::Delivered) };
    let reported = plivo.send_report(uuid, report.clone()).await.expect("a report");
    assert_eq!(reported.answer.expect("an answer"), 200);
    here.in_status(id, "delivered").await;
    let counted = there.ready().await.json()["reports"]["handed_on"].clone();
    assert_eq!(counted, 1, "how it was taken there");

    // What went before it was read is counted; another replica handed it on.
    let two = "MULTI\nXADD sendgate:reports * a b\nXADD sendgate:reports * a b\nXTRIM sendgate:reports MAXLEN 1\nEXEC";
    redis.ask(two);
    let missed = async || (here.ready().await.json()["reports"]["missed"] == 1).then_some(());
    eventually("one is missed", missed).await;

    // While nothing can be handed on, Plivo keeps it.
    drop(redis);
    let away = async || there.ready().await.json()["shared_trouble"].is_string().then_some(());
    eventually("the Redis is away", away).await;
    let refused = plivo.send_report(uuid, report).await.expect("a report");
    assert_eq!(refused.answer.expect("an answer"), 503);
}
