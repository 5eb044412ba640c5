//! Replicas on one Redis: each a process with its own database, all with the same limits and keys.

mod away;
mod crash;
mod example;
mod gate;
mod keys;
mod limits;
mod login;
mod namespaces;
mod reach;
mod reports;
mod trips;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use crate::harness::{Answer, Policy, Setup, Sidecar, TO, eventually};

/// Far above what an answer takes on a busy machine: tests of a server that is slow or away set their own.
const TIMEOUT_MS: u64 = 10_000;

/// A replica without policies, on the Redis at `shared`.
fn replica(plivo: &PlivoSim, shared: &str) -> Setup {
    Setup::new(plivo)
        .durable()
        .set("store.shared", shared)
        .set("store.shared_timeout_ms", TIMEOUT_MS)
        .set("store.hash_key", "one-key-for-all-the-replicas-of-a-test")
        // Of a request whose replica died, its lease is waited for; it is asked for often enough all the same.
        .set("delivery.join_ms", 100)
}

/// Three of them, up and connected.
async fn three(setup: &Setup) -> [Sidecar; 3] {
    let start = || Sidecar::start(setup.clone());
    let (one, two, three) = tokio::join!(start(), start(), start());
    let all = [one, two, three];
    for sidecar in &all {
        connected(sidecar).await;
    }
    all
}

async fn connected(sidecar: &Sidecar) {
    eventually("the Redis is reached", async || trouble(sidecar).await.is_null().then_some(()))
        .await;
}

async fn cut_off(sidecar: &Sidecar) {
    eventually("the Redis is away", async || trouble(sidecar).await.is_string().then_some(()))
        .await;
}

/// What `/readyz` says of the Redis.
async fn trouble(sidecar: &Sidecar) -> Value {
    sidecar.ready().await.expect(200)["shared_trouble"].clone()
}

/// A limit of `quota` messages for each app; long enough that none leaves it during a test.
fn throttle(quota: u64, on_unavailable: &str) -> Policy {
    let limit = json!({
        "name": "app", "scope": "app", "quota": quota, "per_s": 3600,
        "on_unavailable": on_unavailable,
    });
    Policy::new("throttle").settings(json!({ "limits": [limit] }))
}

fn text(text: &str) -> Value {
    json!({"to": TO, "text": text})
}

/// One send under a key.
async fn keyed(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    sidecar.post("/v1/messages").key(key).json(body).answer().await
}

/// The same, which does not wait for Plivo.
async fn queued(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    let request = sidecar.post("/v1/messages").key(key).header("prefer", "respond-async");
    request.json(body).answer().await
}

/// The first answer under a key that is not "still in flight".
async fn settled(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    eventually("the key is in flight no longer", async || {
        Some(keyed(sidecar, key, body).await).filter(|answer| answer.status != 409)
    })
    .await
}

fn id(answer: &Answer) -> String {
    answer.expect(202)["id"].as_str().expect("an id").to_owned()
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}
