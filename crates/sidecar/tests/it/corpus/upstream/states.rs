//! Lines that begin in a state: in doubt, with an open breaker, with little disk left; and a peer that breaks TLS off.

use std::sync::Arc;

use plivo_sim::{Outage, Step};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::line::Line;
use super::super::sends::{ensure, same};
use super::OFTEN;
use crate::harness::{Folder, Setup, Sidecar, TO, eventually, plivo, posts, texts};

/// A peer that ends every connection before the handshake.
pub(super) async fn broken_handshake(line: &Line) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let peer = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let setup = Setup::with_base_url(&format!("https://{address}"));
    let sidecar = Sidecar::start(setup).await;

    let id = sidecar.queue(&request()).await;

    let state = wanted(line, "state")?.as_str().ok_or("no state is wanted")?;
    let again = |record: &Value| {
        record["status"] == state && record["attempts"].as_array().is_some_and(|all| all.len() > 1)
    };
    let record = sidecar.record(&id, again).await;
    sidecar.stop().await;
    peer.abort();
    same("the outcome", &record["attempts"][0]["outcome"], &json!("not-sent"))
}

/// In doubt, and Plivo's list shows what the line says.
pub(super) async fn in_doubt(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let listed = line.input["list_by_recipient"].as_array().map_or(0, Vec::len);
    let first = if listed == 1 { Step::status(500).queued() } else { Step::status(500) };
    // What is tried again is turned away for long enough to be seen.
    plivo.script(std::iter::once(first).chain(vec![Step::status(429); OFTEN])).await;
    let setup = Setup::standard(&plivo)
        .set("delivery.settle_s", json!([1, 2]))
        .set("plivo.attempts", OFTEN);
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&request()).await;

    let state = wanted(line, "state")?.as_str().ok_or("no state is wanted")?;
    let record = sidecar.in_status(&id, state).await;
    let lists = plivo.requests().len() - posts(&plivo).len();
    let sends = plivo.sends();
    sidecar.stop().await;

    same("the first outcome", &record["attempts"][0]["outcome"], &json!("in-doubt"))?;
    if listed == 1 {
        let uuid = record["message_uuid"].as_str();
        same("the UUID", uuid, sends.first().map(|send| send.message_uuid.as_str()))?;
        return same("the calls", posts(&plivo).len(), 1);
    }
    // Each look asks twice: from the call on, and from a minute before, in case our clock is ahead.
    same("the lists", lists, 4)?;
    ensure(sends.is_empty(), || "it was sent".into())
}

/// While the breaker is open a message with time left is accepted and waits.
pub(super) async fn open_breaker(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let breaker = json!({"failures": 1, "open_s": 300});
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.breaker", breaker)).await;
    sidecar.queue(&json!({"to": "+14155550199", "text": "finds out"})).await;
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;

    let mut request = line.input["request"].clone();
    request["ttl_s"] = line.input["ttl_s"].clone();
    let id = sidecar.queue(&request).await;
    let record = sidecar.in_status(&id, "waiting").await;
    same("the state", &record["status_simple"], wanted(line, "state")?)?;
    same("the calls", record["attempts"].as_array().map(Vec::len), Some(0))?;
    plivo.restore().await;
    sidecar.stop().await;
    ensure(texts(&plivo).is_empty(), || "it was sent".into())
}

/// More of the disk is to be free than is.
pub(super) async fn low_space(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).durable();
    let setup = setup.set("store.min_free_percent", 90).set("store.min_free_mb", 1 << 24);
    let sidecar = Sidecar::start_unready(Arc::new(Folder::new()), setup).await;
    if sidecar.folder.free_percent() >= 90 {
        // Nothing here can make a disk fuller than it is; the store's own tests stand for this.
        return Ok(());
    }
    let answer = sidecar.send(&line.input["request"]).await;
    sidecar.stop().await;
    same("the status", &json!(answer.status), wanted(line, "status")?)?;
    ensure(answer.codes().contains(&line.code), || answer.to_string())?;
    ensure(plivo.requests().is_empty(), || "Plivo was called".into())
}

fn request() -> Value {
    json!({"to": TO, "text": "code 1234"})
}

fn wanted<'a>(line: &'a Line, member: &str) -> Result<&'a Value, String> {
    line.out
        .as_ref()
        .and_then(|out| out.get(member))
        .ok_or_else(|| format!("no {member} is wanted"))
}
