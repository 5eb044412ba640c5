use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use telemetry::collector::{Collector, SpanSeen};
use telemetry::metrics::{Instrument, SpanMetric};
use telemetry::{Protocol, TelemetryError, TelemetryOptions};
use tracing::{dispatcher, info, info_span};

use crate::{Captured, LONG, exporting_to};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A send with one policy, as the caller's trace asked for it.
fn send() {
    let server = info_span!("POST /v1/messages", otel.kind = "server", app = "billing");
    telemetry::accept_trace(&server, Some(CALLER), Some("vendor=1"));
    assert_eq!(telemetry::trace_id(&server).as_deref(), Some(TRACE));
    let _inside = server.enter();
    info_span!("policy", policy.name = "country", to = "+14155550123", text = "hello").in_scope(
        || {
            info!("decided");
        },
    );
}

async fn a_send_arrives_below_its_caller(options: TelemetryOptions, collector: Collector) {
    const POLICIES: SpanMetric = SpanMetric {
        span: "policy",
        name: "sendgate.policy.decisions",
        about: "Verdicts.",
        instrument: Instrument::Count,
        labels: &[],
        unless: None,
    };
    let options =
        TelemetryOptions { service_version: "1.2.3".into(), span_metrics: &[POLICIES], ..options };
    let (dispatch, telemetry) =
        telemetry::start(&options, Captured::default()).expect("telemetry starts");

    dispatcher::with_default(&dispatch, send);
    tokio::task::spawn_blocking(move || telemetry.shutdown(LONG))
        .await
        .expect("no panic")
        .expect("all sent");

    let metrics = collector.metrics();
    for name in [POLICIES.name, "sendgate.telemetry.spans.dropped"] {
        assert!(metrics.contains(name), "{name} is not in {metrics:?}");
    }
    let spans = collector.wait_for(|spans| spans.len() >= 2).await;
    let named = |name: &str| -> &SpanSeen {
        spans
            .iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| panic!("no {name} in {spans:?}"))
    };
    let (server, policy) = (named("POST /v1/messages"), named("policy"));
    assert_eq!(
        (server.trace_id.as_str(), server.parent_id.as_deref()),
        (TRACE, Some("b7ad6b7169203331"))
    );
    assert_eq!(
        (policy.trace_id.as_str(), policy.parent_id.as_ref()),
        (TRACE, Some(&server.span_id))
    );
    assert_eq!((server.kind.as_str(), server.attribute("app")), ("server", Some("billing")));
    assert_eq!(
        (server.service.as_str(), server.resource["service.version"].as_str()),
        ("sendgate", "1.2.3")
    );
    // What tells replicas apart.
    assert_eq!(server.resource["service.instance.id"].len(), 36, "{:?}", server.resource);
    assert_eq!(policy.attribute("to"), Some("+1415•••0123"), "{policy:?}");
    assert_eq!(policy.attribute("text"), None, "{policy:?}");
    assert_eq!(policy.events.first().map(|(name, _)| name.as_str()), Some("decided"), "{policy:?}");
    assert_eq!(spans.len(), 2, "{spans:?}");
}

#[tokio::test]
async fn over_http_a_send_arrives_below_its_caller() {
    let collector = Collector::start_http();
    a_send_arrives_below_its_caller(exporting_to(collector.endpoint()), collector).await;
}

#[tokio::test]
async fn over_grpc_a_send_arrives_below_its_caller() {
    let collector = Collector::start_grpc();
    let options =
        TelemetryOptions { protocol: Protocol::Grpc, ..exporting_to(collector.endpoint()) };
    a_send_arrives_below_its_caller(options, collector).await;
}

#[tokio::test]
async fn a_delivery_report_is_a_trace_of_its_own_that_links_to_the_send() {
    let collector = Collector::start_http();
    let options = exporting_to(collector.endpoint());
    let (dispatch, telemetry) =
        telemetry::start(&options, Captured::default()).expect("telemetry starts");

    dispatcher::with_default(&dispatch, || {
        let send = info_span!("send");
        let traceparent = telemetry::traceparent(&send).expect("tracing is on");
        let report = info_span!(parent: None, "report");
        telemetry::link(&report, &traceparent);
        telemetry::link(&report, "not a traceparent");
    });
    tokio::task::spawn_blocking(move || telemetry.shutdown(LONG))
        .await
        .expect("no panic")
        .expect("all sent");

    let spans = collector.wait_for(|spans| spans.len() >= 2).await;
    let of = |name: &str| spans.iter().find(|span| span.name == name).expect("both spans");
    let (send, report) = (of("send"), of("report"));
    assert_ne!(send.trace_id, report.trace_id);
    assert_eq!(report.links, [(send.trace_id.clone(), send.span_id.clone())]);
}

#[tokio::test]
async fn a_caller_that_does_not_sample_is_not_exported_and_still_followed() {
    let collector = Collector::start_http();
    let options = exporting_to(collector.endpoint());
    let (dispatch, telemetry) =
        telemetry::start(&options, Captured::default()).expect("telemetry starts");

    dispatcher::with_default(&dispatch, || {
        let unsampled = info_span!("unsampled");
        telemetry::accept_trace(&unsampled, Some(&CALLER.replace("-01", "-00")), None);
        assert_eq!(telemetry::trace_id(&unsampled).as_deref(), Some(TRACE));
        drop(info_span!("sampled"));
    });
    tokio::task::spawn_blocking(move || telemetry.shutdown(LONG))
        .await
        .expect("no panic")
        .expect("all sent");

    let spans = collector.wait_for(|spans| !spans.is_empty()).await;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["sampled"]);
}

#[test]
fn a_dead_collector_costs_counted_spans_and_one_line() {
    let nobody =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let log = Captured::default();
    let options = exporting_to(format!("http://{nobody}"));
    let (dispatch, telemetry) =
        telemetry::start(&options, log.clone()).expect("starts without its collector");

    let more_than_a_batch = 600;
    dispatcher::with_default(&dispatch, || {
        (0..more_than_a_batch).for_each(|_| drop(info_span!("send")))
    });
    let flushed = telemetry.flush(LONG);
    dispatcher::with_default(&dispatch, || drop(info_span!("send")));
    let again = telemetry.flush(LONG);

    assert!(matches!(flushed, Err(TelemetryError::Incomplete { .. })), "{flushed:?}");
    assert!(matches!(again, Err(TelemetryError::Incomplete { .. })), "{again:?}");
    let ended = telemetry.shutdown(LONG);
    assert!(ended.is_ok(), "nothing was waiting any more: {ended:?}");
    let told =
        log.lines().into_iter().filter(|line| line["target"] == "telemetry").collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{}", log.text());
    assert!(told[0]["fields"]["dropped"].as_u64() > Some(0), "{}", log.text());
}

#[test]
fn every_lost_span_is_counted() {
    let nobody =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let options = exporting_to(format!("http://{nobody}"));
    let (dispatch, telemetry) = telemetry::start(&options, Captured::default()).expect("starts");

    dispatcher::with_default(&dispatch, || (0..10).for_each(|_| drop(info_span!("send"))));
    let flushed = telemetry.flush(LONG);

    assert!(
        matches!(flushed, Err(TelemetryError::Incomplete { waiting: 0, dropped: 10 })),
        "{flushed:?}"
    );
    assert_eq!(telemetry.dropped_spans(), 10);
}

#[test]
fn a_collector_that_hangs_cannot_hold_the_end_up() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let collector = Collector::start_silent();
        let options = TelemetryOptions { protocol, ..exporting_to(collector.endpoint()) };
        let (dispatch, telemetry) =
            telemetry::start(&options, Captured::default()).expect("starts");

        dispatcher::with_default(&dispatch, || drop(info_span!("send")));
        let ended = telemetry.shutdown(Duration::from_millis(100));

        // Had it waited for the exporter's own ten seconds, the span would be lost and no longer waiting.
        assert!(
            matches!(ended, Err(TelemetryError::Incomplete { waiting: 1, dropped: 0 })),
            "{protocol:?}: {ended:?}"
        );
    }
}

#[test]
fn metrics_that_nobody_takes_hold_the_end_up_no_longer_than_it_may_take() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let collector = Collector::start_silent();
        let options = TelemetryOptions { protocol, ..exporting_to(collector.endpoint()) };
        let (_, telemetry) = telemetry::start(&options, Captured::default()).expect("starts");
        let (ended, end) = mpsc::channel();

        thread::spawn(move || {
            drop(telemetry.shutdown(Duration::from_millis(100)));
            ended.send(())
        });

        // The SDK's reader waits for five seconds.
        end.recv_timeout(Duration::from_secs(4))
            .unwrap_or_else(|_| panic!("{protocol:?}: it waits"));
    }
}

#[test]
fn a_collector_that_is_known_to_hang_is_not_waited_for_at_the_end_and_the_log_says_so() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let collector = Collector::start_silent();
        let log = Captured::default();
        let options = TelemetryOptions { protocol, ..exporting_to(collector.endpoint()) };
        let (dispatch, telemetry) = telemetry::start(&options, log.clone()).expect("starts");

        dispatcher::with_default(&dispatch, || drop(info_span!("send")));
        let flushed = telemetry.flush(Duration::from_millis(3_500));
        assert!(flushed.is_err(), "{protocol:?}: {flushed:?}");
        let ended = telemetry.shutdown(LONG);

        // Had it waited for the exporter's own ten seconds, the span would be lost and no longer waiting.
        assert!(
            matches!(ended, Err(TelemetryError::Incomplete { waiting: 1, dropped: 0 })),
            "{protocol:?}: {ended:?}"
        );
        let told =
            log.lines().into_iter().filter_map(|line| line["message"].as_str().map(str::to_owned));
        let told: Vec<String> = told.collect();
        let wanted = "not all traces were exported: 1 spans had not left, 0 were lost meanwhile";
        assert!(told.iter().any(|line| line == wanted), "{protocol:?}: {told:?}");
    }
}

#[test]
fn without_a_collector_there_are_trace_ids_all_the_same() {
    let (dispatch, telemetry) =
        telemetry::start(&TelemetryOptions::default(), Captured::default()).expect("starts");
    dispatcher::with_default(&dispatch, || {
        let span = info_span!("send");
        assert_eq!(telemetry::trace_id(&span).map(|id| id.len()), Some(32));
    });
    assert_eq!(telemetry.dropped_spans(), 0);
    telemetry.shutdown(LONG).expect("nothing to export");
}

#[test]
fn an_address_that_is_none_is_refused_at_the_start() {
    let refused = telemetry::start(&exporting_to("not an address".into()), Captured::default());
    let refused = refused.expect_err("no collector can be there");
    assert!(matches!(refused, TelemetryError::Exporter { .. }), "{refused:?}");
}

#[test]
fn an_encrypted_collector_that_is_away_is_no_different() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let nobody =
            TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
        let options = TelemetryOptions { protocol, ..exporting_to(format!("https://{nobody}")) };
        let (dispatch, telemetry) =
            telemetry::start(&options, Captured::default()).expect("starts");

        dispatcher::with_default(&dispatch, || drop(info_span!("send")));
        let flushed = telemetry.flush(LONG);

        assert!(
            matches!(flushed, Err(TelemetryError::Incomplete { waiting: 0, dropped: 1 })),
            "{protocol:?}: {flushed:?}"
        );
    }
}
