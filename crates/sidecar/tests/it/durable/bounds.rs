//! How much is kept, and how long.

use std::sync::Arc;

use plivo_sim::Step;
use serde_json::json;

use super::database;
use crate::harness::{Setup, Sidecar, TO, eventually, plivo, texts};

#[tokio::test]
async fn of_too_many_messages_the_oldest_that_has_ended_makes_room() {
    let plivo = plivo().await;
    plivo.script([Step::status(400), Step::status(400)]).await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable().set("store.max_messages", 2)).await;
    let mut ids = Vec::new();
    for text in ["a", "b"] {
        let answer = sidecar.send(&json!({"to": TO, "text": text})).await;
        let body = answer.refused(422, "upstream.rejected");
        ids.push(body["id"].as_str().unwrap().to_owned());
        sidecar.in_status(&ids[ids.len() - 1], "failed").await;
    }

    let body = sidecar.send(&json!({"to": TO, "text": "c"})).await.expect(202);

    sidecar.get(&format!("/v1/messages/{}", ids[0])).await.refused(404, "message.not_found");
    sidecar.in_status(&ids[1], "failed").await;
    sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn messages_that_only_wait_for_plivos_word_on_their_delivery_hold_up_no_send() {
    let plivo = plivo().await;
    // Plivo's word is asked for, and none is final.
    let sidecar = Sidecar::start(
        Setup::new(&plivo)
            .durable()
            .set("store.max_messages", 5)
            .set("delivery.poll_s", json!([600])),
    )
    .await;
    let mut ids = Vec::new();
    for nth in 0..12 {
        let body = sidecar.send(&json!({"to": TO, "text": format!("message {nth}")})).await;
        ids.push(body.expect(202)["id"].as_str().unwrap().to_owned());
        sidecar.in_status(&ids[nth], "submitted").await;
    }
    assert_eq!(texts(&plivo).len(), 12);
    for id in &ids[7..] {
        sidecar.in_status(id, "submitted").await;
    }
    sidecar.get(&format!("/v1/messages/{}", ids[6])).await.refused(404, "message.not_found");
    sidecar.stop().await;
}

#[tokio::test]
async fn where_every_message_is_still_to_be_sent_no_more_is_accepted() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable().set("store.max_messages", 2)).await;
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let mut ids = Vec::new();
    for text in ["a", "b"] {
        let request = json!({"to": TO, "text": text, "not_before": later.to_string()});
        ids.push(sidecar.queue(&request).await);
    }

    let answer = sidecar.send(&json!({"to": TO, "text": "c"})).await;

    answer.refused(503, "spool.full");
    for id in &ids {
        sidecar.in_status(id, "waiting").await;
    }
    assert!(texts(&plivo).is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_forgotten_after_its_retention_and_what_has_not_is_kept() {
    let plivo = plivo().await;
    plivo.script([Step::status(400)]).await;
    let setup =
        Setup::new(&plivo).durable().set("store.retention_days", 1).set("delivery.ttl_s", 10_000);
    let sidecar = Sidecar::start(setup.clone()).await;
    let body = sidecar.send(&json!({"to": TO, "text": "a"})).await.expect(422);
    let ended = body["id"].as_str().unwrap().to_owned();
    sidecar.in_status(&ended, "failed").await;
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let request = json!({"to": TO, "text": "b", "not_before": later.to_string()});
    let open = sidecar.queue(&request).await;
    sidecar.in_status(&open, "waiting").await;
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;
    // Nobody here waits for a day.
    let day_ms = 24 * 60 * 60 * 1_000;
    let aged = database(&folder).execute("UPDATE messages SET updated = updated - ?", [day_ms]);
    assert_eq!(aged.unwrap(), 2, "messages");

    let sidecar = Sidecar::start_in(folder, setup).await;

    let gone = async || {
        let answer = sidecar.get(&format!("/v1/messages/{ended}")).await;
        (answer.status == 404).then_some(())
    };
    eventually("the message that has ended is forgotten", gone).await;
    sidecar.in_status(&open, "waiting").await;
    sidecar.stop().await;
}
