//! In doubt where this machine's clock and Plivo's are apart, or ours is set meanwhile.

use std::time::Duration;

use jiff::SignedDuration;
use plivo_sim::{PlivoSim, Step};
use rusqlite::Connection;
use serde_json::json;

use super::{outcomes, settling};
use crate::harness::{Folder, PATIENCE, Sidecar, TO, plivo, posts};

/// A Plivo whose clock is so many seconds ahead of ours.
async fn plivo_ahead(seconds: i64) -> PlivoSim {
    let plivo = plivo().await;
    plivo.set_clock(SignedDuration::from_secs(seconds));
    plivo
}

#[tokio::test]
async fn one_that_plivo_took_is_found_however_wrong_our_clock_is() {
    for seconds in [-90, -86_400, 90, 86_400] {
        for (what, step) in [("500", Step::status(500).queued()), ("silence", Step::hang(PATIENCE))]
        {
            let plivo = plivo_ahead(seconds).await;
            plivo.script([step]).await;
            let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
            let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;

            let record = sidecar.in_status(&id, "submitted").await;

            let uuid = &plivo.sends()[0].message_uuid;
            assert_eq!(record["message_uuid"], uuid.as_str(), "{what}, {seconds}: {record}");
            assert_eq!(posts(&plivo).len(), 1, "{what}, {seconds}: {record}");
            sidecar.stop().await;
        }
    }
}

#[tokio::test]
async fn one_that_plivo_did_not_take_is_sent_again_however_wrong_our_clock_is() {
    for seconds in [-86_400, 86_400] {
        let plivo = plivo_ahead(seconds).await;
        plivo.script([Step::status(500)]).await;
        let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
        let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;

        let record = sidecar.in_status(&id, "submitted").await;

        assert_eq!(outcomes(&record), ["in-doubt", "accepted"], "{seconds}: {record}");
        assert_eq!(plivo.sends().len(), 1, "{seconds}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_call_that_the_kill_cut_off_is_found_by_plivos_clock() {
    let plivo = plivo_ahead(-90).await;
    plivo.script([Step::default(), Step { hold: true, ..Step::status(500) }.queued()]).await;
    let setup = settling(&plivo, &[1, 2]).durable().set("plivo.call_timeout_ms", 60_000);
    let sidecar = Sidecar::start(setup.clone()).await;
    let first = sidecar.queue(&json!({"to": "+14155550124", "text": "hi"})).await;
    sidecar.in_status(&first, "submitted").await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    plivo.wait_for_sends(2, PATIENCE).await.unwrap();
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(record["message_uuid"], plivo.sends()[1].message_uuid.as_str(), "{record}");
    assert_eq!(posts(&plivo).len(), 2, "it was sent again: {record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn where_plivos_clock_was_never_seen_before_the_kill_a_person_decides() {
    let plivo = plivo_ahead(-90).await;
    plivo.script([Step { hold: true, ..Step::status(500) }.queued()]).await;
    let setup = settling(&plivo, &[1, 2]).durable().set("plivo.call_timeout_ms", 60_000);
    let sidecar = Sidecar::start(setup.clone()).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    plivo.wait_for_sends(1, PATIENCE).await.unwrap();
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "held").await;
    assert_eq!(record["error_code"], "send.unclear", "{record}");
    assert_eq!(posts(&plivo).len(), 1, "it was sent again: {record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_clock_set_forward_over_a_restart_does_not_hasten_the_lists() {
    let plivo = plivo().await;
    plivo.set_list_delay(Duration::from_secs(4));
    plivo.script([Step { hold: true, ..Step::status(500) }.queued()]).await;
    let setup = settling(&plivo, &[1, 2, 8]).durable().set("plivo.call_timeout_ms", 60_000);
    let sidecar = Sidecar::start(setup.clone()).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    plivo.wait_for_sends(1, PATIENCE).await.unwrap();
    let folder = sidecar.kill().await;
    set_back(&folder, Duration::from_secs(600));

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
    assert_eq!(posts(&plivo).len(), 1, "it was sent again: {record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_apart_from_plivos_is_told_once() {
    let plivo = plivo_ahead(-90).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1])).await;
    for to in [TO, "+14155550124"] {
        let id = sidecar.queue(&json!({"to": to, "text": "hi"})).await;
        sidecar.in_status(&id, "submitted").await;
    }

    let log = sidecar.stop().await;

    let told = log.lines().iter().filter(|line| line.contains("apart_s")).count();
    assert_eq!(told, 1, "{}", log.text());
}

/// Has every call on record begun so much earlier: as if the clock had been set forward since.
fn set_back(folder: &Folder, by: Duration) {
    let path = folder.path().join("sendgate.db");
    let database =
        Connection::open(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let ms = i64::try_from(by.as_millis()).unwrap();
    database.execute("UPDATE attempts SET started = started - ?", [ms]).unwrap();
    database.execute("UPDATE messages SET updated = updated - ?", [ms]).unwrap();
}
