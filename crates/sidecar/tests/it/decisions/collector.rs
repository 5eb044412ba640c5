//! The same records at the collector.

use std::fs;

use serde_json::{Value, json};
use telemetry::collector::Collector;

use super::{send_some, setup, shown};
use crate::harness::{Setup, Sidecar, TO, eventually, plivo};

#[tokio::test]
async fn the_collector_gets_the_same_lines() {
    for (protocol, collector) in
        [("http", Collector::start_http()), ("grpc", Collector::start_grpc())]
    {
        let plivo = plivo().await;
        let both = setup(&plivo, &["US"])
            .set("decisions.otlp", true)
            .set("telemetry.otlp", collector.endpoint())
            .set("telemetry.protocol", protocol)
            .environment("OTEL_BSP_SCHEDULE_DELAY", "50");
        let sidecar = Sidecar::start(both).await;
        send_some(&sidecar, 0, 4).await;
        let records = collector.wait_for_records(|records| records.len() == 5).await;
        let folder = sidecar.folder.clone();
        assert_eq!(shown(&sidecar).await["collector_dropped"], 0);
        sidecar.stop().await;

        let text = fs::read_to_string(folder.path().join("d.jsonl")).unwrap();
        let bodies: Vec<&str> = records.iter().map(|record| record.body.as_str()).collect();
        assert_eq!(bodies, text.lines().collect::<Vec<_>>());
        let events: Vec<&str> = records.iter().map(|record| record.event.as_str()).collect();
        assert_eq!(events[..2], ["sendgate.policies", "sendgate.decision"]);
        let refused = &records[2].attributes;
        assert_eq!(refused["sendgate.code"], "country.not_allowed", "{refused:?}");
        assert_eq!(refused["sendgate.app"], "demo", "{refused:?}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_loses_records_and_holds_nothing_up() {
    let plivo = plivo().await;
    let alone = Setup::standard(&plivo)
        .set("decisions.otlp", true)
        .set("telemetry.otlp", "http://127.0.0.1:1")
        .environment("OTEL_BSP_SCHEDULE_DELAY", "50");
    let sidecar = Sidecar::start(alone).await;
    sidecar.send(&json!({"to": TO, "text": "hello"})).await.expect(202);
    let probe = async || {
        Some(shown(&sidecar).await).filter(|shown| shown["collector_dropped"].as_u64() > Some(0))
    };
    let said = eventually("lost records are counted", probe).await;
    assert_eq!((&said["dropped"], &said["trouble"]), (&json!(0), &Value::Null), "{said}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_collector_that_was_away_is_told_the_policies_again_before_the_next_decision() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    collector.set_away(true);
    let both = setup(&plivo, &["US"])
        .set("decisions.otlp", true)
        .set("telemetry.otlp", collector.endpoint())
        .environment("OTEL_BSP_SCHEDULE_DELAY", "50");
    let sidecar = Sidecar::start(both).await;
    send_some(&sidecar, 0, 1).await;
    let lost = async || (shown(&sidecar).await["collector_dropped"] == 2).then_some(());
    eventually("the policies and a decision are lost", lost).await;

    collector.set_away(false);
    send_some(&sidecar, 1, 2).await;

    let records = collector.wait_for_records(|records| records.len() == 3).await;
    let events: Vec<&str> = records.iter().map(|record| record.event.as_str()).collect();
    assert_eq!(events, ["sendgate.policies", "sendgate.decision", "sendgate.decision"]);
    sidecar.stop().await;
}
