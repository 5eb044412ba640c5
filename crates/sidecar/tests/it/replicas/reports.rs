//! A delivery report reaches the replica that has its message, whichever it was brought to.

use std::time::Duration;

use plivo_sim::{Report, State, Step};
use serde_json::json;

use super::gate::Gate;
use super::{connected, id, is_replay, keyed, queued, replica, text};
use crate::harness::{Policy, Redis, Sidecar, TO, eventually, plivo};
use crate::reports::{Ingress, manual, start};

/// Plivo's error 200: the recipient has opted out.
fn opted_out() -> Report {
    Report { error_code: Some("200".into()), ..Report::of(State::Undelivered) }
}

#[tokio::test]
async fn an_opt_out_in_a_report_waits_with_plivo_while_the_redis_answers_nothing() {
    let (plivo, ingress, redis) = (manual().await, Ingress::open().await, Redis::start());
    let gate = Gate::before(redis.port).await;
    let setup = replica(&plivo, &gate.url())
        .set("store.shared_timeout_ms", 500)
        .set("listen.callbacks", "127.0.0.1:0")
        .set("listen.callbacks_url", ingress.url())
        .policy(Policy::new("consent"));
    let sidecar = start(setup, &ingress).await;
    connected(&sidecar).await;
    let sent = sidecar.send(&text("one")).await.expect(202);
    let (id, uuid) = (sent["id"].as_str().unwrap(), sent["message_uuid"].as_str().unwrap());

    gate.close();
    // The second time the Redis is known to be away, and nobody waits for it.
    for _ in 0..2 {
        let reported = plivo.send_report(uuid, opted_out()).await.expect("a report");
        assert_eq!(reported.answer.expect("an answer"), 503);
    }
    assert_eq!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "submitted");

    gate.open();
    connected(&sidecar).await;
    let reported = plivo.send_report(uuid, opted_out()).await.expect("a report");
    assert_eq!(reported.answer.expect("an answer"), 200);
    sidecar.in_status(id, "undelivered").await;
    sidecar.send(&text("two")).await.refused(403, "optout.suppressed");
    let counted = &sidecar.ready().await.json()["reports"];
    assert_eq!((&counted["unwritten"], &counted["taken"]), (&json!(2), &json!(1)), "{counted}");
    sidecar.stop().await;
}

#[tokio::test]
async fn plivo_is_asked_again_about_an_opt_out_that_no_policy_could_hear_of() {
    let (plivo, redis) = (manual().await, Redis::start());
    let gate = Gate::before(redis.port).await;
    let setup = replica(&plivo, &gate.url())
        .set("store.shared_timeout_ms", 500)
        .set("delivery.poll_s", json!([1]))
        .policy(Policy::new("consent"));
    let sidecar = Sidecar::start(setup).await;
    connected(&sidecar).await;
    let sent = sidecar.send(&text("one")).await.expect(202);
    let (id, uuid) = (sent["id"].as_str().unwrap(), sent["message_uuid"].as_str().unwrap());

    gate.close();
    assert!(plivo.change(uuid, State::Undelivered, Some("200")));
    let looks = || plivo.requests().into_iter().filter(|seen| seen.method == "GET").count();
    let before = looks();
    let again = async || (looks() >= before + 3).then_some(());
    eventually("it is asked about again and again", again).await;
    assert_ne!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "undelivered");

    gate.open();
    sidecar.in_status(id, "undelivered").await;
    sidecar.send(&text("two")).await.refused(403, "optout.suppressed");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_conversion_that_no_policy_can_hear_of_is_to_be_told_again() {
    let (plivo, redis) = (plivo().await, Redis::start());
    let gate = Gate::before(redis.port).await;
    let probe = Policy::new("probe")
        .set("grants", json!(["state", "log", "metrics", "telecom", "zones", "media"]));
    let setup = replica(&plivo, &gate.url()).set("store.shared_timeout_ms", 500).policy(probe);
    let sidecar = Sidecar::start(setup).await;
    connected(&sidecar).await;
    let sent = sidecar.send(&text("probes")).await.expect(202);
    let converted = format!("/v1/messages/{}/converted", sent["id"].as_str().unwrap());

    gate.close();
    let untold = sidecar.post(&converted).answer().await;
    let problem = untold.refused(503, "policy.module_failed");
    assert_eq!(problem["policy"]["name"], "probe", "{untold}");
    assert!(untold.header("retry-after").is_some(), "{untold}");

    gate.open();
    connected(&sidecar).await;
    sidecar.post(&converted).answer().await.expect(200);
    sidecar.stop().await;
}

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

#[tokio::test]
async fn a_key_that_a_report_puts_in_force_again_is_so_at_every_replica() {
    let (plivo, ingress, redis) = (manual().await, Ingress::open().await, Redis::start());
    plivo.set_list_delay(Duration::from_secs(600));
    plivo.script([Step::reset().queued(), Step::status(400)]).await;
    let setup = replica(&plivo, &redis.url())
        .set("listen.callbacks", "127.0.0.1:0")
        .set("listen.callbacks_url", ingress.url())
        .set("delivery.settle_s", json!([1]));
    let one = start(setup.clone(), &ingress).await;
    let two = Sidecar::start(setup).await;
    connected(&one).await;
    connected(&two).await;
    let told = queued(&one, "order-17", &text("hi")).await;
    one.in_status(&id(&told), "failed").await;
    let is_known = || redis.ask("KEYS *").contains("order-17");
    let freed = async || (!is_known()).then_some(());
    eventually("replicas know that the key is free", freed).await;

    // In the word that the sidecar came to itself.
    let uuid = plivo.sends()[0].message_uuid.clone();
    let failed = Report { error_code: Some("300".into()), ..Report::of(State::Failed) };
    plivo.send_report(&uuid, failed).await.expect("a report");

    let bound = async || is_known().then_some(());
    eventually("replicas know that it is in force again", bound).await;
    for replica in [&one, &two] {
        let again = keyed(replica, "order-17", &text("hi")).await;
        assert!(is_replay(&again), "it is sent twice: {again}");
    }
    assert_eq!(plivo.sends().len(), 1);
    one.stop().await;
    two.stop().await;
}
