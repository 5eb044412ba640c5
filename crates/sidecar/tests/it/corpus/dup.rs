//! The area dup: keys through a running sidecar, the content window at chosen instants by the compiled policy.

use http::StatusCode;
use message::{Dedup, Settlement};
use plivo_sim::Step;
use serde_json::{Value, json};

use super::bench::{Bench, Draft, Refused};
use super::line::{Expect, Line, lines_of};
use super::sends::{ensure, same};
use super::{Report, reports, restarts};
use crate::harness::{
    Answer, App, PATIENCE, Policy, Request, Setup, Sidecar, TOKEN, eventually, plivo,
};

#[tokio::test]
async fn duplicates() {
    let mut report = Report::default();
    for line in lines_of("dup") {
        let result = match line.id.as_str() {
            "dup-001" | "dup-009" | "dup-010" | "dup-011" | "dup-012" | "dup-013" => {
                by_key(&line).await
            }
            "dup-004" => while_in_flight(&line).await,
            "dup-007" => after_a_refusal(&line).await,
            "dup-008" => restarts::after_its_retention(&line).await,
            "dup-014" | "dup-016" | "dup-017" | "dup-018" | "dup-019" | "dup-021" => {
                by_content(&line).await
            }
            "dup-023" | "dup-024" => at_once(&line).await,
            "dup-025" => restarts::after_commit(&line).await,
            "dup-026" => restarts::before_commit(&line).await,
            "dup-028" | "dup-029" | "dup-030" | "dup-033" | "dup-035" => {
                reports::on_a_message(&line).await
            }
            _ => continue,
        };
        report.add(&line, result);
    }
    report.conclude("dup");
}

/// A history of requests with keys, and one more.
async fn by_key(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let mut setup =
        Setup::standard(&plivo).app(App::new("a", "token-of-a")).app(App::new("b", "token-of-b"));
    if line.input["policy"]["phone"] == "lenient" {
        setup = setup.app(App::new("demo", TOKEN).set("phone", "lenient"));
    }
    let sidecar = Sidecar::start(setup).await;
    let history = line.input["history"].as_array().cloned().unwrap_or_default();
    let mut first = None;
    for earlier in &history {
        first = Some(keyed(&sidecar, earlier).answer().await.expect(202));
    }
    let answer = keyed(&sidecar, &line.input).answer().await;
    let sends = plivo.sends().len();
    sidecar.stop().await;
    match line.expect {
        Expect::Deny => {
            same("the sends", sends, history.len())?;
            refused(&answer, &line.code)
        }
        Expect::Allow => {
            same("the sends", sends, history.len() + 1)?;
            same("the status", answer.status, 202)?;
            same("a replay", answer.header("idempotent-replayed"), None)
        }
        Expect::Transform => {
            same("the sends", sends, history.len())?;
            same("a replay", answer.header("idempotent-replayed"), Some("true"))?;
            same(
                "the id",
                Some(&answer.expect(202)["id"]),
                first.as_ref().map(|first| &first["id"]),
            )
        }
    }
}

/// The first request waits for Plivo; the second gives up waiting for the first.
async fn while_in_flight(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.join_ms", 50)).await;
    let first = tokio::spawn(keyed(&sidecar, &line.input["history"][0]).answer());
    plivo.wait_for_requests(1, PATIENCE).await.map_err(|err| err.to_string())?;
    let second = keyed(&sidecar, &line.input).answer().await;
    plivo.release();
    let first = first.await.expect("no panic");
    let sends = plivo.sends().len();
    sidecar.stop().await;
    refused(&second, &line.code)?;
    same("Retry-After", second.header("retry-after"), Some("1"))?;
    same("the first status", first.status, 202)?;
    same("the sends", sends, 1)
}

/// A refused request does not bind its key: asked again when the limit has room, it is sent.
async fn after_a_refusal(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let limit = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 2}]});
    let sidecar =
        Sidecar::start(Setup::standard(&plivo).policy(Policy::new("throttle").settings(limit)))
            .await;
    sidecar.send(&json!({"to": "+14155550199", "text": "fills the limit"})).await.expect(202);
    let first = keyed(&sidecar, &line.input["history"][0]).answer().await;
    refused(&first, line.input["history"][0]["code"].as_str().expect("a code"))?;
    let again = eventually("the limit has room again", async || {
        let answer = keyed(&sidecar, &line.input).answer().await;
        (answer.status != StatusCode::TOO_MANY_REQUESTS).then_some(answer)
    });
    let again = again.await;
    let sends = plivo.sends().len();
    sidecar.stop().await;
    same("the status", again.status, 202)?;
    same("a replay", again.header("idempotent-replayed"), None)?;
    same("the sends", sends, 2)
}

/// The content window.
async fn by_content(line: &Line) -> Result<(), String> {
    let bench = Bench::new(&[("dedup", json!({}))]).await;
    let mut first = None;
    for earlier in line.input["history"].as_array().into_iter().flatten() {
        let passed =
            bench.ask(&draft(&earlier["request"]), earlier["t"].as_f64().expect("a second")).await;
        let passed = passed.map_err(|no| format!("history: {no:?}"))?;
        first = Some(passed.0.message().id.clone());
        let sent = earlier["state"] != "failed_definite";
        passed.settle(if sent { Settlement::Keep } else { Settlement::GiveBack }).await;
    }
    let verdict = bench
        .ask(&draft(&line.input["request"]), line.input["t"].as_f64().expect("a second"))
        .await;
    match (line.expect, verdict) {
        (Expect::Allow, Ok(passed)) => {
            passed.settle(Settlement::Keep).await;
            Ok(())
        }
        (Expect::Deny, Err(Refused { code, earlier, .. })) => {
            same("the code", code.as_str(), line.code.as_str())?;
            same("the earlier message", earlier, first)
        }
        (_, Ok(_)) => Err("it was let through".into()),
        (_, Err(no)) => Err(format!("it was refused: {no:?}")),
    }
}

/// Fifty equal requests at the same time, with a key or without.
async fn at_once(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    let count = line.input["parallel"].as_u64().expect("a count");
    let requests: Vec<_> =
        (0..count).map(|_| tokio::spawn(keyed(&sidecar, &line.input).answer())).collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.expect("no panic"));
    }
    let sends = plivo.sends().len() as u64;
    sidecar.stop().await;
    same("the sends", Some(sends), line.out.as_ref().and_then(|out| out["sends"].as_u64()))?;
    let fresh = answers
        .iter()
        .filter(|answer| answer.status == 202 && answer.header("idempotent-replayed").is_none());
    same("the fresh answers", fresh.count(), 1)?;
    let repeats = |answer: &&Answer| match answer.status {
        202 => true,
        409 => {
            answer.codes().iter().any(|code| code == "idem.in_progress" || code == "dup.content")
        }
        _ => false,
    };
    let strange: Vec<String> =
        answers.iter().filter(|answer| !repeats(answer)).map(ToString::to_string).collect();
    ensure(strange.is_empty(), || strange.join("\n"))
}

/// The request of `entry`, with its app and key.
fn keyed(sidecar: &Sidecar, entry: &Value) -> Request {
    let mut request = sidecar.post("/v1/messages");
    if let Some(app) = entry["app"].as_str() {
        request = request.bearer(&format!("token-of-{app}"));
    }
    if let Some(key) = entry["key"].as_str() {
        request = request.key(key);
    }
    request.json(&entry["request"])
}

fn refused(answer: &Answer, code: &str) -> Result<(), String> {
    same("the status", answer.status, super::codes::status(code))?;
    ensure(answer.codes().iter().any(|found| found == code), || answer.to_string())
}

fn draft(request: &Value) -> Draft {
    let text = |name: &str| request[name].as_str().expect("text").to_owned();
    let dedup = if request["dedup"] == "off" { Dedup::Off } else { Dedup::Content };
    Draft { text: text("text"), dedup, ..Draft::to(&text("to")) }
}
