//! Credentials that Plivo refuses: nothing more is tried with them.

use plivo_sim::Step;
use serde_json::json;

use super::hi;
use crate::harness::{PATIENCE, Setup, Sidecar, plivo};

#[tokio::test]
async fn refused_credentials_stop_every_send_and_turn_readiness_red() {
    let plivo = plivo().await;
    plivo.script([Step::status(401)]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 200)).await;

    let first = sidecar.send(&hi()).await.expect(202);
    let second = sidecar.send(&json!({"to": "+14155550199", "text": "hi"})).await.expect(202);

    for body in [&first, &second] {
        let id = body["id"].as_str().unwrap();
        sidecar.record(id, |record| record["status"] == "waiting").await;
    }
    assert_eq!(plivo.requests().len(), 1, "the second message was not even tried");
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(
        (&ready["ready"], &ready["causes"][0]["cause"]),
        (&json!(false), &json!("credentials")),
        "{ready}"
    );
    assert_eq!(ready["waiting"], 2, "{ready}");
    sidecar.stop().await;
}

#[tokio::test]
async fn new_credentials_let_the_waiting_messages_go() {
    let plivo = plivo().await;
    let wrong =
        Setup::standard(&plivo).set("plivo.auth_token", "WRONG").set("delivery.wait_ms", 100);
    let sidecar = Sidecar::start(wrong.clone()).await;
    let body = sidecar.send(&hi()).await.expect(202);
    let id = body["id"].as_str().unwrap();
    sidecar.record(id, |record| record["status"] == "waiting").await;

    sidecar.folder.write("sidecar.toml", wrong.set("plivo.auth_token", "TOKEN").to_toml());

    sidecar.record(id, |record| record["status"] == "submitted").await;
    plivo.wait_for_sends(1, PATIENCE).await.unwrap();
    sidecar.wait_until_ready().await;
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}
