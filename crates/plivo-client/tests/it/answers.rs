//! Plivo's answers and what they mean.

use std::time::{Duration, SystemTime};

use plivo_client::{InDoubtKind, Outcome, Outgoing, RefusedKind};
use plivo_sim::Step;
use serde_json::json;

use crate::{PATIENCE, credentials_with, in_doubt, plivo, refused, send, sms};

/// The outcome of a send that meets `step`; nothing goes out but that one request.
async fn met(step: Step) -> Outcome {
    let (sim, client) = plivo().await;
    sim.script([step]).await;
    let outcome = send(&client).await;
    assert_eq!(sim.requests().len(), 1, "a hidden retry: {:?}", sim.requests());
    sim.stop().await;
    outcome
}

#[tokio::test]
async fn refusals_are_told_apart_by_their_status() {
    for (status, kind) in [
        (400, RefusedKind::Malformed),
        (401, RefusedKind::Credentials),
        (402, RefusedKind::Credit),
        (403, RefusedKind::Geo),
        (404, RefusedKind::NotFound),
        (405, RefusedKind::Malformed),
        (413, RefusedKind::Malformed),
        (415, RefusedKind::Malformed),
        (422, RefusedKind::Malformed),
        (418, RefusedKind::Other),
    ] {
        let outcome = met(Step::status(status)).await;
        assert!(!outcome.may_have_been_sent() && outcome.may_retry().is_none(), "{outcome:?}");
        assert_eq!(outcome.status(), Some(status));
        assert_eq!(refused(outcome).kind, kind, "{status}");
    }
}

#[tokio::test]
async fn plivos_words_are_kept_and_not_shown() {
    let outcome = met(Step::status(400).with_body("secret-detail")).await;
    let shown = format!("{outcome} {outcome:?}");
    assert!(!shown.contains("secret-detail"), "{shown}");
    assert_eq!(refused(outcome).detail(), Some("secret-detail"));
}

#[tokio::test]
async fn real_refusals_of_the_simulator_are_understood() {
    let (sim, client) = plivo().await;
    let outcome = client.send(&credentials_with("old"), Outgoing::new(&sms()), PATIENCE).await;
    assert_eq!(refused(outcome).kind, RefusedKind::Credentials);
    let long = message::Message { text: "a".repeat(1_601), ..sms() };
    let outcome = client.send(&crate::credentials(), Outgoing::new(&long), PATIENCE).await;
    let refused = refused(outcome);
    assert_eq!(refused.kind, RefusedKind::Malformed);
    // Digits of numbers are hidden, and so are those of other things.
    assert_eq!(refused.detail(), Some("text parameter length exceeds 160• characters"));
    assert_eq!(sim.sends(), []);
    sim.stop().await;
}

#[tokio::test]
async fn lack_of_credit_is_known_at_400_too() {
    let outcome = met(Step::status(400).with_body("InsufficientCredit")).await;
    assert_eq!(refused(outcome).kind, RefusedKind::Credit);
}

#[tokio::test]
async fn a_redirect_is_refused_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let outcome = met(Step::status(status).with_header("location", "/elsewhere")).await;
        assert_eq!(refused(outcome).kind, RefusedKind::Redirect, "{status}");
    }
}

#[tokio::test]
async fn being_turned_away_says_when_to_come_back() {
    let two = Some(Duration::from_secs(2));
    let outcome = met(Step::status(429).with_header("retry-after", "2")).await;
    assert_eq!(outcome.may_retry(), two);
    assert_eq!(refused(outcome).kind, RefusedKind::RateLimited { retry_after: two });
    let outcome = met(Step::status(503).with_header("retry-after", "2")).await;
    assert_eq!(outcome.may_retry(), two);
    assert_eq!(refused(outcome).kind, RefusedKind::Shed { retry_after: two });
    let outcome = met(Step::status(503)).await;
    assert_eq!(outcome.may_retry(), Some(Duration::ZERO));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
    let outcome = met(Step::status(429).with_header("retry-after", &date)).await;
    let wait = outcome.may_retry().unwrap();
    assert!(wait > Duration::from_secs(3_000) && wait <= Duration::from_secs(3_600), "{wait:?}");
}

#[tokio::test]
async fn failures_of_plivo_leave_it_open_whether_the_message_was_queued() {
    for status in [500, 502, 504, 600, 999] {
        for step in [
            Step::status(status),
            Step::status(status).queued(),
            Step::status(status).with_raw("<html>"),
        ] {
            let outcome = met(step).await;
            assert_eq!(in_doubt(&outcome), InDoubtKind::Status { status });
            assert_eq!(outcome.status(), Some(status));
        }
    }
}

#[tokio::test]
async fn a_2xx_without_a_readable_uuid_is_in_doubt() {
    let mut steps = vec![Step::truncate()];
    steps.push(Step::status(202).with_raw("<html>"));
    steps.push(Step::status(202).with_raw(""));
    steps.push(Step::status(202).with_raw(" ".repeat(300 * 1024)));
    steps.push(Step::status(202).with_body(json!({"api_id": "a", "message": "message(s) queued"})));
    steps.push(Step::status(202).with_body(json!({"api_id": "a", "message_uuid": []})));
    for step in steps {
        assert_eq!(in_doubt(&met(step).await), InDoubtKind::NoUuid { status: 202 });
    }
}

#[tokio::test]
async fn several_uuids_are_accepted_and_all_told() {
    let outcome = met(Step { multiple_ids: Some(2), ..Step::default() }).await;
    let Outcome::Accepted(receipt) = outcome else { panic!("{outcome:?}") };
    assert_eq!(receipt.extra_uuids.len(), 1);
    assert_ne!(receipt.extra_uuids[0], receipt.message_uuid);
}

#[tokio::test]
async fn our_recipient_among_the_invalid_numbers_is_a_refusal() {
    let body = json!({"api_id": "a", "message_uuid": [], "invalid_number": ["14155550123"]});
    let outcome = met(Step::status(202).with_body(body).not_queued()).await;
    assert_eq!(refused(outcome).kind, RefusedKind::InvalidRecipient);
}
