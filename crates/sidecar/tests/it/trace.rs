//! What a collector receives: one trace for each send, with every decision in it and nothing personal.

mod collectors;
mod redaction;
mod refusals;
mod sends;

use telemetry::collector::{Collector, SpanSeen};

use crate::harness::{Answer, Setup};

/// The trace that an app's request belongs to, and the app's own span in it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const APPS_SPAN: &str = "b7ad6b7169203331";

/// What the app sends with its request (W3C Trace Context).
fn traceparent() -> String {
    format!("00-{TRACE}-{APPS_SPAN}-01")
}

/// A setup whose spans leave for `collector` at once.
fn exporting(setup: Setup, collector: &Collector) -> Setup {
    setup.set("telemetry.otlp", collector.endpoint()).environment("OTEL_BSP_SCHEDULE_DELAY", "20")
}

/// The trace that answered.
fn trace_of(answer: &Answer) -> &str {
    answer.header("sendgate-trace-id").unwrap_or_else(|| panic!("no trace id in {answer}"))
}

/// The spans of `trace`, in the order in which they began, as soon as its server span has come: a server span ends
/// after those below it, but for what was not waited for.
async fn trace(collector: &Collector, trace: &str) -> Vec<SpanSeen> {
    let of_it = |spans: &[SpanSeen]| -> Vec<SpanSeen> {
        let mut spans: Vec<_> =
            spans.iter().filter(|span| span.trace_id == trace).cloned().collect();
        spans.sort_by_key(|span| span.began);
        spans
    };
    let ended = |spans: &[SpanSeen]| of_it(spans).iter().any(|span| span.kind == "server");
    of_it(&collector.wait_for(ended).await)
}

fn names(spans: &[SpanSeen]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// The server span of a trace.
fn server(spans: &[SpanSeen]) -> &SpanSeen {
    let server = spans.iter().find(|span| span.kind == "server");
    server.unwrap_or_else(|| panic!("no server span among {:?}", names(spans)))
}
