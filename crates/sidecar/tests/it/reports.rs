//! What Plivo says became of a message: reports on the callback listener, and answers to asking.

mod ingress;

use std::time::Duration;

use plivo_sim::{Callbacks, PlivoSim, Posting, Report, Signatures, SimConfig, State, Step};
use serde_json::{Value, json};

use crate::harness::{Setup, Sidecar, TO, client};

pub(crate) use self::ingress::Ingress;

/// A Plivo that reports only when it is told to.
pub(crate) async fn manual() -> PlivoSim {
    PlivoSim::start(SimConfig { callbacks: Callbacks::Manual, ..SimConfig::default() }).await
}

async fn automatic() -> PlivoSim {
    PlivoSim::start(SimConfig { callbacks: Callbacks::auto(), ..SimConfig::default() }).await
}

/// A sidecar that Plivo reaches through `ingress`.
pub(crate) fn reached(plivo: &PlivoSim, ingress: &Ingress) -> Setup {
    Setup::new(plivo)
        .set("listen.callbacks", "127.0.0.1:0")
        .set("listen.callbacks_url", ingress.url())
}

pub(crate) async fn start(setup: Setup, ingress: &Ingress) -> Sidecar {
    let sidecar = Sidecar::start(setup).await;
    ingress.lead_to(&sidecar).await;
    sidecar
}

async fn sent(sidecar: &Sidecar) -> (String, String) {
    let body = sidecar.send(&json!({"to": TO, "text": "swordfish"})).await.expect(202);
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (word("id"), word("message_uuid"))
}

fn report(state: State, sequence: u32) -> Report {
    Report { sequence: Some(sequence), ..Report::of(state) }
}

async fn count(sidecar: &Sidecar, what: &str) -> u64 {
    sidecar.ready().await.json()["reports"][what].as_u64().expect("a count")
}

#[tokio::test]
async fn a_message_is_followed_to_its_delivery() {
    let (plivo, ingress) = (automatic().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;

    let (id, uuid) = sent(&sidecar).await;

    let record = sidecar.in_status(&id, "delivered").await;
    assert_eq!(record["message_uuid"], uuid.as_str());
    assert_eq!(record["report"]["total_amount"], "0.00500");
    assert_eq!(record["error_code"], Value::Null);
    let url = plivo.sends()[0].url.clone().expect("the place of the report");
    assert!(url.starts_with(&format!("{}/callbacks/plivo/{id}/1/", ingress.url())), "{url}");
    sidecar.stop().await;
}

#[tokio::test]
async fn reports_come_late_twice_and_out_of_order_and_move_nothing_back() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    let (id, uuid) = sent(&sidecar).await;

    for (state, sequence) in [
        (State::Delivered, 3),
        (State::Sent, 2),
        (State::Delivered, 3),
        (State::Queued, 1),
        (State::Undelivered, 4),
    ] {
        let error_code = (state == State::Undelivered).then(|| "80".to_owned());
        let report = Report { error_code, ..report(state, sequence) };
        let reported = plivo.send_report(&uuid, report).await.expect("a report");
        assert_eq!(reported.answer.expect("an answer"), 200, "{state:?}");
    }

    assert_eq!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "delivered");
    let events = sidecar.get("/v1/events").await.expect(200);
    let states: Vec<&Value> =
        events["events"].as_array().unwrap().iter().map(|event| &event["data"]["status"]).collect();
    assert_eq!(states, ["submitted", "delivered"]);
    assert_eq!((count(&sidecar, "taken").await, count(&sidecar, "again").await), (4, 1));
    let log = sidecar.stop().await;
    let is_other = |event: &Value| event["fields"]["told"] == "undelivered";
    let told: Vec<Value> = log.events().into_iter().filter(is_other).collect();
    let said = |event: &Value| {
        let fields = &event["fields"];
        [&event["level"], &fields["message.id"], &fields["status"], &fields["code"]]
            .map(Value::clone)
    };
    let wanted = ["WARN", &id, "delivered", "80"].map(Value::from);
    assert_eq!(told.iter().map(said).collect::<Vec<_>>(), [wanted], "{}", log.text());
}

#[tokio::test]
async fn a_copy_of_a_report_is_acknowledged_and_ignored() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    let (id, uuid) = sent(&sidecar).await;
    let nonce = Some("05429567804466091622".to_owned());
    let with = |state, sequence| {
        let posting = Posting { nonce: nonce.clone(), ..Posting::default() };
        Report { posting, ..report(state, sequence) }
    };

    for answered in [with(State::Sent, 2), with(State::Delivered, 3)] {
        let reported = plivo.send_report(&uuid, answered).await.expect("a report");
        assert_eq!(reported.answer.expect("an answer"), 200);
    }

    assert_eq!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "sent");
    assert_eq!(count(&sidecar, "replayed").await, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_report_may_come_before_the_answer_to_the_call_it_is_about() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    plivo.script([Step::hold()]).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "swordfish"})).await;
    let uuid = plivo.wait_for_sends(1, crate::harness::PATIENCE).await.expect("a send")[0]
        .message_uuid
        .clone();

    plivo.report(&uuid, State::Sent, None).await.expect("a report");

    let record = sidecar.in_status(&id, "sent").await;
    assert_eq!(record["message_uuid"], uuid.as_str());
    plivo.release();
    sidecar.record(&id, |record| record["attempts"][0]["outcome"] == "accepted").await;
    assert_eq!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "sent");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_report_told_during_a_call_is_answered_though_the_call_ends_in_doubt() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    plivo.script([Step { status: Some(500), ..Step::hold() }.queued()]).await;
    let request = json!({"to": TO, "text": "swordfish"});
    let send = sidecar.send(&request);
    let report = async {
        let sends = plivo.wait_for_sends(1, crate::harness::PATIENCE).await.expect("a send");
        plivo.report(&sends[0].message_uuid, State::Delivered, None).await.expect("a report");
        plivo.release();
    };

    let (answer, ()) = tokio::join!(send, report);

    let body = answer.expect(202);
    assert_eq!(body["message_uuid"], plivo.sends()[0].message_uuid, "{body}");
    assert_ne!(body["status"], "in_doubt", "{body}");
    let id = body["id"].as_str().unwrap();
    let record = sidecar.record(id, |record| record["attempts"][0]["outcome"] == "in-doubt").await;
    assert_eq!(record["status"], "delivered", "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_report_that_is_as_fast_as_plivos_no_is_answered_with_plivos_id() {
    let (plivo, ingress) = (automatic().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    // Which of the two is heard first is not for the test to say, so there are several.
    for nth in 10..30 {
        plivo.script([Step::status(400).queued()]).await;
        let request = json!({"to": format!("+141555501{nth}"), "text": "swordfish"});

        let answer = sidecar.send(&request).await;

        if answer.status == 202 {
            let body = answer.expect(202);
            let id = body["id"].as_str().unwrap();
            let sent = |record: &Value| record["message_uuid"].is_string();
            let record = sidecar.record(id, sent).await;
            assert_eq!(body["message_uuid"], record["message_uuid"], "{nth}: {body}");
        }
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_call_that_the_kill_cut_off_after_a_report_on_it_is_ended_by_the_next_process() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let setup = reached(&plivo, &ingress).durable();
    let sidecar = start(setup.clone(), &ingress).await;
    plivo.script([Step::hold()]).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "swordfish"})).await;
    let sends = plivo.wait_for_sends(1, crate::harness::PATIENCE).await.expect("a send");
    plivo.report(&sends[0].message_uuid, State::Delivered, None).await.expect("a report");
    let record = sidecar.in_status(&id, "delivered").await;
    assert_eq!(record["attempts"][0]["outcome"], Value::Null, "{record}");
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "delivered").await;
    let attempt = &record["attempts"][0];
    assert_eq!(
        (&attempt["outcome"], &attempt["code"]),
        (&json!("in-doubt"), &json!("process_ended")),
        "{record}"
    );
    assert_eq!(record["error_code"], Value::Null, "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_report_settles_a_message_in_doubt() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    // Asking Plivo's list would come much later.
    let setup = reached(&plivo, &ingress).set("delivery.settle_s", json!([3_000, 3_600]));
    let sidecar = start(setup, &ingress).await;
    plivo.script([Step::close().queued()]).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "swordfish"})).await;
    sidecar.in_status(&id, "in_doubt").await;

    let uuid = plivo.sends()[0].message_uuid.clone();
    plivo.report(&uuid, State::Queued, None).await.expect("a report");

    let record = sidecar.in_status(&id, "submitted").await;
    assert_eq!(record["message_uuid"], uuid.as_str());
    plivo.report(&uuid, State::Delivered, None).await.expect("a report");
    sidecar.in_status(&id, "delivered").await;
    assert_eq!(plivo.sends().len(), 1, "it was sent again");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_did_not_sign_is_refused() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    let (id, uuid) = sent(&sidecar).await;
    let url = plivo.sends()[0].url.clone().expect("the place of the report");

    let forged = client().post(&url).body("Status=delivered&MessageUUID=x").send().await.unwrap();
    assert_eq!(forged.status(), 403);
    assert_eq!(forged.text().await.unwrap(), "{\"code\":\"dlr.bad_signature\"}\n");
    let v2 = Posting { signatures: Signatures::V2, ..Posting::default() };
    let v2 = Report { posting: v2, ..report(State::Delivered, 3) };
    let alone = plivo.send_report(&uuid, v2).await.expect("a report");
    assert_eq!(alone.answer.expect("an answer"), 403);
    for (path, status) in [("/", 404), ("/livez", 404), ("/v1/messages", 404)] {
        let other = client().get(format!("{}{path}", ingress.url())).send().await.unwrap();
        assert_eq!(other.status(), status, "{path}");
    }

    assert_eq!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "submitted");
    assert_eq!(count(&sidecar, "forged").await, 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn v2_alone_is_taken_where_the_operator_says_so() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress).set("listen.callbacks_v2", true), &ingress).await;
    let (id, uuid) = sent(&sidecar).await;
    let posting = Posting { signatures: Signatures::V2, ..Posting::default() };
    let told = Report { posting, ..report(State::Delivered, 3) };
    assert_eq!(plivo.send_report(&uuid, told).await.unwrap().answer.unwrap(), 200);
    sidecar.in_status(&id, "delivered").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_report_on_a_message_of_the_process_before_is_taken() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let setup = reached(&plivo, &ingress).durable().set("store.min_free_percent", 0);
    let sidecar = start(setup.clone(), &ingress).await;
    let (id, uuid) = sent(&sidecar).await;
    let folder = sidecar.kill().await;
    let sidecar = Sidecar::start_in(folder, setup).await;
    ingress.lead_to(&sidecar).await;

    plivo.report(&uuid, State::Failed, Some("200")).await.expect("a report");

    let record = sidecar.in_status(&id, "failed").await;
    assert_eq!(record["error_code"], "200");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_report_that_cannot_be_written_down_is_not_taken_and_comes_again() {
    let config = SimConfig {
        callbacks: Callbacks::Manual,
        callback_retry: Duration::from_millis(200),
        ..SimConfig::default()
    };
    let (plivo, ingress) = (PlivoSim::start(config).await, Ingress::open().await);
    let setup = reached(&plivo, &ingress).durable().set("store.min_free_percent", 0);
    let sidecar = start(setup, &ingress).await;
    let (id, uuid) = sent(&sidecar).await;
    sidecar.in_status(&id, "submitted").await;
    let other = rusqlite::Connection::open(sidecar.folder.path().join("sendgate.db")).unwrap();
    // Nothing is committed while another writes.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let reported = plivo.report(&uuid, State::Delivered, None).await.expect("a report");

    assert_eq!(reported.answer.expect("an answer"), 503);
    assert_eq!(sidecar.get(&format!("/v1/messages/{id}")).await.json()["status"], "submitted");
    other.execute_batch("ROLLBACK").unwrap();
    sidecar.in_status(&id, "delivered").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn without_a_public_url_plivo_is_asked() {
    let plivo = automatic().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).set("delivery.poll_s", json!([1]))).await;
    let (id, _) = sent(&sidecar).await;
    assert_eq!(plivo.sends()[0].url, None, "there is nobody to report to");
    sidecar.in_status(&id, "delivered").await;
    let asked = plivo.requests().into_iter().filter(|seen| seen.method == "GET").count();
    assert!(asked >= 1, "Plivo was not asked");
    sidecar.stop().await;
}

#[tokio::test]
async fn who_was_asked_for_in_vain_is_asked_for_again_after_a_restart() {
    let plivo = manual().await;
    let setup = Setup::new(&plivo)
        .durable()
        .set("store.min_free_percent", 0)
        .set("delivery.poll_s", json!([1]));
    let sidecar = Sidecar::start(setup.clone()).await;
    let (id, uuid) = sent(&sidecar).await;
    // An outcome that is not on disk yet would be in doubt after the restart, and asked about otherwise.
    sidecar.in_status(&id, "submitted").await;
    let folder = sidecar.kill().await;
    assert!(plivo.change(&uuid, State::Undelivered, Some("80")));
    let sidecar = Sidecar::start_in(folder, setup).await;
    let record = sidecar.in_status(&id, "undelivered").await;
    assert_eq!(record["error_code"], "80");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_is_none_of_plivos_by_the_hundred_is_a_line_or_two_of_the_log_and_hides_no_forgery() {
    let (plivo, ingress) = (automatic().await, Ingress::open().await);
    let sidecar = start(reached(&plivo, &ingress), &ingress).await;
    for nth in 0..100 {
        let url = format!("{}/scan{nth}", ingress.url());
        let answer = reqwest::get(url).await.expect("an answer");
        assert!(answer.status().is_client_error(), "{answer:?}");
    }
    let forged = format!("{}/callbacks/plivo/{}/1/guessed", ingress.url(), uuid::Uuid::now_v7());
    let forged = client().post(&forged).body("Status=delivered").send().await.unwrap();
    assert_eq!(forged.status(), 403);
    let log = sidecar.stop().await;
    let warned = log.text();
    let warned = warned.lines().filter(|line| line.contains("a report was not taken"));
    let warned: Vec<_> = warned.collect();
    let lines = |kind: &str| warned.iter().filter(|line| line.contains(kind)).count();
    assert!((1..=5).contains(&lines("astray")), "{} lines of 100", lines("astray"));
    assert_eq!(lines("forged"), 1, "{warned:#?}");
}
