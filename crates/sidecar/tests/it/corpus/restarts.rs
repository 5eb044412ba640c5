//! Lines of which a restart is a part.

use std::sync::Arc;

use plivo_sim::Step;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::line::Line;
use super::sends::{ensure, same};
use crate::harness::{Answer, Folder, PATIENCE, Policy, Request, Setup, Sidecar, plivo, posts};

/// The sidecar dies after the message is ours, before its app is answered; the app asks again with its key.
pub(super) async fn after_commit(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let setup = Setup::standard(&plivo).durable().set("delivery.settle_s", json!([1]));
    let sidecar = Sidecar::start(setup.clone()).await;
    let first = tokio::spawn(keyed(&sidecar, line).outcome());
    // The call follows the commit, and its answer is held.
    plivo.wait_for_requests(1, PATIENCE).await.map_err(|err| err.to_string())?;
    let folder = sidecar.kill().await;
    ensure(first.await.expect("no panic").is_err(), || "the first was answered".into())?;

    let sidecar = Sidecar::start_in(folder, setup).await;
    let again = keyed(&sidecar, line).answer().await;
    same("a replay", again.header("idempotent-replayed"), Some("true"))?;
    sent_once(line, &sidecar, &again).await?;
    same("the calls", posts(&plivo).len(), 1)?;
    same("the sends", Some(plivo.sends().len() as u64), sends(line))
}

/// The sidecar dies before the message is ours.
pub(super) async fn before_commit(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let other = Connection::open(sidecar.folder.path().join("sendgate.db"));
    let other = other.map_err(|err| err.to_string())?;
    // Nothing is committed while another writes.
    other.execute_batch("BEGIN IMMEDIATE").map_err(|err| err.to_string())?;
    let first = tokio::spawn(keyed(&sidecar, line).outcome());
    let folder = sidecar.kill().await;
    drop(other);
    ensure(first.await.expect("no panic").is_err(), || "the first was answered".into())?;

    let sidecar = Sidecar::start_in(folder, setup).await;
    let again = keyed(&sidecar, line).answer().await;
    same("a replay", again.header("idempotent-replayed"), None)?;
    sent_once(line, &sidecar, &again).await?;
    same("the sends", Some(plivo.sends().len() as u64), sends(line))
}

/// A key is used, and again when it has been kept for as long as keys are. No test can set the clock of a process
/// forward; so what the stopped one wrote of the key is set back instead, in the file that the next one goes on with.
pub(super) async fn after_its_retention(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    same("the first status", keyed(&sidecar, line).answer().await.status, 202)?;
    let seconds = |value: &Value| value.as_i64().expect("a second");
    let later = seconds(&line.input["t"]) - seconds(&line.input["history"][0]["t"]);

    let folder = stopped(sidecar).await;
    // Well before the end, however slow this machine is.
    set_key_back(&folder, later - 600)?;
    let sidecar = Sidecar::start_in(folder, setup.clone()).await;
    let before = keyed(&sidecar, line).answer().await;
    same("a replay before the end", before.header("idempotent-replayed"), Some("true"))?;

    let folder = stopped(sidecar).await;
    set_key_back(&folder, 600)?;
    let sidecar = Sidecar::start_in(folder, setup).await;
    let after = keyed(&sidecar, line).answer().await;
    sidecar.stop().await;
    same("the status", after.status, 202)?;
    same("a replay after the end", after.header("idempotent-replayed"), None)?;
    same("the sends", plivo.sends().len(), 2)
}

/// A limit used up, a restart, and one message more.
pub(super) async fn full_limit(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let limit = &line.input["limits"][0];
    let limits = json!({"limits": [{
        "name": limit["name"], "scope": limit["name"], "kind": limit["kind"], "quota": limit["q"], "per_s": limit["w_s"],
    }]});
    let throttle = Policy::new("throttle").settings(limits);
    let setup = Setup::standard(&plivo).durable().policy(throttle);
    let sidecar = Sidecar::start(setup.clone()).await;
    let history = line.input["history_t"].as_array().map_or(0, Vec::len);
    for nth in 0..history {
        sidecar.send(&text(nth)).await.expect(202);
    }
    let folder = stopped(sidecar).await;

    let sidecar = Sidecar::start_in(folder, setup).await;
    let answer = sidecar.send(&text(history)).await;
    sidecar.stop().await;
    same("the status", answer.status, super::codes::status(&line.code))?;
    ensure(answer.codes().contains(&line.code), || answer.to_string())?;
    same("the sends", plivo.sends().len(), history)
}

async fn stopped(sidecar: Sidecar) -> Arc<Folder> {
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;
    folder
}

/// Has the one key that is kept end `seconds` earlier.
fn set_key_back(folder: &Folder, seconds: i64) -> Result<(), String> {
    let database = Connection::open(folder.path().join("sendgate.db"));
    let changed = database.and_then(|database| {
        database.execute("UPDATE idempotency_keys SET ends = ends - ?1", [seconds * 1_000])
    });
    same("the keys that are kept", changed.map_err(|err| err.to_string())?, 1)
}

async fn sent_once(line: &Line, sidecar: &Sidecar, answer: &Answer) -> Result<(), String> {
    same("the status", answer.status, 202)?;
    let body = answer.json();
    let record = sidecar.in_status(body["id"].as_str().ok_or("no id")?, "submitted").await;
    same("the recipient", &record["to"], &line.input["request"]["to"])
}

fn sends(line: &Line) -> Option<u64> {
    line.out.as_ref()?["sends"].as_u64().or(Some(1))
}

fn keyed(sidecar: &Sidecar, line: &Line) -> Request {
    let key = line.input["key"].as_str().expect("a key");
    sidecar.post("/v1/messages").key(key).json(&line.input["request"])
}

fn text(nth: usize) -> Value {
    json!({"to": "+14155550123", "text": format!("n{nth}")})
}
