//! The spans that this crate opens. Names and fields are an interface: dashboards depend on them.

use tracing::field::Empty;
use tracing::{Span, info_span};
use url::Url;

use crate::outcome::Outcome;
use crate::outgoing::Outgoing;

/// One attempt to send one message, after OpenTelemetry's conventions for HTTP clients.
///
/// It holds no credentials, number, text or callback URL, and no trace context goes to Plivo.
pub(crate) fn send(base: &Url, outgoing: &Outgoing<'_>) -> Span {
    info_span!(
        "plivo.send",
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = "POST",
        http.response.status_code = Empty,
        server.address = base.host_str().unwrap_or_default(),
        server.port = base.port_or_known_default().unwrap_or_default(),
        url.path = "/v1/Account/{auth_id}/Message/",
        error.r#type = Empty,
        sendgate.account = outgoing.account,
        sendgate.attempt = outgoing.attempt,
        sendgate.outcome = Empty,
    )
}

/// Writes what the attempt came to.
pub(crate) fn settle(span: &Span, status: Option<u16>, outcome: &Outcome) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    span.record("sendgate.outcome", outcome.as_str());
    if let Some(error_type) = outcome.error_type() {
        span.record("error.type", error_type);
        span.record("otel.status_code", "ERROR");
    }
}
