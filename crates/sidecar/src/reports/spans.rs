//! The spans of reports: names and fields are an interface that dashboards depend on.

use store::Record;
use tracing::{Span, field, info_span};

use super::form::Besides;

/// One call of the callback listener: a trace of its own, linked to the request whose message it is about.
pub(super) fn report() -> Span {
    info_span!(
        parent: None,
        "plivo.report",
        "otel.name" = "POST /callbacks/plivo/{message}/{attempt}/{token}",
        "otel.kind" = "server",
        "otel.status_code" = field::Empty,
        "http.route" = "/callbacks/plivo/{message}/{attempt}/{token}",
        "http.response.status_code" = field::Empty,
        "error.type" = field::Empty,
        "sendgate.app" = field::Empty,
        "sendgate.message.id" = field::Empty,
        "sendgate.report" = field::Empty,
        "plivo.status" = field::Empty,
        "plivo.error_code" = field::Empty,
        "plivo.sequence" = field::Empty,
        "plivo.sent_time" = field::Empty,
        "plivo.report_time" = field::Empty,
        "plivo.part" = field::Empty,
        "plivo.requester_ip" = field::Empty,
    )
}

/// One question to Plivo about a message that no report tells of; linked likewise.
pub(super) fn look(record: &Record) -> Span {
    let span = info_span!(
        parent: None,
        "plivo.look",
        "otel.kind" = "client",
        "otel.status_code" = field::Empty,
        "error.type" = field::Empty,
        "sendgate.app" = record.app,
        "sendgate.message.id" = %record.id,
        "sendgate.look" = record.looks + 1,
        "plivo.status" = field::Empty,
    );
    belongs_to(&span, record);
    span
}

/// Whose message it is.
pub(super) fn belongs_to(span: &Span, record: &Record) {
    span.record("sendgate.app", &record.app);
    span.record("sendgate.message.id", field::display(&record.id));
    if let Some(traceparent) = &record.traceparent {
        telemetry::link(span, traceparent);
    }
}

/// What the report says.
pub(super) fn says(span: &Span, report: &store::Report, besides: &Besides<'_>) {
    span.record("plivo.status", &report.facts.status);
    span.record("plivo.sequence", report.sequence);
    let words = [
        ("plivo.error_code", report.error_code.as_deref()),
        ("plivo.sent_time", besides.sent),
        ("plivo.report_time", besides.reported),
        ("plivo.part", besides.part),
        ("plivo.requester_ip", besides.requester_ip),
    ];
    for (name, word) in words {
        if let Some(word) = word {
            span.record(name, word);
        }
    }
}
