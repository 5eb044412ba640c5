//! Why telemetry could not start or end.

use std::io;

use opentelemetry_otlp::ExporterBuildError;
use thiserror::Error;
use tracing_subscriber::filter::ParseError;

/// Why telemetry could not start, or did not get everything out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The log filter is not a list of levels and `target=level`.
    #[error("log filter `{filter}` is not of the form `info,some::target=debug`")]
    Filter {
        /// As it was given.
        filter: String,
        /// What does not fit.
        #[source]
        source: ParseError,
    },
    /// The collector's address or settings do not fit.
    #[error(
        "cannot export traces to `{endpoint}`; give a base address such as http://127.0.0.1:4318"
    )]
    Exporter {
        /// The address in use.
        endpoint: String,
        /// What does not fit.
        #[source]
        source: ExporterBuildError,
    },
    /// No client for the collector could be made.
    #[error("cannot make an HTTP client for the trace collector")]
    Client(#[source] reqwest::Error),
    /// A thread could not be started.
    #[error("cannot start a thread for telemetry")]
    Thread(#[source] io::Error),
    /// Something else already receives this process's spans and logs.
    #[error("telemetry was started twice in this process")]
    AlreadyStarted,
    /// Not everything reached the collector: the time was up, or it refused.
    #[error(
        "not all traces were exported: {waiting} spans had not left, {dropped} were lost meanwhile"
    )]
    Incomplete {
        /// Spans that were still waiting when the time was up.
        waiting: usize,
        /// Spans that were lost meanwhile.
        dropped: u64,
    },
}
