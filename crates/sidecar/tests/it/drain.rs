//! SIGTERM: what is in flight ends, nothing new begins, and the exit code is 0.

use plivo_sim::Step;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{Connection, PATIENCE, Setup, Sidecar, TO, TOKEN, eventually, plivo};

/// Waits until the log says that the drain has begun.
pub(crate) async fn draining(sidecar: &Sidecar) {
    let begun = |events: &[Value]| {
        events
            .iter()
            .any(|event| event["message"] == "draining" || event["fields"]["message"] == "draining")
            .then_some(())
    };
    sidecar.log.wait_for("the drain begins", begun).await.expect("the drain begins");
}

fn said(log: &crate::harness::Log, sentence: &str) -> Option<Value> {
    log.events().into_iter().find(|event| event.to_string().contains(sentence))
}

#[tokio::test]
async fn a_send_in_flight_ends_and_its_caller_is_answered() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let in_flight =
        tokio::spawn(sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hi"})).answer());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    sidecar.terminate();
    draining(&sidecar).await;
    plivo.release();

    let body = in_flight.await.unwrap().expect(202);
    assert_eq!(body["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{body}");
    let log = sidecar.ended_well().await;
    assert!(said(&log, "drained; nothing was left").is_some(), "{}", log.text());
}

#[tokio::test]
async fn a_send_in_the_background_ends_too() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = sidecar
        .post("/v1/messages")
        .header("prefer", "respond-async")
        .json(&json!({"to": TO, "text": "hi"}));
    request.answer().await.expect(202);
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    sidecar.terminate();
    draining(&sidecar).await;
    plivo.release();

    let log = sidecar.ended_well().await;
    assert!(said(&log, "\"submitted\"").is_some(), "the outcome is in no line of\n{}", log.text());
}

#[tokio::test]
async fn what_may_have_been_sent_is_not_said_to_be_unsent_when_its_memory_goes() {
    let plivo = plivo().await;
    plivo.script([Step::hold(), Step::reset().queued()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let both = json!({"to": [TO, "+14155550124"], "text": "hi"});
    let in_flight = tokio::spawn(sidecar.post("/v1/messages").json(&both).answer());
    let doubtful = async || {
        let listed = sidecar.get("/v1/messages?status=in_doubt").await.expect(200);
        (listed["messages"].as_array().map(Vec::len) == Some(1)).then_some(())
    };
    eventually("one of them is in doubt", doubtful).await;

    sidecar.terminate();
    draining(&sidecar).await;
    plivo.release();

    let body = in_flight.await.unwrap().expect(202);
    let messages = body["messages"].as_array().expect("a list");
    let mut states: Vec<&str> =
        messages.iter().filter_map(|message| message["status"].as_str()).collect();
    states.sort_unstable();
    assert_eq!(states, ["in_doubt", "submitted"], "{body}");
    let log = sidecar.ended_well().await;
    let left =
        said(&log, "1 messages were left that Plivo may have, each told by its id, and 0 unsent");
    let left = left.unwrap_or_else(|| panic!("it is not told in\n{}", log.text()));
    assert_eq!(left["fields"]["in_doubt"], 1, "{left}");
    assert!(
        said(&log, "a message is left in doubt; Plivo may have it").is_some(),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn whoever_waits_for_plivo_when_the_time_is_over_is_told_that_the_message_is_on_its_way() {
    for durable in [false, true] {
        let plivo = plivo().await;
        plivo.script([Step::hold().queued()]).await;
        let setup = Setup::standard(&plivo).set("listen.drain_s", 2);
        let sidecar = Sidecar::start(if durable { setup.durable() } else { setup }).await;
        let request = sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hi"}));
        let waiting = tokio::spawn(request.answer());
        plivo.wait_for_requests(1, PATIENCE).await.unwrap();

        let log = sidecar.stop().await;

        let body = waiting.await.unwrap().expect(202);
        assert_eq!(body["status"], "queued", "{body}");
        let told = if durable {
            "messages were left for the next start"
        } else {
            "1 messages were left that Plivo may have, each told by its id, and 0 unsent"
        };
        let left = said(&log, told).unwrap_or_else(|| panic!("no `{told}` in\n{}", log.text()));
        assert_eq!(left["fields"]["in_call"], 1, "{left}");
        let named = said(&log, "a message is left in its call; Plivo may have it");
        assert_eq!(
            named.map(|line| line["fields"]["message.id"] == body["id"]),
            (!durable).then_some(true)
        );
    }
}

#[tokio::test]
async fn everybody_who_waits_is_answered_where_apps_stay_connected_until_the_time_is_over() {
    let plivo = plivo().await;
    plivo.script((0..20).map(|_| Step::hold().queued())).await;
    let setup =
        Setup::standard(&plivo).durable().set("listen.drain_s", 2).set("listen.linger_s", 5);
    let sidecar = Sidecar::start(setup).await;
    let waiting: Vec<_> = (0..20)
        .map(|nth| {
            let body = json!({"to": format!("+141555502{nth:02}"), "text": "hi"});
            tokio::spawn(sidecar.post("/v1/messages").json(&body).answer())
        })
        .collect();
    plivo.wait_for_requests(20, PATIENCE).await.unwrap();

    sidecar.stop().await;

    for answer in waiting {
        assert_eq!(answer.await.unwrap().expect(202)["status"], "queued");
    }
}

#[tokio::test]
async fn probes_are_answered_until_the_drain_has_ended() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    sidecar.terminate();
    eventually("the apps' door is closed", async || {
        TcpStream::connect(sidecar.apps).await.is_err().then_some(())
    })
    .await;

    sidecar.admin("/livez").await.expect(200);
    let ready = sidecar.ready().await.expect(503);
    let causes = ready["causes"].as_array().expect("a list");
    assert!(causes.iter().any(|cause| cause["cause"] == "draining"), "{ready:#}");
    plivo.release();
    let admin = sidecar.admin;
    let log = sidecar.ended_well().await;
    assert!(said(&log, "drained; nothing was left").is_some(), "{}", log.text());
    assert!(TcpStream::connect(admin).await.is_err(), "the admin listener is still there");
}

#[tokio::test]
async fn what_is_in_doubt_is_counted_as_left_for_the_next_start() {
    let plivo = plivo().await;
    plivo.script([Step::reset().queued()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).durable()).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;

    let log = sidecar.stop().await;

    let left = said(&log, "messages were left for the next start")
        .unwrap_or_else(|| panic!("nothing is said in\n{}", log.text()));
    assert_eq!(left["fields"]["in_doubt"], 1, "{left}");
    assert!(said(&log, "drained; nothing was left").is_none(), "{}", log.text());
}

#[tokio::test]
async fn nothing_new_is_taken_while_it_drains() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let in_flight =
        tokio::spawn(sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hi"})).answer());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    // A request that has begun before the drain, and is whole only after it began.
    let mut late = Connection::open(sidecar.apps).await;
    let body = json!({"to": TO, "text": "late"}).to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    late.send(&head).await;

    sidecar.terminate();
    eventually("new connections are refused", async || {
        TcpStream::connect(sidecar.apps).await.is_err().then_some(())
    })
    .await;
    late.send(format!("\r\n{body}")).await;
    let answer = late.rest().await;

    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503 "), "{answer}");
    plivo.release();
    in_flight.await.unwrap().expect(202);
    assert_eq!(plivo.sends().len(), 1);
    sidecar.ended_well().await;
}

#[tokio::test]
async fn what_waits_for_its_time_holds_no_drain_up_and_is_counted_as_left() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let request = json!({"to": TO, "text": "hi", "not_before": in_an_hour.to_string()});
    let body = sidecar
        .post("/v1/messages")
        .header("prefer", "respond-async")
        .json(&request)
        .answer()
        .await
        .expect(202);
    sidecar.record(body["id"].as_str().unwrap(), |record| record["status"] == "waiting").await;

    let log = sidecar.stop().await;

    let left = said(&log, "messages were left unsent")
        .unwrap_or_else(|| panic!("nothing is said in\n{}", log.text()));
    assert_eq!(left["fields"]["waiting"], 1, "{left}");
    assert_eq!(left["fields"]["in_time"], true, "{left}");
}

#[tokio::test]
async fn a_plivo_that_never_answers_does_not_keep_it_from_ending() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.drain_s", 1)).await;
    let request = sidecar
        .post("/v1/messages")
        .header("prefer", "respond-async")
        .json(&json!({"to": TO, "text": "hi"}));
    request.answer().await.expect(202);
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    let log = sidecar.stop().await;

    let left = said(&log, "1 messages were left that Plivo may have")
        .unwrap_or_else(|| panic!("nothing is said in\n{}", log.text()));
    assert_eq!(left["fields"]["in_time"], false, "{left}");
    assert_eq!(left["fields"]["in_call"], 1, "{left}");
}

#[tokio::test]
async fn what_was_accepted_is_in_the_databases_own_file_though_a_collector_never_answers() {
    let plivo = plivo().await;
    // The system takes connections for it, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let otlp = format!("http://{}", silent.local_addr().unwrap());
    let setup = Setup::standard(&plivo).durable().set("telemetry.otlp", otlp);
    let sidecar = Sidecar::start(setup).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let folder = std::sync::Arc::clone(&sidecar.folder);

    sidecar.stop().await;

    let log = folder.path().join("sendgate.db-wal");
    assert_eq!(log.metadata().map_or(0, |log| log.len()), 0, "the log has it still");
}
