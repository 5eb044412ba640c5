//! The way of metrics to the collector: read and sent at intervals, by a thread of their own.

use std::time::Duration;

use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    MetricExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::metrics::PeriodicReader;
use tokio::runtime::Runtime;

use crate::TelemetryError;
use crate::environment::Destination;
use crate::export::{http_client, one_thread, unusable};
use crate::options::Protocol;

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
        let runtime = match destination.protocol {
            Protocol::Http => None,
            Protocol::Grpc => Some(one_thread()?),
        };
        let exporter = match &runtime {
            None => http(destination)?,
            Some(runtime) => grpc(destination, runtime)?,
        };
        let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
        Ok(Self { reader, runtime })
    }
}

fn http(destination: &Destination) -> Result<MetricExporter, TelemetryError> {
    MetricExporter::builder()
        .with_http()
        .with_http_client(http_client(destination)?)
        .with_endpoint(&destination.endpoint)
        .with_timeout(destination.timeout)
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .build()
        .map_err(|source| unusable(destination, source))
}

fn grpc(destination: &Destination, runtime: &Runtime) -> Result<MetricExporter, TelemetryError> {
    let _inside = runtime.enter(); // the connection's task is spawned where it is built
    let mut builder = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(&destination.endpoint)
        .with_timeout(destination.timeout);
    if destination.is_tls() {
        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    builder.build().map_err(|source| unusable(destination, source))
}
