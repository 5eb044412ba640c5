//! In doubt about what Plivo took long after the call began.

use std::time::Duration;

use plivo_sim::{PlivoSim, Step};
use serde_json::{Value, json};

use super::{outcomes, settling};
use crate::harness::{PATIENCE, Sidecar, TO, client, plivo, posts};

/// What Plivo had in hand when the call ended, and takes only now.
async fn take(plivo: &PlivoSim) {
    let call = posts(plivo).pop().expect("a call");
    let body: Value = serde_json::from_slice(&call.body).expect("JSON");
    let url = format!("{}/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/", plivo.base_url());
    let taking = client().post(url).basic_auth("MAXXXXXXXXXXXXXXXXXX", Some("TOKEN")).json(&body);
    assert_eq!(taking.send().await.expect("an answer").status(), 202);
}

#[tokio::test]
async fn what_plivo_takes_after_the_call_timed_out_is_sent_once_however_early_the_settle_times() {
    let plivo = plivo().await;
    plivo.script([Step::hang(PATIENCE).not_queued()]).await;
    // Both settle times are over when the call ends.
    let setup = settling(&plivo, &[2, 3]).set("plivo.call_timeout_ms", 4_000);
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    take(&plivo).await;

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(outcomes(&record), ["in-doubt"], "{record}");
    let sends = plivo.sends();
    assert_eq!(sends.len(), 1, "it was sent again: {record}");
    assert_eq!(record["message_uuid"], sends[0].message_uuid.as_str(), "{record}");
    sidecar.stop().await;
}
