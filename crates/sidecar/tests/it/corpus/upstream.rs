//! The area upstream: what one answer of Plivo's, or none, makes of a message.

mod states;

use std::time::Duration;

use plivo_sim::{PlivoSim, Step};
use serde_json::{Value, json};

use super::Report;
use super::line::{Expect, Line, lines_of};
use super::sends::{ensure, same};
use crate::harness::{Answer, Setup, Sidecar, TO, eventually, plivo};

/// More answers of one kind than a message has attempts before its jittered waits are long enough to be seen.
const OFTEN: usize = 20;

#[tokio::test]
async fn outcomes_of_calls() {
    let mut report = Report::default();
    for line in lines_of("upstream") {
        let result = match line.id.as_str() {
            "upstream-004" => states::broken_handshake(&line).await,
            "upstream-018" | "upstream-019" => states::in_doubt(&line).await,
            "upstream-022" => states::open_breaker(&line).await,
            "upstream-025" => states::low_space(&line).await,
            _ => judge(&line).await,
        };
        report.add(&line, result);
    }
    report.conclude("upstream");
}

async fn judge(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let expires_in = line.input["expires_in_s"].as_u64();
    play(&plivo, line).await;
    let setup = Setup::standard(&plivo)
        .set("plivo.attempts", OFTEN)
        .set("plivo.connect_timeout_ms", 500)
        .set("plivo.call_timeout_ms", 500)
        .set("delivery.wait_ms", if line.expect == Expect::Deny { 10_000 } else { 0 });
    let sidecar = Sidecar::start(setup).await;

    let answer = sidecar.send(&json!({"to": TO, "text": "code 1234", "ttl_s": expires_in})).await;

    let state =
        line.out.as_ref().and_then(|out| out["state"].as_str()).ok_or("no state is wanted")?;
    let what = format!("{} in state {state}", line.id);
    let record = eventually(&what, async || {
        let listed = sidecar.get(&format!("/v1/messages?status={state}")).await.expect(200);
        listed["messages"].get(0).cloned()
    });
    let record = record.await;
    let delayed = delayed(line, &sidecar, &record).await;
    let calls = plivo.requests().len() as u64;
    let log = sidecar.stop().await.text();

    answered(line, &answer)?;
    delayed?;
    if let Some(wanted) = line.out.as_ref().and_then(|out| out["calls"].as_u64()) {
        same("the calls", calls, wanted)?;
    }
    if state == "in_doubt" {
        same("the calls", calls, 1)?;
    }
    let alarmed = log.lines().any(|line| line.contains("\"ERROR\""));
    ensure(line.code != "send.multiple_ids" || alarmed, || format!("there is no alarm in\n{log}"))
}

/// Scripts what the line says of Plivo.
async fn play(plivo: &PlivoSim, line: &Line) {
    let upstream = &line.input["upstream"];
    if let Some(due) = line.input["next_due_s"].as_u64() {
        return plivo
            .script([Step::status(429).with_header("Retry-After", &due.to_string())])
            .await;
    }
    let step = match (upstream["error"].as_str(), upstream["status"].as_u64()) {
        (Some("connect_refused"), _) => {
            return plivo.refuse_connections(Duration::from_secs(600)).await;
        }
        (Some("read_timeout_after_write"), _) => Step::hang(Duration::from_secs(60)),
        (Some("reset_after_write"), _) => Step::reset(),
        (Some(other), _) => panic!("nothing is known of the error {other}"),
        (None, Some(202)) => accepted(&upstream["body"]),
        (None, status) => {
            Step::status(status.and_then(|status| u16::try_from(status).ok()).expect("a status"))
        }
    };
    let headers = upstream["headers"].as_object().into_iter().flatten();
    let step = headers
        .fold(step, |step, (name, value)| step.with_header(name, value.as_str().expect("text")));
    plivo.script(vec![step; if line.code == "send.retry" { OFTEN } else { 1 }]).await;
}

fn accepted(body: &Value) -> Step {
    match body {
        Value::String(page) => Step::status(202).with_raw(page.as_str()),
        body => {
            Step { multiple_ids: body["message_uuid"].as_array().map(Vec::len), ..Step::default() }
        }
    }
}

fn answered(line: &Line, answer: &Answer) -> Result<(), String> {
    match line.expect {
        Expect::Deny => {
            let codes = answer.codes();
            ensure(answer.status >= 400 && codes.contains(&line.code), || {
                format!("{codes:?} in {answer}")
            })
        }
        _ => same("the status", answer.status, 202),
    }
}

/// The next call came no earlier than Plivo asked for.
async fn delayed(line: &Line, sidecar: &Sidecar, record: &Value) -> Result<(), String> {
    let Some(least) = line.out.as_ref().and_then(|out| out["delay_min_s"].as_i64()) else {
        return Ok(());
    };
    let id = record["id"].as_str().ok_or("no id")?;
    let again =
        |record: &Value| record["attempts"].as_array().is_some_and(|attempts| attempts.len() > 1);
    let record = sidecar.record(id, again).await;
    let at = |nth: usize, member: &str| -> Option<jiff::Timestamp> {
        record["attempts"][nth][member].as_str()?.parse().ok()
    };
    let waited =
        at(1, "started_at").zip(at(0, "ended_at")).map(|(next, ended)| next.duration_since(ended));
    let waited = waited.ok_or_else(|| format!("no instants in {record}"))?;
    ensure(waited >= jiff::SignedDuration::from_secs(least), || format!("it waited {waited} only"))
}
