//! When a refused message could go, and with which change: whatever is told then holds.

mod later;
mod otherwise;
mod text;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Policy, Sidecar};

/// In Reykjavík clocks show UTC all year round.
const REYKJAVIK: &str = "+3546112345";

fn app_limit(per_s: u32) -> Policy {
    let limit = json!({"name": "app", "scope": "app", "quota": 1, "per_s": per_s});
    Policy::new("throttle").settings(json!({"limits": [limit]}))
}

pub(super) async fn explain(sidecar: &Sidecar, body: &Value) -> Value {
    sidecar.post("/v1/explain").json(body).answer().await.expect(200)
}

pub(super) fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no instant")).parse().expect("an instant")
}

/// The changes with which it would pass at once, by pointer.
pub(super) fn changes(explained: &Value) -> Vec<(String, Value)> {
    let ways = explained["when"].as_array().unwrap_or_else(|| panic!("no ways in {explained:#}"));
    let change = |change: &Value| {
        (change["pointer"].as_str().expect("a pointer").to_owned(), change["value"].clone())
    };
    ways.iter().filter_map(|way| way["changes"].as_array()).flatten().map(change).collect()
}

/// The one way, with its instant, pointer and value.
fn only_way(explained: &Value) -> (Timestamp, String, Value) {
    let told = changes(explained);
    let [(pointer, value)] = told.as_slice() else { panic!("not one change: {explained:#}") };
    assert_eq!(explained["when"].as_array().map(Vec::len), Some(1), "{explained:#}");
    (instant(&explained["when"][0]["ask_at"]), pointer.clone(), value.clone())
}
