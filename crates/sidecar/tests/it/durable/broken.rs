//! A database that cannot be used: nothing is sent that could not be recorded, and everybody is told.

use std::fs;
use std::sync::Arc;

use plivo_sim::{PlivoSim, Step};
use serde_json::json;

use super::database;
use crate::harness::{Folder, Setup, Sidecar, TO, eventually, plivo, posts, run_to_end, texts};

/// A folder that a sidecar has used and left.
async fn used(plivo: &PlivoSim) -> Arc<Folder> {
    let sidecar = Sidecar::start(Setup::new(plivo).durable()).await;
    for nth in 0..50 {
        sidecar.send(&json!({"to": TO, "text": format!("n{nth}")})).await.expect(202);
    }
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;
    plivo.clear();
    folder
}

/// It does not start: its exit code and its last line. The database is as it was.
async fn does_not_start(folder: &Folder, setup: &Setup, code: i32, words: &[&str]) {
    let file = folder.path().join("sendgate.db");
    let before = fs::read(&file).ok();
    folder.write("sidecar.toml", setup.to_toml());

    let ended = run_to_end("run", folder, &[("SENDGATE_ENV".into(), "development".into())]).await;

    assert_eq!(ended.status.code(), Some(code), "{words:?}: {}", ended.log.text());
    let line = ended.log.lines().pop().unwrap_or_default();
    let missing: Vec<&&str> = words.iter().filter(|word| !line.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in: {line}");
    assert!(fs::read(&file).ok() == before, "{words:?}: the database was changed");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_keeps_it_from_starting_and_is_not_touched() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();

    let folder = Folder::new();
    fs::create_dir(folder.path().join("sendgate.db")).unwrap();
    does_not_start(&folder, &setup, 2, &["store.path", "is a folder"]).await;

    let folder = Folder::new();
    database(&folder).execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    does_not_start(&folder, &setup, 1, &["sendgate.db", "another program"]).await;

    let folder = used(&plivo).await;
    database(&folder).pragma_update(None, "user_version", 99).unwrap();
    does_not_start(&folder, &setup, 1, &["sendgate.db", "newer sendgate", "99"]).await;

    // No file system takes a file there, whoever asks.
    let unwritable = setup.set("store.path", "/proc/sendgate.db");
    does_not_start(&folder, &unwritable, 1, &["the store: /proc/sendgate.db"]).await;
    assert!(plivo.requests().is_empty(), "{:?}", plivo.requests());
}

/// Whoever asks is turned away, for this reason.
async fn turns_everybody_away(sidecar: &Sidecar, plivo: &PlivoSim, why: &str) {
    for (path, body, status) in [
        ("/v1/messages", json!({"to": TO, "text": "hi"}), 503),
        ("/mms/send", json!({"recipient": TO, "message": "hi"}), 503),
        // Plivo's own clients go elsewhere with what is answered 5xx.
        ("/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/", json!({"dst": TO, "text": "hi"}), 409),
    ] {
        let answer = sidecar.post(path).json(&body).answer().await;
        assert_eq!(answer.status, status, "{path}: {answer}");
        assert!(answer.header("retry-after").is_some(), "{path}: {answer}");
    }
    let answer = sidecar.send(&json!({"to": TO, "text": "hi"})).await;
    answer.refused(503, "spool.unavailable");
    let help = "</problems/spool.unavailable>; rel=\"help\"";
    assert_eq!(answer.header("link"), Some(help), "{answer}");
    for path in ["/problems/spool.unavailable", "/openapi.json"] {
        assert_eq!(sidecar.get(path).await.status, 200, "{path}");
    }
    sidecar.admin("/openapi.json").await.expect(200);
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "store", "{ready}");
    assert!(ready["causes"][0]["detail"].as_str().unwrap().contains(why), "{ready}");
    assert_eq!(sidecar.admin("/livez").await.expect(200)["live"], true);
    assert_eq!(sidecar.admin("/startupz").await.expect(503)["started"], false);
    let counted = sidecar.admin("/metrics").await;
    assert!(counted.status == 200 && counted.text.contains("sendgate_ready 0\n"), "{counted}");
    let told = sidecar.admin("/messages").await.expect(503);
    assert_eq!(told["code"], "spool.unavailable", "{told}");
    assert!(plivo.requests().is_empty(), "{:?}", plivo.requests());
}

#[tokio::test]
async fn a_start_behind_a_damaged_database_turns_everybody_away_until_it_is_mended() {
    let plivo = plivo().await;
    let folder = used(&plivo).await;
    let file = folder.path().join("sendgate.db");
    let good = fs::read(&file).unwrap();
    let mut bytes = good.clone();
    // The first page, which names the tables, stays.
    bytes[4_096..].fill(0xff);
    fs::write(&file, &bytes).unwrap();

    let sidecar = Sidecar::start_unready(Arc::clone(&folder), Setup::new(&plivo).durable()).await;
    turns_everybody_away(&sidecar, &plivo, "malformed").await;
    assert!(fs::read(&file).unwrap() == bytes, "the damaged database was changed");
    bytes[..4_096].fill(0);
    fs::write(&file, &bytes).unwrap();
    let told = async || {
        let ready = sidecar.ready().await.json();
        ready["causes"][0]["detail"].as_str()?.contains("is not a database").then_some(())
    };
    eventually("a file that is no database any more is told", told).await;
    turns_everybody_away(&sidecar, &plivo, "is not a database").await;
    assert!(fs::read(&file).unwrap() == bytes, "what is no database was changed");
    fs::write(&file, good).unwrap();

    sidecar.wait_until_ready().await;
    assert_eq!(sidecar.admin("/startupz").await.expect(200)["started"], true);
    assert!(sidecar.admin("/metrics").await.text.contains("sendgate_ready 1\n"));
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_start_behind_a_locked_database_turns_everybody_away_until_it_is_free() {
    let plivo = plivo().await;
    let folder = used(&plivo).await;
    let other = database(&folder);
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE").unwrap();

    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start_unready(Arc::clone(&folder), setup.clone()).await;
    turns_everybody_away(&sidecar, &plivo, "locked").await;
    // It may be asked to end meanwhile.
    sidecar.stop().await;

    let sidecar = Sidecar::start_unready(folder, setup).await;
    turns_everybody_away(&sidecar, &plivo, "locked").await;
    drop(other);

    sidecar.wait_until_ready().await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_write_what_it_found_turns_everybody_away_until_it_can() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable().set("delivery.settle_s", [1]);
    let sidecar = Sidecar::start(setup.clone()).await;
    plivo.script(vec![Step::hold()]).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "in a call"})).await;
    let called = async || (posts(&plivo).len() == 1).then_some(());
    eventually("the call is out", called).await;
    let folder = sidecar.kill().await;
    plivo.clear();
    let other = database(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let sidecar = Sidecar::start_unready(folder, setup).await;
    turns_everybody_away(&sidecar, &plivo, "locked").await;
    other.execute_batch("ROLLBACK").unwrap();

    sidecar.wait_until_ready().await;
    // Plivo's list does not have it.
    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(record["attempts"][0]["code"], "process_ended", "{record}");
    assert_eq!(texts(&plivo), ["in a call"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn while_the_file_is_not_where_it_was_nothing_is_accepted_or_sent() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    let (file, away) = ("sendgate.db", "elsewhere.db");
    let [file, away] = [file, away].map(|name| sidecar.folder.path().join(name));
    fs::rename(&file, &away).unwrap();

    sidecar.send(&json!({"to": TO, "text": "hi"})).await.refused(503, "spool.unavailable");
    let ready = sidecar.ready().await.expect(503);
    assert!(ready["causes"][0]["detail"].as_str().unwrap().contains("was moved"), "{ready}");
    let keyed = sidecar.post("/v1/messages").key("k1").json(&json!({"to": TO, "text": "hi"}));
    keyed.answer().await.refused(503, "spool.unavailable");
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.refused(503, "spool.unavailable");
    assert!(plivo.requests().is_empty(), "{:?}", plivo.requests());
    // Another file is not the same, whatever it is called.
    fs::write(&file, "").unwrap();
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.refused(503, "spool.unavailable");
    fs::rename(&away, &file).unwrap();

    sidecar.wait_until_ready().await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn while_somebody_else_has_the_database_locked_nothing_is_accepted_or_sent() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    let other = database(&sidecar.folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let answer = sidecar.post("/v1/messages").key("k1").json(&json!({"to": TO, "text": "hi"}));
    let answer = answer.answer().await;

    answer.refused(503, "spool.unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "store", "{ready}");
    assert!(ready["causes"][0]["detail"].as_str().unwrap().contains("locked"), "{ready}");
    assert!(plivo.requests().is_empty(), "{:?}", plivo.requests());

    other.execute_batch("ROLLBACK").unwrap();
    sidecar.wait_until_ready().await;
    let again = sidecar.post("/v1/messages").key("k1").json(&json!({"to": TO, "text": "hi"}));
    let again = again.answer().await;

    again.expect(202);
    assert_eq!(again.header("idempotent-replayed"), None, "a refusal bound the key: {again}");
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_waits_when_the_database_is_locked_is_not_sent_before_its_intent_can_be_written() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let id = sidecar.queue(&json!({"to": TO, "text": "hi", "not_before": soon.to_string()})).await;
    sidecar.in_status(&id, "waiting").await;
    let other = database(&sidecar.folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let said =
        async || sidecar.log.text().contains("a call could not be written down").then_some(());
    eventually("the intent cannot be written", said).await;

    assert!(posts(&plivo).is_empty(), "sent without a record of it");
    other.execute_batch("ROLLBACK").unwrap();
    sidecar.in_status(&id, "submitted").await;
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_the_database_holds_up_until_too_little_time_is_left_is_not_sent() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    let start = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let body = json!({"to": TO, "text": "hi", "not_before": start.to_string(), "ttl_s": 6});
    let id = sidecar.queue(&body).await;
    sidecar.in_status(&id, "waiting").await;
    let other = database(&sidecar.folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let too_late = start + jiff::SignedDuration::from_millis(2_500);
    let passed = async || (jiff::Timestamp::now() > too_late).then_some(());
    eventually("less than four seconds are left", passed).await;

    other.execute_batch("ROLLBACK").unwrap();

    let record = sidecar.in_status(&id, "expired").await;
    assert_eq!(record["error_code"], "send.expired", "{record}");
    assert!(posts(&plivo).is_empty(), "sent with less than Plivo takes a message for");
    sidecar.stop().await;
}

#[tokio::test]
async fn with_too_little_free_disk_nothing_is_accepted_or_sent_and_what_waits_still_goes() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone().set("store.min_free_percent", 0)).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let id = sidecar.queue(&json!({"to": TO, "text": "hi", "not_before": soon.to_string()})).await;
    let folder = sidecar.kill().await;
    if folder.free_percent() >= 90 {
        // Nothing here can make a disk fuller than it is; the store's own tests stand for this.
        return;
    }

    let setup = setup.set("store.min_free_percent", 90).set("store.min_free_mb", 1 << 24);
    let sidecar = Sidecar::start_unready(folder, setup).await;
    let answer = sidecar.send(&json!({"to": TO, "text": "ho"})).await;

    answer.refused(503, "spool.low_space");
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "store", "{ready}");
    assert!(ready["causes"][0]["detail"].as_str().unwrap().contains("nearly full"), "{ready}");
    sidecar.in_status(&id, "submitted").await;
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn in_memory_it_says_so_and_leaves_no_file() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable().flag("--ephemeral")).await;

    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    let ready = sidecar.ready().await.expect(200);
    assert!(ready["store"].as_str().unwrap().starts_with("ephemeral"), "{ready}");
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;
    let files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["sidecar.toml"]);

    let sidecar = Sidecar::start_in(folder, Setup::new(&plivo).durable()).await;
    let ready = sidecar.ready().await.expect(200);
    assert_eq!(ready["store"], "durable", "{ready}");
    sidecar.stop().await;
}
