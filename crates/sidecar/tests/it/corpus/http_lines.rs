//! The area http: the sidecar's own door. What a misbehaving policy does is in `guests.rs`.

use serde_json::{Value, json};

use super::line::{Expect, Line, lines_of};
use super::sends::{ensure, same};
use super::{Report, codes, guests};
use crate::harness::{Answer, Request, Setup, Sidecar, TOKEN, plivo};

#[tokio::test]
async fn the_door_itself() {
    let mut report = Report::default();
    for line in lines_of("http") {
        let result = match line.id.as_str() {
            "http-008" | "http-009" | "http-010" | "http-011" => guests::judge(&line).await,
            _ => at_the_door(&line).await,
        };
        report.add(&line, result);
    }
    report.conclude("http");
}

async fn at_the_door(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let answer = asked(&sidecar, &line.input).answer().await;
    let sends = plivo.sends().len();
    let judged = match (line.expect, line.code.as_str()) {
        (Expect::Deny, code) => denied(&answer, code, sends),
        (_, "dry_run") => dry_run(line, &answer, sends),
        (_, "idem.key_unquoted") => {
            // The key's bare form names the same request.
            let bare =
                sidecar.post("/v1/messages").key("k1").json(&line.input["request"]).answer().await;
            same("the replay of the bare key", bare.header("idempotent-replayed"), Some("true"))
                .and_then(|()| same("the id", &bare.json()["id"], &answer.json()["id"]))
                .and_then(|()| same("the sends", plivo.sends().len(), 1))
        }
        (_, "ok") => {
            same("the status", answer.status, 200).and_then(|()| same("the sends", sends, 0))
        }
        (_, code) => Err(format!("nothing is known of {code}")),
    };
    sidecar.stop().await;
    judged.map_err(|why| format!("{why}\n    in {answer}"))
}

fn asked(sidecar: &Sidecar, input: &Value) -> Request {
    let method = input["method"].as_str().unwrap_or("POST");
    let dry_run = input["dry_run"] == true;
    let path =
        input["path"].as_str().unwrap_or(if dry_run { "/v1/explain" } else { "/v1/messages" });
    let mut request = sidecar.request(method, path);
    if let Some(given) = input["authorization"].as_str() {
        request = request.header("authorization", &given.replace("app-a", TOKEN));
    }
    for (member, header) in
        [("host", "host"), ("origin", "origin"), ("idempotency_key", "idempotency-key")]
    {
        if let Some(value) = input[member].as_str() {
            request = request.header(header, value);
        }
    }
    for pair in input["headers"].as_array().into_iter().flatten() {
        request =
            request.header(pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"));
    }
    if input["request"].is_object() { request.json(&input["request"]) } else { request }
}

pub(super) fn denied(answer: &Answer, code: &str, sends: usize) -> Result<(), String> {
    same("the sends", sends, 0)?;
    same("the status", answer.status, codes::status(code))?;
    ensure(answer.codes().iter().any(|found| found == code), || {
        format!("the codes are {:?}", answer.codes())
    })
}

fn dry_run(line: &Line, answer: &Answer, sends: usize) -> Result<(), String> {
    same("the status", answer.status, 200)?;
    same("the sends", Some(json!(sends)), line.out.as_ref().map(|out| out["sends"].clone()))?;
    let body = answer.json();
    same("the verdict", body["verdict"].as_str(), Some("accept"))?;
    same("the policies asked", body["policies"].as_array().map(Vec::len), Some(2))
}
