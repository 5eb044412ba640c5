//! A span, or a record, as it arrived, in plain strings.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;

/// A span as a collector saw it; identifiers are in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanSeen {
    /// The span's name.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: String,
    /// 32 digits.
    pub trace_id: String,
    /// 16 digits.
    pub span_id: String,
    /// The parent's 16 digits; none for the root of a trace.
    pub parent_id: Option<String>,
    /// What others in the trace say of it: its `tracestate`.
    pub state: String,
    /// When it began, since 1970.
    pub began: Duration,
    /// From its beginning to its end.
    pub lasted: Duration,
    /// Attributes, each value as text.
    pub attributes: BTreeMap<String, String>,
    /// Events: name, and attributes as text.
    pub events: Vec<(String, BTreeMap<String, String>)>,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    /// The status' message where the span failed, else none.
    pub error: Option<String>,
    /// The resource's `service.name`.
    pub service: String,
    /// All attributes of the resource, each value as text.
    pub resource: BTreeMap<String, String>,
}

impl SpanSeen {
    /// The attribute `name` as text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// A log record as a collector saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSeen {
    /// The event's name.
    pub event: String,
    /// What it says.
    pub body: String,
    /// Attributes, each value as text.
    pub attributes: BTreeMap<String, String>,
}

/// Every record of one request.
pub(super) fn records(request: ExportLogsServiceRequest) -> Vec<RecordSeen> {
    let scopes = request.resource_logs.into_iter().flat_map(|of_resource| of_resource.scope_logs);
    let records = scopes.flat_map(|of_scope| of_scope.log_records);
    let seen = records.map(|record| RecordSeen {
        event: record.event_name,
        body: text(record.body),
        attributes: texts(record.attributes),
    });
    seen.collect()
}

/// The names of the metrics of one request.
pub(super) fn metrics(request: ExportMetricsServiceRequest) -> Vec<String> {
    let scopes =
        request.resource_metrics.into_iter().flat_map(|of_resource| of_resource.scope_metrics);
    scopes.flat_map(|of_scope| of_scope.metrics).map(|metric| metric.name).collect()
}

/// Every span of one request.
pub(super) fn spans(request: ExportTraceServiceRequest) -> Vec<SpanSeen> {
    let mut seen = Vec::new();
    for of_resource in request.resource_spans {
        let resource =
            texts(of_resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        seen.extend(spans.map(|span| span_seen(span, &resource)));
    }
    seen
}

fn span_seen(span: Span, resource: &BTreeMap<String, String>) -> SpanSeen {
    const ERROR: i32 = 2;
    let parent = hexadecimal(&span.parent_span_id);
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_lowercase();
    let events = span.events.into_iter().map(|event| (event.name, texts(event.attributes)));
    let links =
        span.links.iter().map(|link| (hexadecimal(&link.trace_id), hexadecimal(&link.span_id)));
    SpanSeen {
        name: span.name,
        kind,
        trace_id: hexadecimal(&span.trace_id),
        span_id: hexadecimal(&span.span_id),
        began: Duration::from_nanos(span.start_time_unix_nano),
        lasted: Duration::from_nanos(
            span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
        ),
        state: span.trace_state,
        parent_id: Some(parent).filter(|parent| !parent.is_empty()),
        attributes: texts(span.attributes),
        events: events.collect(),
        links: links.collect(),
        error: span.status.filter(|status| status.code == ERROR).map(|status| status.message),
        service: resource.get("service.name").cloned().unwrap_or_default(),
        resource: resource.clone(),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(array)) => {
            array.values.into_iter().map(|value| text(Some(value))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
