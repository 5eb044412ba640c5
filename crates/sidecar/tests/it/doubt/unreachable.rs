//! In doubt, and Plivo's list cannot be asked: the operator's word decides.

use plivo_sim::{Outage, Step};
use serde_json::{Value, json};

use super::{outcomes, settling};
use crate::harness::{Policy, Sidecar, TO, plivo, posts, texts};

#[tokio::test]
async fn where_the_list_does_not_answer_the_operators_word_for_the_intent_decides() {
    let plivo = plivo().await;
    plivo.script([Step::status(500), Step::status(500), Step::status(500)]).await;
    let setup = settling(&plivo, &[2])
        .set("delivery.on_unresolved", "hold")
        .set("delivery.on_unresolved_by_intent", json!({"otp": "fail", "marketing": "resend"}))
        .set("plivo.attempts", 20);
    let sidecar = Sidecar::start(setup).await;
    let mut ids = Vec::new();
    for (to, intent) in
        [(TO, "otp"), ("+14155550124", "marketing"), ("+14155550125", "notification")]
    {
        let id = sidecar.queue(&json!({"to": to, "text": intent, "intent": intent})).await;
        sidecar.in_status(&id, "in_doubt").await;
        ids.push(id);
    }
    plivo.fail(Outage::Step(Box::new(Step::status(503)))).await;

    let failed = sidecar.in_status(&ids[0], "failed").await;
    let held = sidecar.in_status(&ids[2], "held").await;
    sidecar.record(&ids[1], |record| record["attempts"][1]["outcome"] == "rejected").await;
    plivo.restore().await;
    let resent = sidecar.in_status(&ids[1], "submitted").await;

    for record in [&failed, &held] {
        assert_eq!(record["error_code"], "send.unresolved", "{record}");
        assert_eq!(outcomes(record), ["in-doubt"], "{record}");
        assert_eq!(record["message_uuid"], Value::Null, "{record}");
    }
    let first = &resent["attempts"][0];
    assert_eq!(
        (&first["outcome"], &first["http_status"], first["given_up_at"].is_string()),
        (&json!("in-doubt"), &json!(500), true),
        "{resent}"
    );
    assert!(first["ended_at"].as_str() < first["given_up_at"].as_str(), "{resent}");
    assert_eq!(texts(&plivo), ["marketing"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_was_sent_again_in_doubt_is_never_said_not_to_have_been_sent_and_keeps_its_charges() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    let limit = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 600}]});
    let setup = settling(&plivo, &[1])
        .durable()
        .set("delivery.on_unresolved", "resend")
        .set("plivo.attempts", 1)
        .policy(Policy::new("throttle").settings(limit));
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    plivo.fail(Outage::Step(Box::new(Step::status(429)))).await;

    let record = sidecar.in_status(&id, "failed").await;

    assert_eq!(record["error_code"], "send.unresolved", "{record}");
    assert_eq!(outcomes(&record), ["in-doubt", "rejected"], "{record}");
    let next = sidecar.send(&json!({"to": "+14155550124", "text": "hi"})).await;
    next.refused(429, "throttle.app");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_was_sent_again_in_doubt_is_found_by_whichever_call_brought_it_there() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    let setup = settling(&plivo, &[2]).set("delivery.on_unresolved", "resend");
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    plivo.fail(Outage::Step(Box::new(Step::status(500)))).await;
    let twice = |record: &Value| outcomes(record) == ["in-doubt", "in-doubt"];
    sidecar.record(&id, twice).await;
    plivo.restore().await;

    let record = sidecar.in_status(&id, "submitted").await;

    let sends = plivo.sends();
    assert_eq!((sends.len(), &record["message_uuid"]), (1, &json!(sends[0].message_uuid)));
    sidecar.stop().await;
}

#[tokio::test]
async fn the_operators_word_is_heeded_while_the_message_can_still_be_sent() {
    let plivo = plivo().await;
    plivo.script([Step::status(500), Step::status(500)]).await;
    let setup = settling(&plivo, &[2])
        .set("delivery.on_unresolved", "hold")
        .set("delivery.on_unresolved_by_intent", json!({"marketing": "resend"}))
        .set("plivo.attempts", 20);
    let sidecar = Sidecar::start(setup).await;
    let mut ids = Vec::new();
    for (to, intent) in [(TO, "marketing"), ("+14155550124", "notification")] {
        let body = json!({"to": to, "text": intent, "intent": intent, "ttl_s": 12});
        let id = sidecar.queue(&body).await;
        sidecar.in_status(&id, "in_doubt").await;
        ids.push(id);
    }
    plivo.fail(Outage::Step(Box::new(Step::status(503)))).await;

    // With all lists asked it would be eight seconds old, and too late for another call.
    sidecar.record(&ids[0], |record| record["attempts"][1]["outcome"] == "rejected").await;
    let held = sidecar.in_status(&ids[1], "held").await;
    assert_eq!(held["error_code"], "send.unresolved", "{held}");
    sidecar.stop().await;
}

#[tokio::test]
async fn without_a_word_from_the_operator_it_fails_and_is_not_sent_again() {
    let plivo = plivo().await;
    plivo.script([Step::reset()]).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1])).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    plivo.fail(Outage::Refuse).await;

    let record = sidecar.in_status(&id, "failed").await;

    assert_eq!(record["error_code"], "send.unresolved", "{record}");
    assert_eq!(posts(&plivo).len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_list_that_answers_again_in_time_is_believed() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    plivo.fail(Outage::Step(Box::new(Step::status(500)))).await;
    let lists =
        async || plivo.requests().iter().any(|request| request.method == "GET").then_some(());
    crate::harness::eventually("a list was asked for in vain", lists).await;

    plivo.restore().await;

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
    assert_eq!(posts(&plivo).len(), 1);
    sidecar.stop().await;
}
