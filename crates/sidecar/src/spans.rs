//! The server span: its name and fields are an interface that dashboards depend on. The names are those of
//! OpenTelemetry's HTTP server conventions.

use std::borrow::Cow;

use http::{Method, StatusCode};
use tracing::{Span, field, info_span};

/// One request through a door. `route` is the path's pattern, never the path itself, which may hold a number; a path
/// that leads nowhere has none.
pub(crate) fn server(method: &Method, route: Option<&'static str>) -> Span {
    let known = known(method);
    info_span!(
        "request",
        "otel.name" = &*name(known, route),
        "otel.kind" = "server",
        "otel.status_code" = field::Empty,
        "http.request.method" = known.unwrap_or("_OTHER"),
        "http.route" = route,
        "http.response.status_code" = field::Empty,
        "url.scheme" = "http",
        "error.type" = field::Empty,
        "sendgate.app" = field::Empty,
        // Of what it sent.
        "sendgate.account" = field::Empty,
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
        "otel.status_code" = field::Empty,
    )
}

/// How a reload ended: the generation in force now, and `applied` or `refused`.
pub(crate) fn reloaded(span: &Span, generation: u64, outcome: &'static str) {
    span.record("sendgate.generation", generation);
    span.record("sendgate.reload", outcome);
    if outcome == "refused" {
        span.record("error.type", outcome);
        span.record("otel.status_code", "ERROR");
    }
}

/// One attempt of a message that had to wait, so that its request was or may have been answered before; a root of its
/// own, linked to the request.
pub(crate) fn retry(attempt: u32) -> Span {
    info_span!(
        parent: None,
        "delivery.retry",
        "sendgate.attempt" = attempt,
        "sendgate.account" = field::Empty
    )
}

/// Policies are asked again about a message that waited; a root of its own as well, linked to the request.
pub(crate) fn second_look(id: &str) -> Span {
    info_span!(
        parent: None,
        "delivery.second_look",
        "sendgate.message.id" = id,
        "sendgate.verdict" = field::Empty,
        "sendgate.code" = field::Empty,
    )
}

/// The method, where HTTP knows it. A client may write anything there, and names of spans must stay few.
fn known(method: &Method) -> Option<&'static str> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    known.into_iter().find(|known| method == known)
}

/// `{method} {route}`, and less where one of them is not known.
fn name(method: Option<&'static str>, route: Option<&'static str>) -> Cow<'static, str> {
    match (method.unwrap_or("HTTP"), route) {
        (method, Some(route)) => format!("{method} {route}").into(),
        (method, None) => method.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, known, name};

    #[test]
    fn a_span_is_named_by_known_words_only() {
        let odd = Method::from_bytes(b"SEND+14155550123").expect("a token");
        for (method, route, wanted) in [
            (&Method::POST, Some("/v1/messages"), "POST /v1/messages"),
            (&Method::GET, None, "GET"),
            (&odd, Some("/v1/messages"), "HTTP /v1/messages"),
            (&odd, None, "HTTP"),
        ] {
            assert_eq!(name(known(method), route), wanted);
        }
    }
}
