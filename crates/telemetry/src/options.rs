//! What the program asks of its telemetry.

use crate::metrics::SpanMetric;

/// How spans reach the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// OTLP as protobuf over HTTP; the collector's usual port is 4318.
    #[default]
    Http,
    /// OTLP over gRPC; the collector's usual port is 4317.
    Grpc,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line: `ts`, `level`, `target`, `message`, `fields`, and `trace_id` and `span_id` in a span.
    #[default]
    Json,
    /// One line for a person at a terminal.
    Text,
}

/// What the program asks of its telemetry; the standard `OTEL_*` variables win over it.
#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// The resource's `service.name`.
    pub service_name: String,
    /// The resource's `service.version`; left out where empty.
    pub service_version: String,
    /// Base address of the collector, such as `http://127.0.0.1:4318`; nothing is exported where it is absent.
    pub otlp: Option<String>,
    /// How to speak to the collector.
    pub protocol: Protocol,
    /// Whether the collector gets records, too; see [`Records`](crate::Records).
    pub records: bool,
    /// What is logged: `info`, or by target, such as `info,sidecar=debug,hyper=off`.
    pub log_filter: String,
    /// How a log line looks.
    pub log_format: LogFormat,
    /// What is counted of which spans.
    pub span_metrics: &'static [SpanMetric],
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self {
            service_name: "sendgate".into(),
            service_version: String::new(),
            otlp: None,
            protocol: Protocol::default(),
            records: false,
            log_filter: "info".into(),
            log_format: LogFormat::default(),
            span_metrics: &[],
        }
    }
}
