//! What no client library would send, and what some do: each is refused, nothing is sent, and the next request is
//! served.

mod at_once;
mod bodies;
mod connections;
mod framing;
mod kept;

use serde_json::json;

use crate::harness::{Sidecar, TO, TOKEN};

/// The head of a send, up to what the test adds; every connection is to be closed after its answer.
fn head(more: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n{more}"
    )
}

/// A whole body of a good send.
fn hi() -> String {
    json!({"to": TO, "text": "hi"}).to_string()
}

/// The status of a raw answer; 0 where there is none.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// The sidecar still serves, and nothing but this was sent.
async fn still_serves(sidecar: Sidecar, plivo: &plivo_sim::PlivoSim) {
    let sent_before: Vec<String> = plivo.sends().into_iter().map(|send| send.text).collect();
    assert_eq!(sent_before, [""; 0], "what was refused was sent");
    sidecar.send(&json!({"to": TO, "text": "still here"})).await.expect(202);
    sidecar.stop().await;
}
