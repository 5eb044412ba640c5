//! The decision log of a running sidecar, and `sendgate replay` of it.

mod collector;
mod file;
mod replay;

use std::fs;
use std::path::Path;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use crate::harness::{Policy, Setup, Sidecar, TO, plivo};

const FRANCE: &str = "+33612345678";

/// Refusals, changes and state; `countries` may be texted.
fn setup(plivo: &PlivoSim, countries: &[&str]) -> Setup {
    let dedup = json!({"window_s": 30, "mode": "reject", "salt": "salt-of-dedup"});
    let app = json!({"name": "app", "scope": "app", "kind": "window", "quota": 1000, "per_s": 60});
    Setup::new(plivo)
        .set("decisions.path", "d.jsonl")
        .set("decisions.max_bytes", 65_536)
        .set("decisions.keep", 20)
        .set("store.hash_key", "a-key-of-hashes-that-is-long-enough")
        .policy(Policy::new("validation"))
        .policy(Policy::new("country").settings(json!({"allow": countries})))
        .policy(Policy::new("dedup").settings(dedup))
        .policy(Policy::new("throttle").settings(json!({"limits": [app]})))
}

/// Messages to two countries, every fourth of them a repetition; how many.
async fn send_some(sidecar: &Sidecar, from: usize, count: usize) -> usize {
    for nth in from..from + count {
        let text = format!("rendezvous {} at five, code 493021", nth - nth % 4 / 3);
        let to = if nth % 2 == 0 { TO } else { FRANCE };
        let body = json!({
            "to": to, "text": text, "intent": "of-4155550188", "tags": {"campaign": "spring-with-somebody"},
        });
        let answer = sidecar.post("/v1/messages").json(&body).answer().await;
        assert!([202, 403, 409].contains(&answer.status), "status {}", answer.status);
    }
    count
}

/// The logs in `folder`, the oldest first.
fn logs(folder: &Path) -> Vec<String> {
    let older = (1..20).rev().map(|nth| format!("d.jsonl.{nth}"));
    older.chain(["d.jsonl".to_owned()]).filter(|name| folder.join(name).exists()).collect()
}

fn records(folder: &Path) -> Vec<Value> {
    let read = |name: &String| fs::read_to_string(folder.join(name)).unwrap();
    let text: String = logs(folder).iter().map(read).collect();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("decision").cloned()).collect()
}

async fn shown(sidecar: &Sidecar) -> Value {
    sidecar.ready().await.expect(200)["decisions"].clone()
}

#[tokio::test]
async fn one_of_so_many_is_recorded_where_that_is_asked_for_and_none_where_nothing_is() {
    let plivo = plivo().await;
    let sampled = setup(&plivo, &["US", "FR"]).set("decisions.sample", 3);
    let sidecar = Sidecar::start(sampled).await;
    send_some(&sidecar, 0, 9).await;
    let folder = sidecar.folder.clone();
    sidecar.stop().await;
    assert_eq!(records(folder.path()).len(), 3);

    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    assert_eq!(shown(&sidecar).await, Value::Null);
    sidecar.stop().await;
}
