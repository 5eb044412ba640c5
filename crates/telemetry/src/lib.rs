//! Tracing to OTLP, propagation, logs, redaction
