//! What becomes of a message when Plivo refuses, sheds, breaks off, or says nothing.

mod credentials;
mod outcomes;
mod retries;

use serde_json::{Value, json};

use crate::harness::{TO, eventually};

fn hi() -> Value {
    json!({"to": TO, "text": "hi"})
}

/// The only message there is, as soon as `wanted` holds of its record.
async fn only_record(sidecar: &crate::harness::Sidecar, wanted: impl Fn(&Value) -> bool) -> Value {
    let probe = async || {
        let listed = sidecar.get("/v1/messages").await.expect(200);
        let messages = listed["messages"].as_array().cloned().unwrap_or_default();
        assert!(messages.len() <= 1, "one message was asked for: {listed}");
        messages.into_iter().next().filter(&wanted)
    };
    eventually("the message's record is as wanted", probe).await
}
