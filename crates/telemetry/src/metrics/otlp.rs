//! The way of metrics to the collector: read and sent at intervals, by a thread of their own.

use std::time::Duration;

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::metrics::PeriodicReader;
use tokio::runtime::Runtime;

use crate::TelemetryError;
use crate::environment::Destination;
use crate::exporter::exporter;

/// What sends, and what its connection lives on; over HTTP that is nothing.
pub(crate) struct Sending {
    pub(crate) reader: PeriodicReader<MetricExporter>,
    pub(crate) runtime: Option<Runtime>,
}

impl Sending {
    /// Prepares the way to `destination`. Does not connect: a collector that is away, or takes no metrics, costs nothing
    /// but that.
    pub(crate) fn start(
        destination: &Destination,
        interval: Duration,
    ) -> Result<Self, TelemetryError> {
        let (exporter, runtime) = exporter!(MetricExporter, destination);
        let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
        Ok(Self { reader, runtime })
    }
}
