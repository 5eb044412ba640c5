//! Metrics: what spans tell of, counted, and what is looked at when somebody asks.
//!
//! Nothing records a metric by hand. A [`SpanMetric`] says which fields of which span become labels and values, so that
//! metrics and traces cannot tell different things; [`Metrics::gauge`] and [`Metrics::total`] are asked for their value
//! each time. Each metric has at most [`MOST_SERIES`] series, or [`MOST_LOOKED_AT`]; what comes after goes into one of its
//! own (`otel_metric_overflow="true"`), as OpenTelemetry's SDK has it.

mod exposition;
mod otlp;
mod spans;

use std::fmt;
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument as SdkInstrument, InstrumentKind, ManualReader, PeriodicReader, Pipeline,
    SdkMeterProvider, Stream, Temporality,
};

pub use self::exposition::Exposition;
pub use self::spans::{Instrument, SpanMetric};

pub(crate) use self::otlp::Sending;
pub(crate) use self::spans::SpanMeter;

/// Most series of one metric: the SDK's own bound.
pub const MOST_SERIES: usize = 2_000;
/// Most series of a metric that is looked at. The SDK takes memory for all of them at once, and these are by account,
/// policy or place, not by what messages bring.
pub const MOST_LOOKED_AT: usize = 500;

/// A label and its value.
pub type Label<'a> = (&'static str, &'a str);

/// The process's metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    provider: SdkMeterProvider,
    reader: Asked,
}

/// What is looked at when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Dotted, as OpenTelemetry names metrics.
    pub name: &'static str,
    /// UCUM: `s`, `By`, or in braces what is counted.
    pub unit: &'static str,
    /// A sentence.
    pub about: &'static str,
}

/// A reader that the provider has and that is asked here.
#[derive(Clone, Debug)]
struct Asked(Arc<ManualReader>);

impl Metrics {
    /// Metrics that are asked for here, and sent by `sending` where they are.
    pub(crate) fn new(resource: Resource, sending: Option<PeriodicReader<MetricExporter>>) -> Self {
        let reader = Asked(Arc::new(ManualReader::builder().build()));
        let provider = SdkMeterProvider::builder().with_resource(resource);
        let mut provider = provider.with_reader(reader.clone()).with_view(looked_at);
        if let Some(sending) = sending {
            provider = provider.with_reader(sending);
        }
        Self { provider: provider.build(), reader }
    }

    /// Sends the last values, within `timeout`. What does not get out is told by no one: the next reading would have
    /// been as good.
    pub(crate) fn end(&self, timeout: Duration) {
        let provider = self.provider.clone();
        let (done, ended) = mpsc::sync_channel(1);
        // The reader that sends takes no timeout: it waits five seconds for its exporter, whatever it is told.
        let ending = thread::Builder::new().name("telemetry".into()).spawn(move || {
            let _ = provider.shutdown_with_timeout(timeout);
            // What is looked at goes with whoever has it last, and that is not to be a thread that nobody waits for.
            drop(provider);
            done.try_send(())
        });
        if ending.is_ok() {
            let _ = ended.recv_timeout(timeout);
        }
    }

    /// Has `look` tell the values of a gauge, each with its labels, whenever somebody asks.
    pub fn gauge(
        &self,
        what: Observed,
        look: impl Fn(&mut dyn FnMut(f64, &[Label<'_>])) + Send + Sync + 'static,
    ) {
        let meter = self.meter();
        let gauge = meter.f64_observable_gauge(what.name);
        let observing = gauge.with_unit(what.unit).with_description(what.about);
        let observing = observing.with_callback(move |observer| {
            look(&mut |value, labels| observer.observe(value, &key_values(labels)));
        });
        observing.build();
    }

    /// The same of a sum that only grows.
    pub fn total(
        &self,
        what: Observed,
        look: impl Fn(&mut dyn FnMut(u64, &[Label<'_>])) + Send + Sync + 'static,
    ) {
        let meter = self.meter();
        let sum = meter.u64_observable_counter(what.name);
        let observing = sum.with_unit(what.unit).with_description(what.about);
        let observing = observing.with_callback(move |observer| {
            look(&mut |value, labels| observer.observe(value, &key_values(labels)));
        });
        observing.build();
    }

    /// Everything as it is now, in a form that Prometheus reads.
    pub fn text(&self, form: Exposition) -> String {
        let mut collected = ResourceMetrics::default();
        // Nothing to collect is no fault, and there is no other.
        let _ = self.reader.collect(&mut collected);
        form.write(&collected)
    }

    pub(crate) fn meter(&self) -> Meter {
        self.provider.meter("sendgate")
    }
}

impl Default for Metrics {
    /// Metrics of nobody's, for a program without telemetry.
    fn default() -> Self {
        Self::new(Resource::builder_empty().build(), None)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// The bounds of what is looked at; others have the SDK's own.
fn looked_at(instrument: &SdkInstrument) -> Option<Stream> {
    use InstrumentKind::{ObservableCounter, ObservableGauge};
    matches!(instrument.kind(), ObservableCounter | ObservableGauge)
        .then(|| Stream::builder().with_cardinality_limit(MOST_LOOKED_AT).build().ok())?
}

fn key_values(labels: &[Label<'_>]) -> Vec<KeyValue> {
    labels.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())).collect()
}

impl MetricReader for Asked {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, into: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(into)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
