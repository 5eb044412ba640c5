//! Records for the collector, as OTLP logs: what is written down of single events besides the log of the program.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    LogExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, SdkLogger, SdkLoggerProvider,
};
use tokio::runtime::Runtime;

use crate::TelemetryError;
use crate::environment::{Destination, Queue};
use crate::export::{http_client, one_thread, unusable};
use crate::losses::{Entrance, Exit, Losses};
use crate::options::Protocol;

/// Takes records for the collector. Never waits: what finds no room, or no collector, is dropped and counted.
#[derive(Clone)]
pub struct Records {
    logger: SdkLogger,
    losses: Arc<Losses>,
}

/// Records on their way, and what they need.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) provider: SdkLoggerProvider,
    pub(crate) records: Records,
    pub(crate) runtime: Option<Runtime>,
}

impl Records {
    /// Sends a record called `event`, with `body` as it is: who made it has redacted it.
    pub fn send(
        &self,
        event: &'static str,
        at: SystemTime,
        body: String,
        attributes: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        let mut record = self.logger.create_log_record();
        record.set_event_name(event);
        record.set_timestamp(at);
        record.set_severity_number(Severity::Info);
        record.set_body(AnyValue::String(body.into()));
        record.add_attributes(attributes);
        self.logger.emit(record);
    }

    /// Records lost so far, in this process.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.losses.dropped()
    }
}

impl Sending {
    /// Prepares the way to `destination`. Does not connect.
    pub(crate) fn start(
        destination: &Destination,
        queue: &Queue,
        resource: Resource,
    ) -> Result<Self, TelemetryError> {
        let losses = Losses::new("records", queue.size);
        let runtime = match destination.protocol {
            Protocol::Http => None,
            Protocol::Grpc => Some(one_thread()?),
        };
        let exporter = match &runtime {
            None => http(destination)?,
            Some(runtime) => grpc(destination, runtime)?,
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(queue.size)
            .with_max_export_batch_size(queue.batch)
            .with_scheduled_delay(queue.delay)
            .build();
        let exit = Exit::new(exporter, Arc::clone(&losses));
        let batches = BatchLogProcessor::builder(exit).with_batch_config(config).build();
        let provider = SdkLoggerProvider::builder()
            .with_resource(resource)
            .with_log_processor(Entrance::new(batches, Arc::clone(&losses)))
            .build();
        let records = Records { logger: provider.logger("sendgate"), losses };
        Ok(Self { provider, records, runtime })
    }

    pub(crate) fn losses(&self) -> &Arc<Losses> {
        &self.records.losses
    }
}

fn http(destination: &Destination) -> Result<LogExporter, TelemetryError> {
    LogExporter::builder()
        .with_http()
        .with_http_client(http_client(destination)?)
        .with_endpoint(&destination.endpoint)
        .with_timeout(destination.timeout)
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .build()
        .map_err(|source| unusable(destination, source))
}

fn grpc(destination: &Destination, runtime: &Runtime) -> Result<LogExporter, TelemetryError> {
    let _inside = runtime.enter(); // the connection's task is spawned where it is built
    let mut builder = LogExporter::builder()
        .with_tonic()
        .with_endpoint(&destination.endpoint)
        .with_timeout(destination.timeout);
    if destination.is_tls() {
        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    builder.build().map_err(|source| unusable(destination, source))
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("losses", &self.losses).finish_non_exhaustive()
    }
}
