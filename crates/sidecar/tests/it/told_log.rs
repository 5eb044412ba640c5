//! What the log tells of messages: one line for each change of a state.

use plivo_sim::Step;
use serde_json::{Value, json};

use crate::harness::{Setup, Sidecar, TO, plivo};

/// The state that a line of the log tells of message `id`, and how loudly.
fn told(line: &Value, id: &str) -> Option<(String, String)> {
    let fields = &line["fields"];
    if fields["message.id"] != id {
        return None;
    }
    Some((line["level"].as_str()?.to_owned(), fields["status"].as_str()?.to_owned()))
}

#[tokio::test]
async fn every_change_of_a_messages_state_is_one_line() {
    let (debug, info) = ("DEBUG", "INFO");
    for (step, end, lines) in [
        (Step::default(), "submitted", vec![(debug, "sending")]),
        (Step::status(500).queued(), "submitted", vec![(debug, "sending"), (info, "in_doubt")]),
        (
            Step::status(503),
            "submitted",
            vec![(debug, "sending"), (debug, "retry_wait"), (debug, "sending")],
        ),
        (Step::status(400), "failed", vec![(debug, "sending")]),
    ] {
        let plivo = plivo().await;
        plivo.script([step.clone()]).await;
        let setup = Setup::new(&plivo)
            .set("telemetry.log", "debug")
            .set("delivery.settle_s", json!([1]))
            .set("delivery.breaker", json!({"failures": 1_000, "min_calls": 100_000}));
        let sidecar = Sidecar::start(setup).await;
        let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
        let record = sidecar.in_status(&id, end).await;

        let log = sidecar.stop().await;

        let events = log.events();
        let seen: Vec<_> = events.iter().filter_map(|line| told(line, &id)).collect();
        let wanted = [vec![(debug, "accepted")], lines, vec![(info, end)]].concat();
        let wanted: Vec<_> =
            wanted.into_iter().map(|(level, status)| (level.into(), status.into())).collect();
        assert_eq!(seen, wanted, "{step:?}: {}", log.text());
        let field = |status: &str, name: &str| {
            let line = events.iter().find(|line| told(line, &id).is_some_and(|it| it.1 == status));
            line.map(|line| line["fields"][name].clone())
        };
        assert_eq!(field(end, "message_uuid").unwrap(), record["message_uuid"], "{}", log.text());
        assert_eq!(field(end, "code").unwrap(), record["error_code"], "{}", log.text());
        if let Some(why) = field("in_doubt", "why") {
            assert_eq!(why, "status", "{}", log.text());
            assert_eq!(field("in_doubt", "http_status").unwrap(), 500, "{}", log.text());
        }
        if let Some(wait) = field("retry_wait", "wait_ms") {
            assert!(wait.is_u64(), "{}", log.text());
        }
    }
}
