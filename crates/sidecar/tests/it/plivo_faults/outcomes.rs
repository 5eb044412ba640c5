//! One call, and what it meant: refused for good, or nobody knows.

use std::time::Duration;

use plivo_sim::{PlivoSim, Step};
use serde_json::{Value, json};

use super::{hi, only_record};
use crate::harness::{Policy, Setup, Sidecar, plivo};

/// What one scripted answer led to.
struct Came {
    answer: crate::harness::Answer,
    record: Value,
    calls: usize,
    log: String,
}

async fn after(plivo: &PlivoSim, step: Step, setup: Setup) -> Came {
    plivo.script([step]).await;
    let sidecar = Sidecar::start(setup).await;
    let answer = sidecar.send(&hi()).await;
    let ended = |record: &Value| {
        ["failed", "in_doubt", "submitted"].contains(&record["status"].as_str().unwrap())
    };
    let record = only_record(&sidecar, ended).await;
    let calls = plivo.requests().len();
    let log = sidecar.stop().await.text();
    Came { answer, record, calls, log }
}

#[tokio::test]
async fn a_definite_refusal_is_told_by_a_stable_code_and_never_tried_again() {
    for (status, answered, code) in [
        (400, 422, "upstream.rejected"),
        (403, 403, "upstream.geo_denied"),
        (404, 422, "upstream.rejected"),
        (405, 422, "upstream.rejected"),
        (413, 422, "upstream.rejected"),
        (422, 422, "upstream.rejected"),
    ] {
        let plivo = plivo().await;
        let step = Step::status(status).with_body("secret-detail of the provider");

        let Came { answer, record, calls, .. } = after(&plivo, step, Setup::standard(&plivo)).await;

        let body = answer.refused(answered, code);
        assert_eq!(body["id"], record["id"], "{body}");
        assert!(!answer.text.contains("secret-detail"), "{answer}");
        assert_eq!(
            (&record["status"], &record["error_code"]),
            (&json!("failed"), &json!(code)),
            "{record}"
        );
        assert_eq!(record["attempts"][0]["http_status"], status, "{record}");
        assert!(!record.to_string().contains("secret-detail"), "{record}");
        assert_eq!((calls, plivo.sends().len()), (1, 0), "calls and sends after {status}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_never_followed() {
    for status in [301, 302, 307, 308] {
        let plivo = plivo().await;
        let step = Step::status(status)
            .with_header("Location", &format!("{}/elsewhere", plivo.base_url()));

        let Came { answer, record, calls, .. } = after(&plivo, step, Setup::standard(&plivo)).await;

        answer.refused(422, "upstream.rejected");
        assert_eq!(record["status"], "failed", "{record}");
        assert_eq!((calls, plivo.sends().len()), (1, 0), "calls and sends after {status}");
    }
}

#[tokio::test]
async fn where_nobody_knows_the_message_is_in_doubt_and_is_not_sent_again() {
    let steps = [
        ("500", Step::status(500)),
        ("500, but queued", Step::status(500).queued()),
        ("502", Step::status(502)),
        ("504", Step::status(504)),
        ("a reset", Step::reset()),
        ("a reset, but queued", Step::reset().queued()),
        ("a close", Step::close()),
        ("half an answer", Step::truncate()),
        ("a page", Step::status(202).with_raw("<html>Accepted</html>")),
        (
            "no UUID",
            Step::status(202)
                .with_body(json!({"message": "message(s) queued", "message_uuid": []})),
        ),
        (
            "the token as a UUID",
            Step::status(202).with_body(json!({"message_uuid": ["TOKEN"], "api_id": "TOKEN"})),
        ),
        (
            "the number as a UUID",
            Step::status(202).with_body(json!({"message_uuid": ["x-14155550123"]})),
        ),
        ("silence", Step::hang(Duration::from_secs(30))),
    ];
    for (what, step) in steps {
        let plivo = plivo().await;
        let setup = Setup::standard(&plivo)
            .set("plivo.call_timeout_ms", 500)
            .set("plivo.connect_timeout_ms", 500);

        let Came { answer, record, calls, .. } = after(&plivo, step, setup).await;

        let body = answer.expect(202);
        assert_eq!(
            (&body["status"], &body["message_uuid"]),
            (&json!("in_doubt"), &Value::Null),
            "{what}: {body}"
        );
        assert_eq!(record["status"], "in_doubt", "{what}: {record}");
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{what}: {record}");
        assert_eq!(calls, 1, "calls after {what}");
    }
}

#[tokio::test]
async fn two_uuids_for_one_recipient_are_an_alarm() {
    let plivo = plivo().await;
    let step = Step { multiple_ids: Some(2), ..Step::default() };

    let Came { answer, record, log, .. } = after(&plivo, step, Setup::standard(&plivo)).await;

    answer.expect(202);
    assert_eq!(record["status"], "submitted", "{record}");
    assert!(
        log.lines().any(|line| line.contains("\"ERROR\"") && line.contains("split")),
        "no alarm in\n{log}"
    );
}

#[tokio::test]
async fn what_was_refused_for_good_frees_its_content_and_its_quota_and_what_is_in_doubt_keeps_them()
{
    let one = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 3600}]});
    for (step, sent_again) in [(Step::status(400), true), (Step::status(500), false)] {
        let plivo = plivo().await;
        plivo.script([step]).await;
        let setup = Setup::standard(&plivo)
            .policy(Policy::new("dedup"))
            .policy(Policy::new("throttle").settings(one.clone()));
        let sidecar = Sidecar::start(setup).await;
        sidecar.send(&hi()).await;

        let again = sidecar.send(&hi()).await;
        let other = sidecar.send(&json!({"to": "+14155550199", "text": "hi"})).await;

        if sent_again {
            again.expect(202);
        } else {
            again.refused(409, "dup.content");
        }
        other.refused(429, "throttle.app");
        sidecar.stop().await;
    }
}
