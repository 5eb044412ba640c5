//! In doubt across a restart.

use std::sync::Arc;

use plivo_sim::Step;
use serde_json::{Value, json};

use super::{outcomes, settling};
use crate::harness::{PATIENCE, Sidecar, TO, plivo, posts, texts};

#[tokio::test]
async fn what_was_in_doubt_when_the_process_was_killed_is_adopted_by_the_next() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    let setup = settling(&plivo, &[3]).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let id = body["id"].as_str().unwrap();
    sidecar.in_status(id, "in_doubt").await;
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(id, "submitted").await;
    assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
    assert_eq!(outcomes(&record), ["in-doubt"], "{record}");
    assert_eq!(posts(&plivo).len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_was_in_doubt_when_the_process_was_stopped_is_sent_again_by_the_next_if_it_is_absent()
{
    let plivo = plivo().await;
    plivo.script([Step::status(500)]).await;
    let setup = settling(&plivo, &[2, 3]).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let id = body["id"].as_str().unwrap();
    sidecar.in_status(id, "in_doubt").await;
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(id, "submitted").await;
    assert_eq!(outcomes(&record), ["in-doubt", "accepted"], "{record}");
    assert_eq!((posts(&plivo).len(), texts(&plivo)), (2, vec!["hi".to_owned()]));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_call_that_the_kill_cut_off_is_in_doubt_and_not_made_again_blindly() {
    for queued in [true, false] {
        let plivo = plivo().await;
        let step = Step { hold: true, ..Step::status(500) };
        plivo.script([if queued { step.queued() } else { step }]).await;
        let setup = settling(&plivo, &[1, 2]).durable().set("plivo.call_timeout_ms", 60_000);
        let sidecar = Sidecar::start(setup.clone()).await;
        let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
        plivo.wait_for_requests(1, PATIENCE).await.unwrap();
        let folder = sidecar.kill().await;

        let sidecar = Sidecar::start_in(folder, setup).await;

        let record = sidecar.in_status(&id, "submitted").await;
        let attempts = &record["attempts"];
        assert_eq!(attempts[0]["code"], "process_ended", "{record}");
        assert_eq!(attempts[1].is_null(), queued, "queued {queued}: {record}");
        assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
        assert_eq!(texts(&plivo), ["hi"], "queued {queued}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn what_is_held_stays_held_and_unsent_over_a_restart() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued(), Step::status(500)]).await;
    let setup = settling(&plivo, &[1, 2]).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        ids.push(sidecar.queue(&json!({"to": TO, "text": text})).await);
    }
    for id in &ids {
        sidecar.in_status(id, "held").await;
    }
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;
    let other = sidecar.send(&json!({"to": TO, "text": "three"})).await.expect(202);

    assert_eq!(other["status"], "submitted", "{other}");
    for id in &ids {
        let record = sidecar.in_status(id, "held").await;
        assert_eq!(record["message_uuid"], Value::Null, "{record}");
    }
    assert_eq!(posts(&plivo).len(), 3);
    sidecar.stop().await;
}

#[tokio::test]
async fn one_that_was_put_off_stays_in_doubt_over_two_restarts() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    // Long enough for both restarts.
    let setup = settling(&plivo, &[8]).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let body = json!({"to": TO, "text": "hi", "not_before": soon.to_string()});
    let id = sidecar.queue(&body).await;
    sidecar.in_status(&id, "in_doubt").await;
    let mut folder = sidecar.kill().await;
    for _ in 0..2 {
        let sidecar = Sidecar::start_in(folder, setup.clone()).await;
        sidecar.in_status(&id, "in_doubt").await;
        folder = sidecar.kill().await;
    }

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(outcomes(&record), ["in-doubt"], "{record}");
    assert_eq!(posts(&plivo).len(), 1, "it was sent again");
    sidecar.stop().await;
}
