//! Files of secrets are read again when they change: rotation needs no restart.

use plivo_sim::Authorization;
use serde_json::json;

use super::{NEVER_POLLS, applied, refusal, start_in};
use crate::harness::{App, Folder, PATIENCE, Setup, TO, plivo};

#[tokio::test]
async fn an_apps_token_is_rotated_by_its_file() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("token", "first-token\n");
    let app = App::new("demo", "").set("token", json!({"file": "token"}));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).app(app);
    let sidecar = start_in(folder, &setup).await;
    let status = async |token: &str| {
        let message = json!({"to": TO, "text": "hi"});
        sidecar.post("/v1/messages").bearer(token).json(&message).answer().await.status
    };
    assert_eq!((status("first-token").await, status("second-token").await), (202, 401));

    sidecar.folder.write("token", "second-token\n");
    applied(&sidecar, 1).await;

    assert_eq!((status("first-token").await, status("second-token").await), (401, 202));

    sidecar.folder.write("token", "two words\n");
    refusal(&sidecar, "the file ").await;

    assert_eq!(status("second-token").await, 202, "the last good token counts");
    let log = sidecar.stop().await.text();
    for secret in ["first-token", "second-token", "two words"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn what_waits_for_plivos_credentials_goes_out_when_their_file_is_mended() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("plivo-token", "EXPIRED");
    let setup = Setup::new(&plivo)
        .set("reload.poll_ms", NEVER_POLLS)
        .set("plivo.auth_token", json!({"file": "plivo-token"}));
    let sidecar = start_in(folder, &setup).await;
    let message = json!({"to": TO, "text": "hi"});
    let request = sidecar.post("/v1/messages").header("prefer", "respond-async").json(&message);
    let id = request.answer().await.expect(202)["id"].as_str().expect("an id").to_owned();
    sidecar.record(&id, |record| record["status"] == "waiting").await;
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "credentials", "{ready}");

    sidecar.folder.write("plivo-token", "TOKEN");

    plivo.wait_for_sends(1, PATIENCE).await.expect("it goes out");
    sidecar.record(&id, |record| record["status"] == "submitted").await;
    sidecar.wait_until_ready().await;
    let seen: Vec<Authorization> =
        plivo.requests().iter().map(|request| request.authorization).collect();
    assert_eq!(seen, [Authorization::Wrong, Authorization::Valid]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_sender_that_changes_is_what_the_next_message_comes_from() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("sender", "+14155551212");
    let setup = Setup::new(&plivo)
        .set("reload.poll_ms", NEVER_POLLS)
        .set("plivo.sender", json!({"file": "sender"}));
    let sidecar = start_in(folder, &setup).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    sidecar.folder.write("sender", "+14155551313");
    applied(&sidecar, 1).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    let from: Vec<String> = plivo.sends().into_iter().map(|send| send.src).collect();
    assert_eq!(from, ["14155551212", "14155551313"]);
    sidecar.stop().await;
}
