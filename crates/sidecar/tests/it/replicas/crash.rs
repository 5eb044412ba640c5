//! A replica that dies, or is cut off, between making a message its own and telling the others.

use std::sync::Arc;

use plivo_sim::{Outage, PlivoSim, Step};
use serde_json::{Value, json};

use super::gate::Gate;
use super::{connected, cut_off, id, is_replay, keyed, queued, replica, settled, text};
use crate::harness::{PATIENCE, Policy, Redis, Setup, Sidecar, TO, eventually, plivo, texts};

/// What only the request that binds a key to its answer holds.
const BINDS: &str = "\"segments\"";

/// Two replicas, of which the first reaches the Redis by a gate.
struct Pair {
    redis: Redis,
    plivo: PlivoSim,
    gate: Gate,
    one: Sidecar,
    two: Sidecar,
}

impl Pair {
    async fn start() -> Self {
        Self::with_timeout(super::TIMEOUT_MS).await
    }

    async fn with_timeout(timeout_ms: u64) -> Self {
        let (redis, plivo) = (Redis::start(), plivo().await);
        let gate = Gate::before(redis.port).await;
        let first = replica(&plivo, &gate.url()).set("store.shared_timeout_ms", timeout_ms);
        let (one, two) = (Sidecar::start(first).await, replica(&plivo, &redis.url()));
        let two = Sidecar::start(two).await;
        connected(&one).await;
        connected(&two).await;
        Self { redis, plivo, gate, one, two }
    }

    /// Has the first replica accept `body` under `key`, and holds back what it tells the others of it.
    async fn accepted_and_not_told(&self, key: &'static str, body: &Value) -> String {
        self.gate.close_at(BINDS);
        let request = self.one.post("/v1/messages").key(key).json(body);
        tokio::spawn(request.outcome());
        self.gate.is_closed().await;
        only_message(&self.one).await
    }
}

/// The id of the one message that a replica has.
async fn only_message(sidecar: &Sidecar) -> String {
    let listed = sidecar.get("/v1/messages").await.expect(200);
    let messages = listed["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 1, "{listed}");
    messages[0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_replica_killed_before_it_told_of_its_message_leaves_the_key_to_whoever_is_asked_next() {
    let pair = Pair::start().await;
    let abandoned = pair.accepted_and_not_told("order-17", &text("hi")).await;
    let folder = pair.one.kill().await;

    let elsewhere = settled(&pair.two, "order-17", &text("hi")).await;
    assert!(!is_replay(&elsewhere), "{elsewhere}");
    assert_ne!(id(&elsewhere), abandoned);
    let setup = replica(&pair.plivo, &pair.redis.url());
    let one = Sidecar::start_in(folder, setup).await;

    let record = one.in_status(&abandoned, "canceled").await;
    assert_eq!(record["error_code"], "idem.elsewhere", "{record}");
    let again = eventually("the key is asked for among replicas", async || {
        Some(keyed(&one, "order-17", &text("hi")).await).filter(|answer| id(answer) != abandoned)
    })
    .await;
    assert_eq!((id(&again), is_replay(&again)), (id(&elsewhere), true));
    assert_eq!(pair.plivo.sends().len(), 1);
    one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn a_request_that_differs_from_one_in_flight_elsewhere_waits_until_that_has_the_key_or_not() {
    let pair = Pair::start().await;
    let patient = replica(&pair.plivo, &pair.redis.url()).set("delivery.join_ms", 60_000);
    let patient = Sidecar::start(patient).await;
    connected(&patient).await;
    pair.accepted_and_not_told("order-17", &text("hi")).await;
    keyed(&pair.two, "order-17", &text("ho")).await.refused(422, "idem.mismatch");

    let request = patient.post("/v1/messages").key("order-17").json(&text("ho"));
    let waits = tokio::spawn(request.answer());
    pair.one.kill().await;

    assert!(!is_replay(&waits.await.unwrap()), "the one before came to nothing");
    keyed(&pair.two, "order-17", &text("hi")).await.refused(422, "idem.mismatch");
    assert_eq!(texts(&pair.plivo), ["ho"]);
    patient.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn a_replica_that_is_back_before_anybody_asks_elsewhere_sends_its_message_itself() {
    let pair = Pair::start().await;
    let message = pair.accepted_and_not_told("order-17", &text("hi")).await;
    let folder = pair.one.kill().await;
    let setup = replica(&pair.plivo, &pair.redis.url());
    let one = Sidecar::start_in(folder, setup).await;

    // The dead process's lease is still there at first.
    one.in_status(&message, "submitted").await;

    let again = settled(&pair.two, "order-17", &text("hi")).await;
    assert_eq!((id(&again), is_replay(&again)), (message, true));
    assert_eq!(pair.plivo.sends().len(), 1);
    one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn it_sends_each_message_of_a_request_with_several() {
    let pair = Pair::with_timeout(1_000).await;
    let body = json!({"to": ["+14155550101", "+14155550102"], "text": "hi"});
    pair.gate.close_at(BINDS);
    let told = queued(&pair.one, "order-17", &body).await;
    let setup = replica(&pair.plivo, &pair.redis.url());
    let one = Sidecar::start_in(pair.one.kill().await, setup).await;

    let messages = told.json()["messages"].clone();
    for message in messages.as_array().expect("a list") {
        one.in_status(message["id"].as_str().expect("an id"), "submitted").await;
    }

    let again = settled(&pair.two, "order-17", &body).await;
    assert!(is_replay(&again), "{again}");
    let mut recipients: Vec<String> = pair.plivo.sends().into_iter().map(|send| send.dst).collect();
    recipients.sort();
    assert_eq!(recipients, ["14155550101", "14155550102"]);
    one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn a_replica_cut_off_for_longer_than_its_lease_takes_its_message_back() {
    let pair = Pair::with_timeout(1_000).await;
    let late = pair.accepted_and_not_told("order-17", &text("hi")).await;
    pair.one.in_status(&late, "waiting").await;

    let elsewhere = settled(&pair.two, "order-17", &text("hi")).await;
    pair.gate.open();

    let record = pair.one.in_status(&late, "canceled").await;
    assert_eq!(record["error_code"], "idem.elsewhere", "{record}");
    let again = eventually("the key is asked for among replicas", async || {
        let answer = keyed(&pair.one, "order-17", &text("hi")).await;
        Some(answer).filter(|answer| answer.status == 202 && id(answer) != late)
    })
    .await;
    assert_eq!((id(&again), is_replay(&again)), (id(&elsewhere), true));
    assert_eq!(pair.plivo.sends().len(), 1);
    pair.one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn a_message_that_the_others_could_not_be_told_of_waits_and_is_sent_once_they_can_be() {
    let pair = Pair::with_timeout(1_000).await;
    pair.gate.close_at(BINDS);
    let answer = queued(&pair.one, "order-17", &text("hi")).await;
    let waits = |record: &Value| record["error_code"] == "key_unconfirmed";
    pair.one.record(&id(&answer), waits).await;
    let shown = pair.one.admin(&format!("/messages/{}", id(&answer))).await.expect(200);
    let told = "the Redis that replicas share: whether its key is this one's is not known";
    assert_eq!((&shown["status"], &shown["waits_for"]), (&json!("waiting"), &json!(told)));
    assert_eq!(pair.plivo.requests().len(), 0);

    pair.gate.open();

    pair.one.in_status(&id(&answer), "submitted").await;
    let again = settled(&pair.two, "order-17", &text("hi")).await;
    assert_eq!((id(&again), is_replay(&again)), (id(&answer), true));
    assert_eq!(pair.plivo.sends().len(), 1);
    pair.one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn such_a_message_is_sent_also_where_the_redis_comes_back_empty() {
    let mut pair = Pair::with_timeout(1_000).await;
    pair.gate.close_at(BINDS);
    let answer = queued(&pair.one, "order-17", &text("hi")).await;
    pair.one.in_status(&id(&answer), "waiting").await;

    pair.redis.kill();
    cut_off(&pair.two).await;
    pair.gate.open();
    pair.redis.start_again();

    pair.one.in_status(&id(&answer), "submitted").await;
    connected(&pair.two).await;
    let again = settled(&pair.two, "order-17", &text("hi")).await;
    assert_eq!((id(&again), is_replay(&again)), (id(&answer), true));
    assert_eq!(pair.plivo.sends().len(), 1);
    pair.one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn a_replica_killed_after_it_told_is_replayed_elsewhere_and_sends_when_it_is_back() {
    let pair = Pair::start().await;
    pair.plivo.fail(Outage::Refuse).await;
    let told = queued(&pair.one, "order-17", &text("hi")).await;
    pair.one.in_status(&id(&told), "retry_wait").await;
    let folder = pair.one.kill().await;

    let elsewhere = keyed(&pair.two, "order-17", &text("hi")).await;
    assert_eq!((id(&elsewhere), is_replay(&elsewhere)), (id(&told), true));
    pair.plivo.restore().await;
    let setup = replica(&pair.plivo, &pair.redis.url());
    let one = Sidecar::start_in(folder, setup).await;

    one.in_status(&id(&told), "submitted").await;
    let elsewhere = keyed(&pair.two, "order-17", &text("hi")).await;
    assert_eq!((id(&elsewhere), is_replay(&elsewhere)), (id(&told), true));
    assert_eq!(pair.plivo.sends().len(), 1);
    one.stop().await;
    pair.two.stop().await;
}

#[tokio::test]
async fn so_is_one_killed_before_the_first_call_for_its_message() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    plivo.script([Step::hold()]).await;
    // With room for one call, the second message has its key bound and no call made.
    let setup = replica(&plivo, &redis.url()).set("plivo.max_connections", 1);
    let one = Sidecar::start(setup.clone()).await;
    let two = Sidecar::start(replica(&plivo, &redis.url())).await;
    connected(&one).await;
    connected(&two).await;
    queued(&one, "in the way", &text("in the way")).await.expect(202);
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let told = queued(&one, "order-17", &text("hi")).await;
    one.in_status(&id(&told), "waiting").await;
    let folder = one.kill().await;

    let elsewhere = keyed(&two, "order-17", &text("hi")).await;
    assert_eq!((id(&elsewhere), is_replay(&elsewhere)), (id(&told), true));
    let one = Sidecar::start_in(folder, setup).await;

    one.in_status(&id(&told), "submitted").await;
    let sent = texts(&plivo).into_iter().filter(|text| text == "hi").count();
    assert_eq!(sent, 1);
    drop(one.kill().await);
    two.stop().await;
}

#[tokio::test]
async fn what_replicas_have_heard_of_is_sent_after_a_restart_without_the_redis_and_in_its_order() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    let setup = replica(&plivo, &redis.url());
    let one = Sidecar::start(setup.clone()).await;
    connected(&one).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let put_off = |text: &str| json!({"to": TO, "text": text, "not_before": soon.to_string()});
    queued(&one, "order-17", &put_off("with a key")).await.expect(202);
    one.queue(&put_off("without one")).await;
    let folder = Arc::clone(&one.folder);
    one.stop().await;
    redis.kill();

    let one = Sidecar::start_in(folder, setup).await;

    cut_off(&one).await;
    plivo.wait_for_sends(2, PATIENCE).await.unwrap();
    assert_eq!(texts(&plivo), ["with a key", "without one"]);
    one.stop().await;
}

/// A replica with a message under way that it will leave behind, and whose reservation is to last for an hour.
async fn leaving(redis: &Redis, plivo: &PlivoSim) -> (Sidecar, Setup) {
    plivo.fail(Outage::Refuse).await;
    let dedup = Policy::new("dedup").settings(json!({"window_s": 3_600}));
    let setup = replica(plivo, &redis.url()).policy(dedup);
    let one = Sidecar::start(setup.clone()).await;
    connected(&one).await;
    let told = queued(&one, "order-17", &text("hi")).await;
    one.in_status(&id(&told), "retry_wait").await;
    (one, setup)
}

/// Whether the one reservation outlasts what a replica that died would leave.
fn is_lasting(redis: &Redis) -> bool {
    let answer = redis.ask("EVAL \"return redis.call('PTTL', redis.call('KEYS', '*r:*')[1])\" 0");
    let left = answer.lines().find_map(|line| line.strip_prefix(':')?.parse::<i64>().ok());
    left.unwrap_or_else(|| panic!("no reservation: {answer}")) > 3_000_000
}

#[tokio::test]
async fn one_that_is_stopped_has_told_that_what_it_leaves_keeps_its_reservation() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let (one, _) = leaving(&redis, &plivo).await;

    one.stop().await;

    assert!(is_lasting(&redis));
}

#[tokio::test]
async fn what_it_cannot_tell_does_not_keep_it_from_ending_and_its_next_start_tells_it() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let (one, setup) = leaving(&redis, &plivo).await;
    redis.ask("CLIENT PAUSE 60000 WRITE");

    let folder = Arc::clone(&one.folder);
    one.stop().await;
    redis.ask("CLIENT UNPAUSE");
    let one = Sidecar::start_in(folder, setup).await;

    eventually("the reservation lasts", async || is_lasting(&redis).then_some(())).await;
    one.stop().await;
}
