//! Lines of which delivery reports are a part: each through a simulated Plivo that signs what it sends.

use plivo_sim::{Callbacks, PlivoSim, Posting, Report, Seen, Signatures, SimConfig, State, Step};
use serde_json::{Value, json};

use super::line::{Expect, Line};
use super::sends::{ensure, same};
use crate::harness::{PATIENCE, Setup, Sidecar, TO, client};
use crate::reports::{Ingress, manual, reached, start};

/// Reports on one message, and what became of it.
pub(super) async fn on_a_message(line: &Line) -> Result<(), String> {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    let early = line.input["before_send_response"] == true;
    if early {
        plivo.script([Step::hold()]).await;
    }
    let id = sidecar.queue(&json!({"to": TO, "text": "hello"})).await;
    let sends = plivo.wait_for_sends(1, PATIENCE).await.map_err(|err| err.to_string())?;
    let uuid = sends[0].message_uuid.clone();
    if !early {
        sidecar.in_status(&id, "submitted").await;
    }
    let mut posting = Posting::default();
    if line.input["nonce_seen"] == true {
        posting.nonce = Some("05429567804466091622".into());
        let first = Report { posting: posting.clone(), ..Report::of(State::Queued) };
        drop(plivo.send_report(&uuid, first).await.map_err(|err| err.to_string())?);
    }
    if line.input["signature"] == "bad" {
        posting.signatures = Signatures::Bad;
    }
    let wanted = if line.expect == Expect::Deny { 403 } else { 200 };
    for callback in line.input["callback"].as_array().into_iter().flatten() {
        let state = callback["status"].as_str().and_then(State::parse).ok_or("no such state")?;
        let sequence = callback["seq"].as_u64().and_then(|seq| u32::try_from(seq).ok());
        let report = Report { sequence, posting: posting.clone(), ..Report::of(state) };
        let sent = plivo.send_report(&uuid, report).await.map_err(|err| err.to_string())?;
        same("the answer", sent.answer.map_err(|err| err.to_string())?, wanted)?;
    }
    let ended = outcome(line, &sidecar, &id).await;
    if line.expect == Expect::Deny {
        let url = sends[0].url.clone().ok_or("no place for reports")?;
        let forged = client().post(url).header("x-plivo-signature-v3", "AAAA");
        let forged = forged.header("x-plivo-signature-v3-nonce", "1").body("Status=delivered");
        let answer = forged.send().await.map_err(|err| err.to_string())?;
        let body: Value = answer.json().await.map_err(|err| err.to_string())?;
        same("the code", &body["code"], &json!(line.code))?;
    }
    plivo.release();
    sidecar.stop().await;
    ended
}

/// What the line says of the message and of what its app is told; nothing has moved where it says nothing.
async fn outcome(line: &Line, sidecar: &Sidecar, id: &str) -> Result<(), String> {
    let record = sidecar.get(&format!("/v1/messages/{id}")).await.expect(200);
    let events = sidecar.get("/v1/events").await.expect(200);
    let told = events["events"].as_array().into_iter().flatten();
    let told = told.filter(|event| event["data"]["status"] == "delivered").count();
    let out = line.out.clone().unwrap_or_else(|| json!({"status": "submitted", "events": 0}));
    if let Some(status) = out.get("status") {
        same("the status", &record["status"], status)?;
    }
    out.get("events").map_or(Ok(()), |events| same("the events", &json!(told), events))
}

/// Plivo's request budget is used up: its answer to asking is 429, and no look is lost by that.
pub(super) async fn polls_wait(line: &Line) -> Result<(), String> {
    let quota = line.input["limits"][0]["q"].as_u64().ok_or("no quota")?;
    let (callbacks, rate_limit) = (Callbacks::Manual, true);
    let config = SimConfig { callbacks, rate_limit, ..SimConfig::default() };
    let plivo = PlivoSim::start(config).await;
    let setup = Setup::new(&plivo).set("delivery.poll_s", json!([1]));
    let sidecar = Sidecar::start(setup).await;
    let sent = sidecar.send(&json!({"to": TO, "text": "hello"})).await.expect(202);
    let (id, uuid) = (sent["id"].as_str().ok_or("no id")?, sent["message_uuid"].as_str());
    ensure(plivo.change(uuid.ok_or("no UUID")?, State::Delivered, None), || "unknown".into())?;
    // Somebody else's requests, on the same account.
    let (client, base) = (client(), plivo.base_url());
    let account = format!("{base}/v1/Account/MAXXXXXXXXXXXXXXXXXX/");
    for _ in 0..quota {
        let get = client.get(&account).basic_auth("MAXXXXXXXXXXXXXXXXXX", Some("TOKEN"));
        drop(get.send().await.map_err(|err| err.to_string())?);
    }
    sidecar.in_status(id, "delivered").await;
    let looked = |seen: &Seen| seen.method == "GET" && seen.path.contains("/Message/");
    let looks = plivo.requests().iter().filter(|seen| looked(seen)).count();
    // It was delivered before the first look, so that one alone would have shown it.
    ensure(looks > 1, || format!("Plivo was asked {looks} times, and never turned it away"))?;
    sidecar.stop().await;
    Ok(())
}
