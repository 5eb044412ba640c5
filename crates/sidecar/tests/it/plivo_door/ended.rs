//! How a message ended, as a look-up tells it.

use plivo_sim::{State, Step};
use serde_json::{Value, json};

use super::{ACCOUNT, post};
use crate::harness::{Sidecar, eventually};
use crate::reports::{Ingress, manual, reached, start};

async fn newest(sidecar: &Sidecar) -> Value {
    sidecar.get(&format!("{ACCOUNT}/?limit=1")).await.expect(200)["objects"][0].clone()
}

fn body(text: &str) -> String {
    json!({"src": "14155551212", "dst": "14155550123", "text": text}).to_string()
}

#[tokio::test]
async fn what_ended_has_plivos_code_and_a_sentence_wherever_it_ended() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    for (state, code, told, sentence) in [
        (State::Delivered, None, "000", Value::Null),
        (State::Failed, Some("200"), "200", json!("the recipient has opted out")),
    ] {
        let sent = post(&sidecar, &body(told)).await.expect(202);
        let uuid = sent["message_uuid"][0].as_str().expect("a uuid").to_owned();
        let before = newest(&sidecar).await;
        assert_eq!((&before["error_code"], &before["error_message"]), (&Value::Null, &Value::Null));

        plivo.report(&uuid, state, code).await.expect("a report");

        let path = format!("{ACCOUNT}/{uuid}/");
        let ended = eventually("it has ended", async || {
            let shown = sidecar.get(&path).await.expect(200);
            (shown["message_state"] == state.as_str()).then_some(shown)
        });
        let ended = ended.await;
        assert_eq!((&ended["error_code"], &ended["error_message"]), (&json!(told), &sentence));
    }
    // Never at Plivo.
    plivo.script([Step::status(400)]).await;
    let refused = post(&sidecar, &body("refused")).await.expect(422);
    let shown = newest(&sidecar).await;
    assert_eq!((&shown["message_state"], &shown["error_code"]), (&json!("failed"), &json!("1000")));
    assert_eq!(shown["error_message"], refused["error"], "{shown}");
    sidecar.stop().await;
}
