//! The span of a call to an app: its names and fields are an interface that dashboards depend on.

use store::{Event, Record};
use tracing::{Span, field, info_span};

use super::Target;

/// One call; a trace of its own, linked to the request that brought the message.
pub(super) fn relay(event: &Event, record: &Record, target: &Target) -> Span {
    let url = target.url();
    let span = info_span!(
        parent: None,
        "relay",
        "otel.kind" = "client",
        "otel.status_code" = field::Empty,
        "http.request.method" = field::Empty,
        "http.response.status_code" = field::Empty,
        "server.address" = url.host_str(),
        "server.port" = url.port_or_known_default(),
        "error.type" = field::Empty,
        "sendgate.app" = event.app,
        "sendgate.message.id" = %event.message,
        "sendgate.event.state" = event.state.as_str(),
        "sendgate.event.try" = event.tries + 1,
    );
    if let Some(traceparent) = &record.traceparent {
        telemetry::link(&span, traceparent);
    }
    span
}
