//! The area relay: where an app may be called.

use serde_json::json;

use super::Report;
use super::line::{Expect, Line, lines_of};
use super::sends::same;
use crate::harness::{App, Setup, Sidecar, TO, TOKEN, plivo};

#[tokio::test]
async fn relays() {
    let mut report = Report::default();
    for line in lines_of("relay") {
        let result = target(&line).await;
        report.add(&line, result);
    }
    report.conclude("relay");
}

/// A message that names its own place, of an app whose configuration names origins.
async fn target(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let app = App::new("demo", TOKEN)
        .set("relay_allow", line.input["policy"]["relay_allow"].clone())
        .set("relay_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let sidecar = Sidecar::start(Setup::new(&plivo).app(app)).await;
    let body = json!({"to": TO, "text": "hello", "callback_url": line.input["relay_url"]});
    let answer = sidecar.send(&body).await;
    let sends = plivo.sends().len();
    sidecar.stop().await;
    if line.expect == Expect::Deny {
        same("the status", answer.status, 403)?;
        same("the code", answer.json()["code"].as_str(), Some(line.code.as_str()))?;
        return same("the sends", sends, 0);
    }
    same("the status", answer.status, 202)?;
    same("the warnings", &answer.json()["warnings"], &json!([]))?;
    same("the sends", sends, 1)
}
