//! A one-time code behind many promotions.

use plivo_sim::Step;
use serde_json::{Value, json};

use super::line::Line;
use super::sends::ensure;
use crate::harness::{App, PATIENCE, Request, Setup, Sidecar, eventually, plivo};

/// Most recipients of one request.
const A_REQUEST: u64 = 50;

/// With one call at a time, the code of `next` is at most at the position that the line says.
pub(super) async fn behind_a_queue(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let (queue, next) = (&line.input["queue"][0], line.input["next"]["app"].as_str());
    let (promo, otp) = (queue["app"].as_str().expect("an app"), next.expect("an app"));
    let count = queue["n"].as_u64().expect("a count");
    let setup = Setup::new(&plivo)
        .set("plivo.max_connections", 1)
        .set("plivo.call_timeout_ms", 300_000)
        .set("delivery.queue_max", count + 10)
        .app(App::new(promo, &format!("token-of-{promo}")))
        .app(App::new(otp, &format!("token-of-{otp}")));
    let sidecar = Sidecar::start(setup).await;
    for first in (0..count).step_by(usize::try_from(A_REQUEST).expect("a small number")) {
        let to: Vec<String> = (first..count.min(first + A_REQUEST))
            .map(|nth| format!("+1415{:07}", 2_000_000 + nth))
            .collect();
        let body = json!({"to": to, "text": "promotion"});
        later(&sidecar, promo, &body).answer().await.expect(202);
    }
    let all = async || (sidecar.ready().await.json()["waiting"] == count - 1).then_some(());
    eventually("all promotions but one wait", all).await;
    let body = json!({"to": "+14155550123", "text": "code 1234", "intent": "otp"});
    let body = later(&sidecar, otp, &body).answer().await.expect(202);
    let path = format!("/v1/messages/{}", body["id"].as_str().ok_or("no id")?);
    let waits = async || {
        let request = sidecar.request("GET", &path).bearer(&format!("token-of-{otp}"));
        (request.answer().await.expect(200)["status"] == "waiting").then_some(())
    };
    eventually("the code waits for its turn", waits).await;

    let most = line.out.as_ref().and_then(|out| out["position_max"].as_u64());
    let most = usize::try_from(most.ok_or("no position is wanted")?).expect("a small number");
    plivo.release();
    let sends = plivo.wait_for_sends(most, PATIENCE).await.map_err(|err| err.to_string())?;
    let position = sends.iter().position(|send| send.text == "code 1234").map(|nth| nth + 1);
    ensure(position.is_some_and(|position| position <= most), || {
        format!("the code is not among the first {most} of {} sends", sends.len())
    })
}

fn later(sidecar: &Sidecar, app: &str, body: &Value) -> Request {
    let request = sidecar.post("/v1/messages").bearer(&format!("token-of-{app}"));
    request.header("prefer", "respond-async").json(body)
}
