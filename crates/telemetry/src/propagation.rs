//! W3C Trace Context (Recommendation of 23 November 2021) between `tracing` spans and headers, without OpenTelemetry's
//! types at the edge.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The two headers of a request that carry a trace.
struct Headers<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

/// Makes `span` a child of the caller's trace, as the caller's headers name it.
///
/// Call it before `span` is entered or has children; later it has no effect. A header that is absent or not well formed
/// leaves `span` the root of a new trace, as the Recommendation's section 4.3 wants it.
pub fn accept_trace(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    if let Some(parent) = remote(Headers { traceparent, tracestate }) {
        // Refused where the span is disabled or already started; there is no parent to set then.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Links `span` to the one that `traceparent` names, for work that a trace caused but does not wait for, such as a
/// delivery report. A value that is not well formed is no link.
pub fn link(span: &Span, traceparent: &str) {
    if let Some(other) = remote(Headers { traceparent: Some(traceparent), tracestate: None }) {
        span.add_link(other);
    }
}

/// The trace that `span` belongs to, as 32 lower-case hexadecimal digits; none where tracing is off.
#[must_use]
pub fn trace_id(span: &Span) -> Option<String> {
    own(span).map(|own| own.trace_id().to_string())
}

/// The header value by which others can join `span`'s trace below it, or link to it; none where tracing is off.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    own(span).map(|own| {
        let flags = own.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id())
    })
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

fn remote(headers: Headers<'_>) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    let remote = context.span().span_context().clone();
    remote.is_valid().then_some(remote)
}

fn own(span: &Span) -> Option<SpanContext> {
    let own = span.context().span().span_context().clone();
    own.is_valid().then_some(own)
}

#[cfg(test)]
mod tests {
    use super::{Headers, remote};

    fn accepted(traceparent: &str) -> bool {
        remote(Headers { traceparent: Some(traceparent), tracestate: None }).is_some()
    }

    #[test]
    fn only_a_well_formed_header_names_a_parent() {
        assert!(accepted("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for broken in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!accepted(broken), "{broken:?} was taken for a parent");
        }
    }
}
