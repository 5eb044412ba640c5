//! A person decides: released and canceled, in every state that a message can be in.

use std::time::Duration;

use plivo_sim::{Outage, Step};
use serde_json::{Value, json};
use store::Status;

use super::{Left, closed_port, durable, ephemeral, leave, look, operator};
use crate::harness::{Folder, PATIENCE, Setup, Sidecar, TO, eventually, plivo};

/// A message that the sidecar has accepted and answers for in the background.
async fn accepted(sidecar: &Sidecar, more: &Value) -> String {
    let mut body = json!({"to": TO, "text": "swordfish"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request = sidecar.post("/v1/messages").header("prefer", "respond-async").json(&body);
    request.answer().await.expect(202)["id"].as_str().unwrap().to_owned()
}

/// Cancels a message that has come to `status`.
async fn cancel_in(sidecar: &Sidecar, id: &str, status: &str) {
    sidecar.record(id, |record| record["status"] == status).await;
    let body = operator(sidecar, &format!("POST /messages/{id}/cancel")).await.expect(200);
    assert_eq!(body, json!({"id": id, "status": "canceled"}));
    let record = look(sidecar, &format!("/messages/{id}")).await.expect(200);
    assert_eq!((&record["status"], &record["waits_for"]), (&json!("canceled"), &Value::Null));
}

#[tokio::test]
async fn a_held_message_that_five_release_at_once_is_sent_once() {
    let (plivo, folder) = (plivo().await, Folder::new());
    leave(&folder, &[Left::new("held", Status::Held)]).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;
    let before = look(&sidecar, "/messages/held").await.expect(200);
    assert_eq!(before["waits_for"], "a person: release it or cancel it");
    assert_eq!(plivo.sends().len(), 0, "it was sent before anybody released it");

    let release = || operator(&sidecar, "POST /messages/held/release");
    let told = tokio::join!(release(), release(), release(), release(), release());

    let told = [told.0, told.1, told.2, told.3, told.4];
    let mut statuses: Vec<u16> = told.iter().map(|told| told.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409], "{told:#?}");
    for told in told {
        match told.status {
            200 => assert_eq!(told.body, json!({"id": "held", "status": "waiting"})),
            _ => drop(told.refused(409, "message.not_held")),
        }
    }
    sidecar.record("held", |record| record["status"] == "submitted").await;
    let mut after = look(&sidecar, "/messages/held").await.expect(200)["attempts"][0].take();
    let released = after["given_up_at"].take();
    assert_eq!((released.is_string(), &after), (true, &before["attempts"][0]), "{released}");
    let texts: Vec<String> = plivo.sends().into_iter().map(|sent| sent.text).collect();
    assert_eq!(texts, ["swordfish held"]);
}

#[tokio::test]
async fn a_canceled_message_is_not_sent_because_its_app_asks_again_under_its_key() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let body = json!({"to": TO, "text": "hi", "not_before": later.to_string()});
    let ask = || sidecar.post("/v1/messages").key("k1").json(&body).answer();
    let first = ask().await;
    cancel_in(&sidecar, first.expect(202)["id"].as_str().unwrap(), "waiting").await;

    let again = ask().await;

    assert_eq!((again.status, &again.text), (202, &first.text));
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    assert_eq!(plivo.sends().len(), 0);
}

#[tokio::test]
async fn a_held_message_whose_time_is_over_is_canceled_and_not_released() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let late = Left { lives: Duration::ZERO, ..Left::new("late", Status::Held) };
    leave(&folder, &[late]).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;

    let refused = operator(&sidecar, "POST /messages/late/release").await;
    refused.refused(409, "message.too_late");

    cancel_in(&sidecar, "late", "held").await;
    assert_eq!(plivo.sends().len(), 0);
}

#[tokio::test]
async fn a_message_in_doubt_that_five_release_at_once_is_sent_once_more() {
    let plivo = plivo().await;
    plivo.script([Step::status(500)]).await;
    let setup = ephemeral(&plivo).set("delivery.settle_s", json!([600]));
    let sidecar = Sidecar::start(setup).await;
    let id = accepted(&sidecar, &json!({})).await;
    let before = sidecar.record(&id, |record| record["status"] == "in_doubt").await;

    let path = format!("POST /messages/{id}/release");
    let release = || operator(&sidecar, &path);
    let told = tokio::join!(release(), release(), release(), release(), release());

    let told = [told.0, told.1, told.2, told.3, told.4];
    let well: Vec<_> = told.iter().filter(|told| told.status == 200).collect();
    assert_eq!(well.len(), 1, "{told:#?}");
    assert_eq!(well[0].body, json!({"id": id, "status": "waiting"}));
    let after = sidecar.record(&id, |record| record["status"] == "submitted").await;
    assert_eq!(before["attempts"][0]["given_up_at"], Value::Null, "{before}");
    assert!(after["attempts"][0]["given_up_at"].is_string(), "{after}");
    assert_eq!(after["attempts"].as_array().unwrap().len(), 2, "{after}");
    assert_eq!(plivo.sends().len(), 1);
}

#[tokio::test]
async fn what_a_process_before_left_in_doubt_is_released_too() {
    let (plivo, folder) = (plivo().await, Folder::new());
    leave(&folder, &[Left::new("doubt", Status::InDoubt)]).await;
    let setup = durable(&plivo).set("delivery.settle_s", json!([600]));
    let sidecar = Sidecar::start_in(folder, setup).await;

    let told = operator(&sidecar, "POST /messages/doubt/release").await;

    assert_eq!(told.expect(200), json!({"id": "doubt", "status": "waiting"}));
    sidecar.record("doubt", |record| record["status"] == "submitted").await;
    assert_eq!(plivo.sends().len(), 1);
    let again = operator(&sidecar, "POST /messages/doubt/release").await;
    again.refused(409, "message.not_held");
}

#[tokio::test]
async fn after_a_restart_no_other_is_taken_for_what_a_call_before_a_release_brought_to_plivo() {
    let plivo = plivo().await;
    plivo.script([Step::status(500), Step::status(500).queued()]).await;
    let setup = durable(&plivo).set("delivery.settle_s", json!([4, 6]));
    let sidecar = Sidecar::start(setup.clone()).await;
    let never_there = accepted(&sidecar, &json!({})).await;
    sidecar.record(&never_there, |record| record["status"] == "in_doubt").await;
    let there = accepted(&sidecar, &json!({"text": "there twice"})).await;
    sidecar.record(&there, |record| record["status"] == "in_doubt").await;
    operator(&sidecar, &format!("POST /messages/{there}/release")).await.expect(200);
    sidecar.record(&there, |record| record["status"] == "submitted").await;
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let held = sidecar.record(&never_there, |record| record["status"] != "in_doubt").await;
    let told = (&held["status"], &held["error_code"], &held["message_uuid"]);
    assert_eq!(told, (&json!("held"), &json!("send.unclear"), &Value::Null), "{held}");
    let texts: Vec<String> = plivo.sends().into_iter().map(|sent| sent.text).collect();
    assert_eq!(texts, ["there twice", "there twice"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_release_that_is_refused_because_plivo_is_being_asked_is_not_carried_out_later() {
    let plivo = plivo().await;
    plivo.script([Step::status(500)]).await;
    let setup = ephemeral(&plivo)
        .set("plivo.call_timeout_ms", 10_000)
        .set("delivery.settle_s", json!([1, 600]));
    let sidecar = Sidecar::start(setup).await;
    let id = accepted(&sidecar, &json!({})).await;
    sidecar.record(&id, |record| record["status"] == "in_doubt").await;
    plivo.fail(Outage::Step(Box::new(Step::hold()))).await;
    let asked = async || plivo.requests().iter().any(|seen| seen.method == "GET").then_some(());
    eventually("Plivo's list is asked", asked).await;

    let told = operator(&sidecar, &format!("POST /messages/{id}/release")).await;

    told.refused(409, "message.under_way");
    let over = async || sidecar.log.text().contains("list could not be asked").then_some(());
    eventually("its answer did not come in time", over).await;
    plivo.restore().await;
    sidecar.record(&id, |record| record["status"] == "in_doubt").await;
    assert_eq!(plivo.sends().len(), 0);
    operator(&sidecar, &format!("POST /messages/{id}/release")).await.expect(200);
    sidecar.record(&id, |record| record["status"] == "submitted").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn while_the_store_cannot_be_written_nothing_in_doubt_is_released_and_it_can_be_later() {
    let (plivo, folder) = (plivo().await, Folder::new());
    leave(&folder, &[Left::new("doubt", Status::InDoubt)]).await;
    let setup = durable(&plivo).set("delivery.settle_s", json!([600]));
    let sidecar = Sidecar::start_in(folder, setup).await;
    let other = rusqlite::Connection::open(sidecar.folder.path().join("sendgate.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();

    let told = operator(&sidecar, "POST /messages/doubt/release").await;

    told.refused(503, "spool.unavailable");
    other.execute_batch("COMMIT").unwrap();
    sidecar.record("doubt", |record| record["status"] == "in_doubt").await;
    assert_eq!(plivo.requests().len(), 0);
    let release = async || {
        let told = operator(&sidecar, "POST /messages/doubt/release").await;
        (told.status == 200).then_some(())
    };
    eventually("it is released", release).await;
    sidecar.record("doubt", |record| record["status"] == "submitted").await;
    assert_eq!(plivo.sends().len(), 1);
}

#[tokio::test]
async fn only_what_is_in_doubt_or_held_is_released() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let id = accepted(&sidecar, &json!({})).await;
    sidecar.record(&id, |record| record["status"] == "submitted").await;

    let told = operator(&sidecar, &format!("POST /messages/{id}/release")).await;

    let told = told.refused(409, "message.not_held");
    assert_eq!(told.body["message_status"], "submitted");
    operator(&sidecar, "POST /messages/gone/release").await.refused(404, "message.not_found");
}

#[tokio::test]
async fn what_is_in_doubt_or_held_is_canceled_and_never_sent() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let left = [Left::new("held", Status::Held), Left::new("doubt", Status::InDoubt)];
    leave(&folder, &left).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;

    cancel_in(&sidecar, "held", "held").await;
    cancel_in(&sidecar, "doubt", "in_doubt").await;

    let again = operator(&sidecar, "POST /messages/held/cancel").await;
    again.refused(409, "message.gone");
    let released = operator(&sidecar, "POST /messages/held/release").await;
    released.refused(409, "message.not_held");
    assert_eq!(plivo.sends().len(), 0);
}

#[tokio::test]
async fn what_waits_for_its_time_is_canceled() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let id = accepted(&sidecar, &json!({"not_before": in_an_hour.to_string()})).await;

    cancel_in(&sidecar, &id, "waiting").await;

    assert_eq!(plivo.sends().len(), 0);
}

#[tokio::test]
async fn what_waits_for_another_try_is_canceled() {
    let (_socket, gone) = closed_port();
    let setup = Setup::with_base_url(&gone).set("listen.admin_token", super::OPERATOR);
    let sidecar = Sidecar::start(setup).await;
    let id = accepted(&sidecar, &json!({})).await;

    // Now and then a try is under way just then.
    let canceled = async || {
        let told = operator(&sidecar, &format!("POST /messages/{id}/cancel")).await;
        if told.status == 409 {
            told.refused(409, "message.under_way");
            return None;
        }
        assert!(matches!(told.status, 200 | 202), "{told:?}");
        Some(())
    };
    eventually("the message is taken back", canceled).await;
    sidecar.record(&id, |record| record["status"] == "canceled").await;
}

#[tokio::test]
async fn what_a_call_is_out_for_and_what_plivo_has_are_not_canceled() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let id = accepted(&sidecar, &json!({})).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let cancel = || operator(&sidecar, "POST /messages/gone/cancel");
    cancel().await.refused(404, "message.not_found");

    let cancel = format!("POST /messages/{id}/cancel");
    operator(&sidecar, &cancel).await.refused(409, "message.under_way");

    plivo.release();
    sidecar.record(&id, |record| record["status"] == "submitted").await;
    let told = operator(&sidecar, &cancel).await.refused(409, "message.gone");
    assert_eq!(told.body["message_status"], "submitted");
    assert_eq!(plivo.sends().len(), 1);
}

#[tokio::test]
async fn events_of_an_app_that_nobody_knows_are_not_revived_and_its_name_is_not_logged() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let relay = Some("http://127.0.0.1:9/reports");
    leave(&folder, &[Left { relay, app: "gone", ..Left::new("one", Status::Failed) }]).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;
    let revive =
        async |app: &str| operator(&sidecar, &format!("POST /events/revive?app={app}")).await;

    for app in ["14155550123", "%2B14155550123", "Gone"] {
        let told = revive(app).await.refused(404, "app.not_found");
        assert!(!told.body.to_string().contains("4155550123"), "{}", told.body);
    }

    for strange in ["gone&limit=1", "gone&app=demo"] {
        revive(strange).await.refused(400, "query.invalid");
    }
    assert_eq!(revive("demo").await.expect(200)["revived"], 0, "it has none by now");
    assert_eq!(revive("gone").await.expect(200)["revived"], 1, "it was an app before");
    let log = sidecar.stop().await.text();
    assert!(log.contains("an operator has revived events") && !log.contains("155550123"), "{log}");
}
