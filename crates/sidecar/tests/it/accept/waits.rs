//! How long an answer waits for Plivo, and a message for its time.

use plivo_sim::Step;
use serde_json::{Value, json};

use super::text;
use crate::harness::{PATIENCE, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn an_app_that_prefers_not_to_wait_is_answered_before_plivo_answers() {
    let plivo = plivo().await;
    // An answer that waited would come when the call is given up, and say so.
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 60_000)).await;
    for (nth, prefer) in
        ["respond-async", "respond-async; q", "wait=\"0\"", "foo=\"a, b\", Wait = 0; strict"]
            .into_iter()
            .enumerate()
    {
        plivo.script([Step::hold()]).await;
        let request = sidecar.post("/v1/messages").header("prefer", prefer);
        let said = json!({"to": TO, "text": format!("hi {nth}")});
        let answer = request.json(&said).answer().await;

        let body = answer.expect(202);
        assert_eq!((&body["message_uuid"], &body["status"]), (&Value::Null, &json!("queued")));
        assert!(answer.header("location").is_some(), "{answer}");
        plivo.wait_for_requests(nth + 1, PATIENCE).await.unwrap();
        plivo.release();
        let id = text(&body, "id");
        let record = sidecar.record(&id, |record| record["status"] == "submitted").await;
        assert_eq!(record["message_uuid"], plivo.sends()[nth].message_uuid.as_str());
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn where_plivo_is_slow_the_answer_waits_no_longer_than_configured() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 100)).await;

    let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    assert_eq!(body["message_uuid"], Value::Null, "{body}");
    let record = sidecar.get(&format!("/v1/messages/{}", text(&body, "id"))).await.expect(200);
    assert_eq!(record["status_simple"], "queued", "{record}");
    plivo.release();
    sidecar.record(&text(&body, "id"), |record| record["status"] == "submitted").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_for_later_waits_for_its_time() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);

    let request = json!({"to": TO, "text": "hi", "not_before": in_an_hour.to_string()});
    let body = sidecar
        .post("/v1/messages")
        .header("prefer", "wait=0")
        .json(&request)
        .answer()
        .await
        .expect(202);

    sidecar.record(&text(&body, "id"), |record| record["status"] == "waiting").await;
    assert_eq!(plivo.sends().len(), 0);
    assert_eq!(sidecar.ready().await.expect(200)["waiting"], 1);
    sidecar.stop().await;
}
