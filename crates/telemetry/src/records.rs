//! Records for the collector, as OTLP logs: what is written down of single events besides the log of the program.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, SdkLogger, SdkLoggerProvider,
};
use tokio::runtime::Runtime;

use crate::TelemetryError;
use crate::environment::{Destination, Queue};
use crate::exporter::exporter;
use crate::losses::{Entrance, Exit, Losses};

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

    /// Those of them that had found room: what is sent now goes behind them.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.losses.undelivered()
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
        let (exporter, runtime) = exporter!(LogExporter, destination);
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

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("losses", &self.losses).finish_non_exhaustive()
    }
}
