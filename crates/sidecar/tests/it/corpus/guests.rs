//! Lines of the area http that a misbehaving policy answers.

use serde_json::{Value, json};

use super::http_lines::denied;
use super::line::{Expect, Line};
use super::sends::{ensure, same};
use crate::harness::{Policy, Setup, Sidecar, plivo};

/// Runs the line with the guest `runaway` doing what the line says of its module.
pub(super) async fn judge(line: &Line) -> Result<(), String> {
    let (module, request) = (&line.input["module"], &line.input["request"]);
    let misdeed = match module {
        module if module["trap"].is_string() => "panic".to_owned(),
        module if module["loops"] == true => "spin".to_owned(),
        module => format!("redirect {}", module["returns_to"].as_str().expect("a number")),
    };
    let optional = module["optional"] == true;
    let guest = Policy::new("runaway")
        .settings(json!({"on_text": {request["text"].as_str().expect("a text"): misdeed}}))
        .set("grants", json!(["state", "log", "amend"]))
        .set("time_ms", 250)
        .set("on_failure", if optional { "accept" } else { "reject" });
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(guest)).await;

    let answer = sidecar.send(request).await;

    let sends = plivo.sends().len();
    let judged = match line.expect {
        Expect::Deny => denied(&answer, &line.code, sends),
        _ => same("the status", answer.status, 202).and_then(|()| same("the sends", sends, 1)),
    };
    let recorded = if optional { recorded(&sidecar, &answer.json()).await } else { Ok(()) };
    let log = sidecar.stop().await;
    let logged = log.text().contains("a policy failed and was skipped");
    judged
        .and(recorded)
        .and_then(|()| {
            ensure(!optional || logged, || "the log does not say that a policy was skipped".into())
        })
        .map_err(|why| format!("{why}\n    in {answer}"))
}

/// The message's record shows that the policy failed.
async fn recorded(sidecar: &Sidecar, answer: &Value) -> Result<(), String> {
    let id = answer["id"].as_str().ok_or("there is no id")?;
    let record = sidecar.get(&format!("/v1/messages/{id}")).await.expect(200);
    let mut decisions = record["decisions"].as_array().into_iter().flatten();
    ensure(decisions.any(|decision| decision["verdict"] == "failure"), || {
        format!("no failure in {record}")
    })
}
