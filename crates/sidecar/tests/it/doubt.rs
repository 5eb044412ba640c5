//! Messages of which nobody knows whether Plivo took them: found out, never guessed, and never sent twice.

mod clocks;
mod elsewhere;
mod late;
mod reported;
mod restart;
mod unreachable;

use plivo_sim::{PlivoSim, Step};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Setup, Sidecar, TO, plivo, posts, texts};

/// A sidecar that looks at Plivo's list so many seconds after a call of unknown outcome.
fn settling(plivo: &PlivoSim, seconds: &[u32]) -> Setup {
    Setup::new(plivo)
        .set("delivery.settle_s", seconds)
        .set("delivery.breaker", json!({"failures": 1_000, "min_calls": 100_000}))
        .set("plivo.call_timeout_ms", 1_000)
        .set("plivo.connect_timeout_ms", 1_000)
}

/// The words of a record's attempts.
fn outcomes(record: &Value) -> Vec<&str> {
    let attempts = record["attempts"].as_array().expect("a list");
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap_or("none")).collect()
}

#[tokio::test]
async fn what_plivo_took_without_an_id_is_never_sent_again_though_its_list_is_silent() {
    for step in
        [Step::truncate().not_queued(), Step::status(202).with_raw("<html>ok</html>").not_queued()]
    {
        let plivo = plivo().await;
        plivo.script([step]).await;
        let sidecar = Sidecar::start(settling(&plivo, &[1])).await;
        let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

        let record = sidecar.in_status(body["id"].as_str().unwrap(), "failed").await;

        assert_eq!(record["error_code"], "send.unresolved", "{record}");
        assert_eq!(posts(&plivo).len(), 1, "{record}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn one_that_plivo_took_is_found_in_its_list_and_adopted() {
    for (what, step) in [
        ("500", Step::status(500).queued()),
        ("503 where that is doubtful", Step::status(503).queued()),
        ("a reset", Step::reset().queued()),
        ("half an answer", Step::truncate()),
        (
            "no UUID",
            Step::status(202)
                .with_body(json!({"message": "message(s) queued", "message_uuid": []})),
        ),
        ("a page", Step::status(202).with_raw("<html>Accepted</html>")),
        ("silence", Step::hang(PATIENCE)),
    ] {
        let plivo = plivo().await;
        plivo.script([step]).await;
        let setup = settling(&plivo, &[1]).set("delivery.treat_503", "in_doubt");
        let sidecar = Sidecar::start(setup).await;

        let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

        assert_eq!(body["status"], "in_doubt", "{what}: {body}");
        let record = sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;
        assert_eq!(
            record["message_uuid"],
            plivo.sends()[0].message_uuid.as_str(),
            "{what}: {record}"
        );
        assert_eq!(outcomes(&record), ["in-doubt"], "{what}: {record}");
        assert_eq!(record["error_code"], Value::Null, "{what}: {record}");
        assert_eq!(posts(&plivo).len(), 1, "calls after {what}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn one_that_two_lists_do_not_show_is_sent_again_and_only_once() {
    for (what, step) in [("500", Step::status(500)), ("a reset", Step::reset())] {
        let plivo = plivo().await;
        plivo.script([step]).await;
        let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;

        let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

        let record = sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;
        assert_eq!(outcomes(&record), ["in-doubt", "accepted"], "{what}: {record}");
        let lists = plivo.requests().len() - posts(&plivo).len();
        // Each look asks twice: from the call on, and from a minute before, in case Plivo's clocks are apart.
        assert_eq!((lists, posts(&plivo).len()), (4, 2), "lists and calls after {what}");
        assert_eq!(texts(&plivo), ["hi"], "{what}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn what_plivo_lists_from_just_before_the_call_may_be_the_message_where_clocks_differ() {
    let plivo = plivo().await;
    // Somebody else's, of the same form, some seconds before ours: as ours would be listed if Plivo's clocks were apart.
    let other = Sidecar::start(settling(&plivo, &[1])).await;
    other.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    other.stop().await;
    plivo.script([Step::status(500)]).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
    let body = json!({"to": TO, "text": "hi", "not_before": soon.to_string()});

    let id = sidecar.queue(&body).await;

    let record = sidecar.in_status(&id, "held").await;
    assert_eq!(record["error_code"], "send.unclear", "{record}");
    assert_eq!(plivo.sends().len(), 1, "it was sent again");
    sidecar.stop().await;
}

#[tokio::test]
async fn of_two_to_one_number_with_one_or_both_in_the_list_neither_is_guessed_and_both_are_held() {
    for second in [Step::status(500), Step::status(500).queued()] {
        let plivo = plivo().await;
        plivo.script([Step::status(500).queued(), second]).await;
        let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
        let mut ids = Vec::new();
        for text in ["one", "two"] {
            ids.push(sidecar.queue(&json!({"to": TO, "text": text})).await);
        }

        for id in &ids {
            let record = sidecar.in_status(id, "held").await;
            assert_eq!(
                (&record["error_code"], &record["message_uuid"]),
                (&json!("send.unclear"), &Value::Null),
                "{record}"
            );
        }

        assert_eq!(posts(&plivo).len(), 2, "one was sent again");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn one_that_belongs_to_another_message_is_not_adopted() {
    let plivo = plivo().await;
    plivo.script([Step::default(), Step::status(500)]).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
    let first = sidecar.send(&json!({"to": TO, "text": "one"})).await.expect(202);
    assert_eq!(first["status"], "submitted", "{first}");

    let second = sidecar.send(&json!({"to": TO, "text": "two"})).await.expect(202);

    assert_eq!(second["status"], "in_doubt", "{second}");
    let record = sidecar.in_status(second["id"].as_str().unwrap(), "submitted").await;
    assert_ne!(record["message_uuid"], first["message_uuid"], "{record}");
    assert_eq!(outcomes(&record), ["in-doubt", "accepted"], "{record}");
    assert_eq!(texts(&plivo), ["one", "two"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn one_of_another_length_may_be_it_and_one_to_another_number_is_not() {
    // Whose they are is not known here: somebody else uses the same account. Plivo may count parts otherwise than we
    // do.
    for (to, text, status, calls) in [
        ("14155550123", "a".repeat(200), "held", vec!["in-doubt"]),
        ("14155550199", "hi".to_owned(), "submitted", vec!["in-doubt", "accepted"]),
    ] {
        let plivo = plivo().await;
        let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
        let url = format!("{}/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/", plivo.base_url());
        let other = json!({"src": "14155551212", "dst": to, "text": text});
        let sent = crate::harness::client()
            .post(url)
            .basic_auth("MAXXXXXXXXXXXXXXXXXX", Some("TOKEN"))
            .json(&other)
            .send();
        assert_eq!(sent.await.unwrap().status(), 202);
        plivo.script([Step::status(500)]).await;

        let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

        let record = sidecar.in_status(body["id"].as_str().unwrap(), status).await;
        assert_eq!(outcomes(&record), calls, "{to}: {record}");
        assert_eq!(plivo.sends().len(), calls.len(), "{to}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_list_that_lags_behind_is_asked_until_the_last_settle_time() {
    let plivo = plivo().await;
    plivo.set_list_delay(std::time::Duration::from_millis(1_500));
    plivo.script([Step::status(500).queued()]).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1, 4])).await;

    let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    let record = sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;
    assert_eq!(outcomes(&record), ["in-doubt"], "{record}");
    assert_eq!(posts(&plivo).len(), 1, "sent again while the list lagged");
    sidecar.stop().await;
}
