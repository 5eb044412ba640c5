//! Calls that certainly did nothing are made again, within bounds.

use std::time::Duration;

use plivo_sim::Step;
use serde_json::{Value, json};

use super::{hi, only_record};
use crate::harness::{Setup, Sidecar, plivo};

#[tokio::test]
async fn a_call_that_plivo_shed_is_made_again_until_it_is_taken() {
    let plivo = plivo().await;
    plivo.script([Step::status(503), Step::status(503)]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let body = sidecar.send(&hi()).await.expect(202);

    let record = sidecar
        .record(body["id"].as_str().unwrap(), |record| record["status"] == "submitted")
        .await;
    let attempts = record["attempts"].as_array().unwrap();
    let outcomes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["rejected", "rejected", "accepted"], "{record}");
    assert_eq!(
        (&attempts[0]["http_status"], &attempts[0]["code"]),
        (&json!(503), &json!("shed")),
        "{record}"
    );
    assert_eq!((plivo.requests().len(), plivo.sends().len()), (3, 1));
    sidecar.stop().await;
}

#[tokio::test]
async fn after_the_configured_attempts_the_message_is_given_up() {
    let plivo = plivo().await;
    plivo.script([Step::status(503), Step::status(429), Step::status(503)]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("plivo.attempts", 2)).await;

    let answer = sidecar.send(&hi()).await;

    answer.refused(503, "upstream.unavailable");
    let record = only_record(&sidecar, |record| record["status"] == "failed").await;
    assert_eq!(record["error_code"], "upstream.unavailable", "{record}");
    assert_eq!((plivo.requests().len(), plivo.sends().len()), (2, 0));
    sidecar.stop().await;
}

#[tokio::test]
async fn plivo_is_not_asked_again_before_it_wants_to_be() {
    let plivo = plivo().await;
    plivo.script([Step::status(429).with_header("Retry-After", "1")]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let body = sidecar.send(&hi()).await.expect(202);

    let record = sidecar
        .record(body["id"].as_str().unwrap(), |record| record["status"] == "submitted")
        .await;
    let at = |nth: usize, member: &str| -> jiff::Timestamp {
        record["attempts"][nth][member].as_str().and_then(|at| at.parse().ok()).expect("an instant")
    };
    let waited = at(1, "started_at").duration_since(at(0, "ended_at"));
    assert!(waited >= jiff::SignedDuration::from_secs(1), "waited {waited} only: {record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn without_credit_a_message_waits() {
    let plivo = plivo().await;
    plivo.script([Step::status(402)]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 100)).await;

    sidecar.send(&hi()).await.expect(202);

    let record = only_record(&sidecar, |record| record["status"] == "waiting").await;
    assert_eq!(record["error_code"], "credit", "{record}");
    assert_eq!(plivo.requests().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_plivo_that_cannot_be_reached_is_tried_until_it_can() {
    let plivo = plivo().await;
    plivo.refuse_connections(Duration::from_secs(1)).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 0)).await;

    let body = sidecar.send(&hi()).await.expect(202);

    assert_eq!(body["message_uuid"], Value::Null, "{body}");
    let record = sidecar
        .record(body["id"].as_str().unwrap(), |record| record["status"] == "submitted")
        .await;
    assert!(record["attempts"].as_array().is_some_and(|attempts| attempts.len() > 1), "{record}");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

/// Whether a request reaches a peer that is just closing cannot be known, so some may be in doubt; none may go twice.
#[tokio::test]
async fn on_kept_connections_that_plivo_closes_nothing_is_sent_twice() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let mut submitted = 0;
    for nth in 0..20 {
        let request = json!({"to": "+14155550123", "text": format!("n{nth}")});
        let body = sidecar.send(&request).await.expect(202);
        match body["status"].as_str() {
            Some("submitted") => submitted += 1,
            other => assert_eq!(other, Some("in_doubt"), "{body}"),
        }
        plivo.disconnect();
    }
    let mut texts: Vec<String> = plivo.sends().into_iter().map(|send| send.text).collect();
    let sends = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), sends, "a text went twice");
    assert!(sends >= submitted && submitted > 0, "{submitted} submitted, {sends} sent");
    sidecar.stop().await;
}

#[tokio::test]
async fn where_the_next_try_would_come_too_late_the_message_expires_now() {
    let plivo = plivo().await;
    plivo.script([Step::status(429).with_header("Retry-After", "60")]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let answer = sidecar.send(&json!({"to": "+14155550123", "text": "hi", "ttl_s": 30})).await;

    let problem = answer.refused(503, "send.expired");
    let detail = "Plivo takes no more for longer than the message has; nothing was sent";
    assert_eq!(problem["detail"], detail);
    assert_eq!(answer.header("retry-after"), Some("60"), "{answer}");
    let record = only_record(&sidecar, |record| record["status"] == "expired").await;
    assert_eq!(record["status_simple"], "failed", "{record}");
    assert_eq!(plivo.requests().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_shortest_lifetime_that_is_taken_is_long_enough_to_be_sent() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let body =
        sidecar.send(&json!({"to": "+14155550123", "text": "hi", "ttl_s": 5})).await.expect(202);

    assert_eq!(body["status"], "submitted", "{body}");
    assert_eq!(plivo.sends()[0].message_expiry, Some(5));
    sidecar.stop().await;
}
