//! Delivery reports that come while a message is on its way again, or after it was given up: Plivo has it.

use std::time::Duration;

use plivo_sim::{PlivoSim, State, Step};
use serde_json::{Value, json};

use super::settling;
use crate::harness::{Answer, PATIENCE, Setup, Sidecar, TO, eventually, plivo, posts};
use crate::reports::{Ingress, manual, start};

/// A sidecar that Plivo reports to, whose list shows nothing, and which gives up after the first "not now".
fn doubting(plivo: &PlivoSim, ingress: &Ingress) -> Setup {
    plivo.set_list_delay(Duration::from_secs(600));
    settling(plivo, &[1, 2])
        .set("plivo.attempts", 1)
        .set("listen.callbacks", "127.0.0.1:0")
        .set("listen.callbacks_url", ingress.url())
}

async fn keyed(sidecar: &Sidecar) -> Answer {
    let request = sidecar.post("/v1/messages").key("k1").header("prefer", "respond-async");
    request.json(&json!({"to": TO, "text": "hi"})).answer().await
}

async fn report(plivo: &PlivoSim, state: State) {
    let uuid = plivo.sends()[0].message_uuid.clone();
    let reported = plivo.report(&uuid, state, None).await.expect("a report");
    assert_eq!(reported.answer.expect("an answer"), 200, "{state:?}");
}

#[tokio::test]
async fn a_report_during_another_try_stands_and_the_key_is_not_freed() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let turned_away = Step { hold: true, ..Step::status(503) };
    plivo.script([Step::status(500).queued(), turned_away]).await;
    let sidecar = start(doubting(&plivo, &ingress), &ingress).await;
    let id = keyed(&sidecar).await.expect(202)["id"].as_str().unwrap().to_owned();
    let again = async || (posts(&plivo).len() == 2).then_some(());
    eventually("it is tried again, since the list does not show it", again).await;

    report(&plivo, State::Sent).await;
    sidecar.in_status(&id, "sent").await;
    plivo.release();

    let ended = async || sidecar.log.text().contains("way to Plivo has ended").then_some(());
    eventually("its way has ended", ended).await;
    let record = sidecar.in_status(&id, "sent").await;
    assert_eq!(record["error_code"], Value::Null, "{record}");
    let replayed = keyed(&sidecar).await;
    assert!(replayed.header("idempotent-replayed").is_some(), "{replayed}");
    report(&plivo, State::Delivered).await;
    sidecar.in_status(&id, "delivered").await;
    assert_eq!(posts(&plivo).len(), 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_report_on_what_was_given_up_is_believed_whatever_the_last_call_came_to() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    plivo.script([Step::status(500).queued(), Step::status(503)]).await;
    let sidecar = start(doubting(&plivo, &ingress).durable(), &ingress).await;
    let id = keyed(&sidecar).await.expect(202)["id"].as_str().unwrap().to_owned();
    let record = sidecar.in_status(&id, "failed").await;
    assert_eq!(record["error_code"], "upstream.unavailable", "{record}");

    report(&plivo, State::Delivered).await;

    let record = sidecar.in_status(&id, "delivered").await;
    assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
    let said = async || sidecar.log.text().contains("had been given up").then_some(());
    eventually("the log says that it was sent", said).await;
    let replayed = keyed(&sidecar).await;
    assert!(replayed.header("idempotent-replayed").is_some(), "{replayed}");
    assert_eq!(posts(&plivo).len(), 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_took_without_an_id_is_not_sent_again_though_the_operator_would_resend() {
    let plivo = plivo().await;
    plivo.set_list_delay(PATIENCE);
    plivo.script([Step::status(202).with_raw("<html>ok</html>")]).await;
    let setup = settling(&plivo, &[1]).set("delivery.on_unresolved", "resend");
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;

    let record = sidecar.in_status(&id, "failed").await;

    assert_eq!(record["error_code"], "send.unresolved", "{record}");
    assert_eq!(posts(&plivo).len(), 1, "{record}");
    sidecar.stop().await;
}
