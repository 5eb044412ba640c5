//! The server span: its name and fields are an interface that dashboards depend on. The names are those of
//! OpenTelemetry's HTTP server conventions.

use http::{Method, StatusCode};
use tracing::{Span, field, info_span};

/// One request through a door. `route` is the path's pattern, never the path itself.
pub(crate) fn server(method: &Method, route: &'static str) -> Span {
    info_span!(
        "request",
        "otel.name" = format!("{method} {route}"),
        "otel.kind" = "server",
        "otel.status_code" = field::Empty,
        "http.request.method" = %method,
        "http.route" = route,
        "http.response.status_code" = field::Empty,
        "error.type" = field::Empty,
        "sendgate.app" = field::Empty,
        "sendgate.message.id" = field::Empty,
        "sendgate.code" = field::Empty,
        "sendgate.generation" = field::Empty,
    )
}

/// The span's last fields.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("error.type", status.as_str());
        span.record("otel.status_code", "ERROR");
    }
}

/// One attempt to bring a change into force.
pub(crate) fn reload() -> Span {
    info_span!(
        "reload",
        "sendgate.generation" = field::Empty,
        "sendgate.reload" = field::Empty,
        "error.type" = field::Empty,
    )
}

/// How a reload ended: the generation in force now, and `applied` or `refused`.
pub(crate) fn reloaded(span: &Span, generation: u64, outcome: &'static str) {
    span.record("sendgate.generation", generation);
    span.record("sendgate.reload", outcome);
    if outcome == "refused" {
        span.record("error.type", outcome);
    }
}

/// One later attempt of a message whose request was answered before; a root of its own, linked to the request.
pub(crate) fn retry(attempt: u32) -> Span {
    info_span!(parent: None, "delivery.retry", "sendgate.attempt" = attempt)
}
