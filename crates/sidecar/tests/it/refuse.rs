//! Refusals in the form of each door: every fault at once, a stable code, nothing sent and nothing given away.

mod doors;
mod faults;
mod limits;

use std::collections::BTreeSet;

use serde_json::Value;

fn errors(body: &Value) -> BTreeSet<(String, String)> {
    let errors = body["errors"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}
