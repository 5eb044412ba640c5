//! In doubt across a restart.

use std::sync::Arc;
use std::time::Duration;

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

#[tokio::test]
async fn what_an_app_was_told_the_next_process_knows_whenever_this_one_was_killed() {
    let plivo = plivo().await;
    // Plivo's list tells nothing in time: what is not known here would be sent again.
    plivo.set_list_delay(Duration::from_secs(3_600));
    let setup = settling(&plivo, &[1, 2]).durable();
    let mut sidecar = Sidecar::start(setup.clone()).await;
    for nth in 0..5 {
        let body = sidecar.send(&json!({"to": TO, "text": format!("n{nth}")})).await.expect(202);
        sidecar = Sidecar::start_in(sidecar.kill().await, setup.clone()).await;

        assert_eq!(body["status"], "submitted", "{body}");
        let uuid = body["message_uuid"].as_str().unwrap();
        let record = sidecar.get(&format!("/v1/messages/{uuid}")).await.expect(200);
        assert_eq!((&record["status"], &record["id"]), (&json!("submitted"), &body["id"]));
        assert_eq!(outcomes(&record), ["accepted"], "{record}");
    }
    assert_eq!(posts(&plivo).len(), 5);
    sidecar.stop().await;
}

/// As a process of before has left it, which wrote what came of a call apart from what it meant.
#[tokio::test]
async fn a_call_that_is_known_to_have_been_taken_or_turned_away_is_no_doubt_at_a_start() {
    for (outcome, ends, calls) in [("accepted", "failed", 1), ("rejected", "submitted", 2)] {
        let plivo = plivo().await;
        plivo.set_list_delay(Duration::from_secs(3_600));
        let setup = settling(&plivo, &[1, 2]).durable();
        let sidecar = Sidecar::start(setup.clone()).await;
        let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
        let folder = sidecar.kill().await;
        let sql = "UPDATE messages SET status = 'sending', message_uuid = NULL, live = 1, text = 'hi', unsent = 0;
            UPDATE attempts SET outcome = '";
        let database = rusqlite::Connection::open(folder.path().join("sendgate.db")).unwrap();
        database.execute_batch(&format!("{sql}{outcome}'")).unwrap();
        drop(database);

        let sidecar = Sidecar::start_in(folder, setup).await;

        let record = sidecar.in_status(body["id"].as_str().unwrap(), ends).await;
        assert_eq!(outcomes(&record)[0], outcome, "{record}");
        assert_eq!(posts(&plivo).len(), calls, "{outcome}: {record}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn one_whose_id_was_found_before_the_kill_is_submitted_whatever_the_list_says_now() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    // Longer than the test: nobody asks the list.
    let setup = settling(&plivo, &[600]).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    let folder = sidecar.kill().await;
    let uuid = plivo.sends()[0].message_uuid.clone();
    // What is on disk between the two commits of a message that was found.
    let database = rusqlite::Connection::open(folder.path().join("sendgate.db")).unwrap();
    let sql = "UPDATE messages SET message_uuid = ?1 WHERE id = ?2";
    assert_eq!(database.execute(sql, (&uuid, &id)).unwrap(), 1);
    drop(database);

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(record["message_uuid"], uuid.as_str(), "{record}");
    assert_eq!(posts(&plivo).len(), 1);
    sidecar.stop().await;
}
