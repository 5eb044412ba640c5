//! A one-time code behind many promotions.

use serde_json::{Value, json};

use super::line::Line;
use super::sends::ensure;
use super::throttle::throttle;
use crate::harness::{App, Policy, Request, Setup, Sidecar, eventually, plivo};

/// Most recipients of one request.
const A_REQUEST: u64 = 50;

/// With the line's own limit, which queues as limits of the account do, the code of `next` is at most at the position
/// that the line says among those that leave from then on.
pub(super) async fn behind_a_queue(line: &Line) -> Result<(), String> {
    let plivo = plivo().await;
    let (queue, next) = (&line.input["queue"][0], line.input["next"]["app"].as_str());
    let (promo, otp) = (queue["app"].as_str().expect("an app"), next.expect("an app"));
    let count = queue["n"].as_u64().expect("a count");
    let mut limits = line.input["limits"].clone();
    limits[0]["on_limit"] = "queue".into();
    let setup = throttle(&limits).into_iter().fold(
        Setup::new(&plivo)
            .set("delivery.queue_max", 2 * count)
            .app(App::new(promo, &format!("token-of-{promo}")))
            .app(App::new(otp, &format!("token-of-{otp}"))),
        |setup, (name, settings)| setup.policy(Policy::new(name).settings(settings)),
    );
    let sidecar = Sidecar::start(setup).await;
    for first in (0..count).step_by(usize::try_from(A_REQUEST).expect("a small number")) {
        let to: Vec<String> = (first..count.min(first + A_REQUEST))
            .map(|nth| format!("+1415{:07}", 2_000_000 + nth))
            .collect();
        let body = json!({"to": to, "text": "promotion"});
        later(&sidecar, promo, &body).answer().await.expect(202);
    }
    let body = json!({"to": "+14155550123", "text": "code 1234", "intent": "otp"});
    later(&sidecar, otp, &body).answer().await.expect(202);
    let before = plivo.sends().len();

    let most = line.out.as_ref().and_then(|out| out["position_max"].as_u64());
    let most = usize::try_from(most.ok_or("no position is wanted")?).expect("a small number");
    let sent = async || plivo.sends().iter().position(|send| send.text == "code 1234");
    let place = eventually("the code is sent", sent).await + 1;
    let waiting = usize::try_from(count).expect("a small number") - before;
    ensure(waiting > most, || format!("only {waiting} promotions waited when the code came"))?;
    ensure(place <= before + most, || {
        format!("the code is number {place}; {before} had left before it came")
    })
}

fn later(sidecar: &Sidecar, app: &str, body: &Value) -> Request {
    let request = sidecar.post("/v1/messages").bearer(&format!("token-of-{app}"));
    request.header("prefer", "respond-async").json(body)
}
