//! A collector that is dead or does not answer costs spans, and nothing else.

use std::net::TcpListener;

use serde_json::{Value, json};
use telemetry::collector::Collector;

use crate::harness::{Log, Setup, Sidecar, TO, plivo};

/// More sends than the queue of spans holds.
const SENDS: usize = 40;

/// Sends while nobody takes the spans, and ends.
async fn sends_all_the_same(endpoint: String, protocol: &str) -> Log {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo)
        .set("telemetry.otlp", endpoint)
        .set("telemetry.protocol", protocol)
        .environment("OTEL_BSP_SCHEDULE_DELAY", "20")
        .environment("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .environment("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8");
    let sidecar = Sidecar::start(setup).await;
    for nth in 0..SENDS {
        let answer = sidecar.send(&json!({"to": TO, "text": format!("hi {nth}")})).await;
        assert!(answer.header("sendgate-trace-id").is_some(), "{answer}");
        answer.expect(202);
    }
    assert_eq!(plivo.sends().len(), SENDS);
    let log = sidecar.stop().await;
    let bare: Vec<String> = log
        .lines()
        .into_iter()
        .filter(|line| serde_json::from_str::<Value>(line).is_err())
        .collect();
    assert!(bare.is_empty(), "lines that are no JSON in a log that is: {bare:#?}");
    log
}

#[tokio::test]
async fn a_collector_that_is_not_there_slows_nothing() {
    for protocol in ["http", "grpc"] {
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = nobody.local_addr().expect("it is bound");
        drop(nobody);
        let log = sends_all_the_same(format!("http://{address}"), protocol).await;
        let told = log.text().matches("spans are lost").count();
        assert_eq!(told, 1, "one line, not one for each span, over {protocol}:\n{}", log.text());
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_slows_nothing_and_not_the_end_either() {
    for protocol in ["http", "grpc"] {
        let silent = Collector::start_silent();
        let log = sends_all_the_same(silent.endpoint(), protocol).await;
        assert!(log.text().contains("not all traces were exported"), "{protocol}: {}", log.text());
        assert_eq!(silent.spans(), []);
    }
}

#[tokio::test]
async fn the_standard_variable_for_the_collector_wins_over_the_file() {
    let plivo = plivo().await;
    let collector = Collector::start_http();
    let setup = Setup::standard(&plivo).environment("OTEL_BSP_SCHEDULE_DELAY", "20");
    // The variable wins over the file, which names nobody.
    let setup = setup
        .set("telemetry.otlp", "http://127.0.0.1:9")
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint());
    let sidecar = Sidecar::start(setup).await;

    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    collector.wait_for(|spans| spans.iter().any(|span| span.kind == "server")).await;
    sidecar.stop().await;
}
