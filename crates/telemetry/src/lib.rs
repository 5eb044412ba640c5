//! Traces, metrics and records to an OpenTelemetry collector, trace propagation, logs, and the redaction of all.
//!
//! The rest of the program speaks plain `tracing`; this crate is the only one that names OpenTelemetry. [`init`]
//! installs everything once, at the start; [`Telemetry`] flushes and ends it. Spans leave by OTLP over HTTP or gRPC,
//! from a thread of their own: a collector that is dead, slow or missing costs dropped spans, which are counted, and
//! nothing else.
//!
//! The standard `OTEL_*` variables win over [`TelemetryOptions`]: `OTEL_SDK_DISABLED`,
//! `OTEL_{TRACES,METRICS,LOGS}_EXPORTER`, `OTEL_EXPORTER_OTLP_{ENDPOINT,PROTOCOL,HEADERS,TIMEOUT}` and their `_TRACES_`,
//! `_METRICS_` and `_LOGS_` forms, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
//! `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_BSP_*` and the span limits.
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".

#[cfg(feature = "test-collector")]
pub mod collector;
mod environment;
mod error;
mod export;
mod exporter;
mod log;
mod losses;
pub mod metrics;
mod options;
mod propagation;
mod reach;
mod records;
mod redaction;
mod secrets;
mod start;

pub use error::TelemetryError;
pub use options::{LogFormat, Protocol, TelemetryOptions};
pub use propagation::{accept_trace, link, trace_id, traceparent};
pub use reach::{Answered, Away, Reached, destinations, passed_over, reach};
pub use records::Records;
pub use redaction::masked;
pub use secrets::is_secret_name;
pub use start::{Telemetry, init, start};
