//! Killed or asked to stop, and started again on the same database.

use std::sync::Arc;

use plivo_sim::{Outage, PlivoSim, Step};
use serde_json::{Value, json};

use super::database;
use crate::harness::{
    Answer, Log, PATIENCE, Policy, Setup, Sidecar, TO, eventually, plivo, posts, run_to_end, texts,
};

async fn keyed(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    sidecar.post("/v1/messages").key(key).json(body).answer().await
}

/// A sidecar whose Plivo is away, and which has found that out: what it accepts waits, and none is in the middle of a
/// call when it is killed.
async fn held_back(plivo: &PlivoSim, setup: &Setup) -> Sidecar {
    plivo.fail(Outage::Refuse).await;
    let sidecar = Sidecar::start(setup.clone()).await;
    sidecar.queue(&json!({"to": TO, "text": "finds out"})).await;
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    sidecar
}

fn count(log: &Log, sentence: &str) -> usize {
    log.lines().iter().filter(|line| line.contains(sentence)).count()
}

#[tokio::test]
async fn what_was_answered_with_202_is_found_after_a_kill_and_sent_exactly_once_and_in_order() {
    let plivo = plivo().await;
    let breaker = json!({"failures": 1, "open_s": 300});
    let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
    let sidecar = held_back(&plivo, &setup).await;
    let mut ids = Vec::new();
    let mut wanted = vec!["finds out".to_owned()];
    for nth in 0..40 {
        wanted.push(format!("n{nth}"));
        ids.push(sidecar.queue(&json!({"to": TO, "text": format!("n{nth}")})).await);
    }
    let folder = sidecar.kill().await;
    plivo.restore().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    for id in &ids {
        let record = sidecar.in_status(id, "submitted").await;
        assert_eq!(record["text"], Value::Null, "kept although it has left: {record}");
    }
    assert_eq!(texts(&plivo), wanted);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_key_has_the_same_answer_after_a_restart_and_sends_nothing() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).durable();
    let request = json!({"to": TO, "text": "hi"});
    let sidecar = Sidecar::start(setup.clone()).await;
    let first = keyed(&sidecar, "k1", &request).await;
    first.expect(202);
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;

    let sidecar = Sidecar::start_in(folder, setup).await;
    let again = keyed(&sidecar, "k1", &request).await;
    let other = keyed(&sidecar, "k1", &json!({"to": TO, "text": "ho"})).await;

    assert_eq!((again.status, &again.text), (first.status, &first.text), "{again}");
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    assert_eq!(again.header("location"), first.header("location"), "{again}");
    other.refused(422, "idem.mismatch");
    assert_eq!(posts(&plivo).len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_key_whose_request_was_cut_off_after_acceptance_names_that_message_after_the_restart() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let setup = Setup::new(&plivo).durable().set("delivery.settle_s", json!([1]));
    let request = json!({"to": TO, "text": "hi"});
    let sidecar = Sidecar::start(setup.clone()).await;
    let asked = tokio::spawn(sidecar.post("/v1/messages").key("k1").json(&request).outcome());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let folder = sidecar.kill().await;
    assert!(asked.await.unwrap().is_err(), "an answer came from a sidecar that was killed");

    let sidecar = Sidecar::start_in(folder, setup).await;
    let again = keyed(&sidecar, "k1", &request).await;

    let body = again.expect(202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    let record = sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;
    assert_eq!(record["attempts"][0]["code"], "process_ended", "{record}");
    assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
    assert_eq!(posts(&plivo).len(), 1, "it was sent again");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_content_window_holds_across_a_kill() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo)
        .durable()
        .policy(Policy::new("dedup").settings(json!({"window_s": 3_600})));
    let sidecar = Sidecar::start(setup.clone()).await;
    let first = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;
    let again = sidecar.send(&json!({"to": TO, "text": "hi"})).await;

    let body = again.refused(409, "dup.content");
    assert!(
        body.to_string().contains(first["id"].as_str().unwrap()),
        "the first is not named: {body}"
    );
    sidecar.send(&json!({"to": TO, "text": "ho"})).await.expect(202);
    assert_eq!(texts(&plivo), ["hi", "ho"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_limit_lets_never_one_more_through_across_kills() {
    let plivo = plivo().await;
    // The second is refused for good, so that its charge is given back.
    plivo.script([Step::default(), Step::status(400)]).await;
    let limit = json!({"limits": [{"name": "app", "scope": "app", "quota": 3, "per_s": 3_600}]});
    let setup = Setup::new(&plivo).durable().policy(Policy::new("throttle").settings(limit));
    let mut folder = None;
    for (text, wanted) in [("a", 202), ("b", 422), ("c", 202), ("d", 202), ("e", 429), ("f", 429)] {
        let sidecar = match folder {
            None => Sidecar::start(setup.clone()).await,
            Some(folder) => Sidecar::start_in(folder, setup.clone()).await,
        };
        let answer = sidecar.send(&json!({"to": TO, "text": text})).await;
        answer.expect(wanted);
        if wanted == 422 {
            // Its charge is given back with its end, which comes after the answer.
            let listed = async || {
                let listed = sidecar.get("/v1/messages?status=failed").await.expect(200);
                listed["messages"].get(0).cloned()
            };
            eventually("the refused one has ended", listed).await;
        }
        folder = Some(sidecar.kill().await);
    }
    assert_eq!(texts(&plivo), ["a", "c", "d"]);
}

#[tokio::test]
async fn asked_to_stop_it_leaves_what_waits_for_the_next_start_and_says_so() {
    let plivo = plivo().await;
    let breaker = json!({"failures": 1, "open_s": 300});
    let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
    let sidecar = held_back(&plivo, &setup).await;
    let mut ids = Vec::new();
    for text in ["a", "b", "c"] {
        ids.push(sidecar.queue(&json!({"to": TO, "text": text})).await);
    }
    for id in &ids {
        sidecar.in_status(id, "waiting").await;
    }
    let folder = Arc::clone(&sidecar.folder);

    let log = sidecar.stop().await;

    assert_eq!(count(&log, "a message is left for the next start"), 4, "{}", log.text());
    plivo.restore().await;
    let sidecar = Sidecar::start_in(folder, setup).await;
    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    let log = sidecar.stop().await;
    assert_eq!(count(&log, "messages that were left unfinished go on"), 1, "{}", log.text());
    assert_eq!(texts(&plivo), ["finds out", "a", "b", "c"]);
}

#[tokio::test]
async fn a_message_for_later_is_still_for_later_after_a_restart() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let id =
        sidecar.queue(&json!({"to": TO, "text": "later", "not_before": soon.to_string()})).await;
    sidecar.in_status(&id, "waiting").await;
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "submitted").await;
    let began: jiff::Timestamp =
        record["attempts"][0]["started_at"].as_str().unwrap().parse().unwrap();
    assert!(began >= soon - jiff::SignedDuration::from_millis(1), "sent before {soon}: {record}");
    assert_eq!(texts(&plivo), ["later"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_second_process_on_the_same_database_ends_at_once_with_a_line_that_says_why() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start(setup).await;

    let second =
        run_to_end("run", &sidecar.folder, &[("SENDGATE_ENV".into(), "development".into())]).await;

    assert_eq!(second.status.code(), Some(1), "{}", second.log.text());
    let line = second.log.lines().pop().unwrap_or_default();
    assert!(
        line.starts_with("the store: ")
            && line.contains("sendgate.db is in use by another sendgate"),
        "{line}"
    );
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_listen_touches_nothing_of_what_was_left() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let folder = sidecar.kill().await;
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();

    for place in ["listen.apps", "listen.admin"] {
        folder.write("sidecar.toml", setup.clone().set(place, taken.as_str()).to_toml());
        let environment = [("SENDGATE_ENV".into(), "development".into())];
        let ended = run_to_end("run", &folder, &environment).await;

        assert_eq!(ended.status.code(), Some(1), "{place}: {}", ended.log.text());
        let line = ended.log.lines().pop().unwrap_or_default();
        assert!(line.contains(&taken), "{place}: {line}");
        let states: Vec<String> = {
            let database = database(&folder);
            let mut query = database.prepare("SELECT status FROM messages").unwrap();
            query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(states, ["sending"], "{place}: what was left was taken up");
    }
    assert_eq!(posts(&plivo).len(), 1);
}

#[tokio::test]
async fn a_refusal_that_could_not_be_written_before_the_end_is_told_as_in_doubt() {
    let plivo = plivo().await;
    plivo.script([Step { hold: true, ..Step::status(400) }]).await;
    let setup = Setup::new(&plivo).durable().set("delivery.settle_s", json!([1]));
    let sidecar = Sidecar::start(setup.clone()).await;
    let folder = Arc::clone(&sidecar.folder);
    let asked =
        tokio::spawn(sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hi"})).answer());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let other = database(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    plivo.release();
    let failed = |events: &[Value]| {
        let told = events.iter().any(|event| event.to_string().contains("could not be written"));
        told.then_some(())
    };
    sidecar.log.wait_for("the outcome cannot be written", failed).await.expect("a line");

    sidecar.terminate();

    let body = asked.await.unwrap().expect(202);
    assert_eq!(body["status"], "in_doubt", "{body}");
    sidecar.ended_well().await;
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    let sidecar = Sidecar::start_in(folder, setup).await;
    sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;
    assert_eq!(texts(&plivo), ["hi"], "Plivo has it once");
    sidecar.stop().await;
}

#[tokio::test]
async fn fifty_equal_requests_at_once_are_one_send_on_a_durable_store() {
    for key in [Some("k1"), None] {
        let plivo = plivo().await;
        let setup = Setup::new(&plivo).durable().policy(Policy::new("dedup"));
        let sidecar = Sidecar::start(setup).await;
        let asked: Vec<_> = (0..50)
            .map(|_| {
                let request = sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hi"}));
                let request = if let Some(key) = key { request.key(key) } else { request };
                tokio::spawn(request.answer())
            })
            .collect();
        let mut fresh = 0;
        for each in asked {
            let answer = each.await.unwrap();
            match (answer.status, answer.header("idempotent-replayed")) {
                (202, None) => fresh += 1,
                (202, Some("true")) => assert!(key.is_some(), "{answer}"),
                _ => {
                    let code = if key.is_some() { "idem.in_progress" } else { "dup.content" };
                    answer.refused(409, code);
                }
            }
        }
        assert_eq!((fresh, posts(&plivo).len()), (1, 1), "with the key {key:?}");
        sidecar.stop().await;
    }
}
