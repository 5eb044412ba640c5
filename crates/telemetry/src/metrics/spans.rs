//! From spans to metrics: a layer that counts what ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, StringValue};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Metrics;
use crate::redaction::masked;

/// One metric that is made of the spans of one name.
#[derive(Clone, Copy, Debug)]
pub struct SpanMetric {
    /// The span's name in the code, such as `policy.check`.
    pub span: &'static str,
    /// Dotted, as OpenTelemetry names metrics.
    pub name: &'static str,
    /// A sentence.
    pub about: &'static str,
    /// What is measured.
    pub instrument: Instrument,
    /// Fields of the span that become labels, and how these are called; a field that the span has not got is left out.
    pub labels: &'static [(&'static str, &'static str)],
    /// A field with which a span does not count.
    pub unless: Option<&'static str>,
}

/// What is measured of a span.
#[derive(Clone, Copy, Debug)]
pub enum Instrument {
    /// That it ended.
    Count,
    /// The same by its one label, whose values are known: the series of each begins with 0, so that the first that ends
    /// so is seen as one more.
    Outcomes(&'static [&'static str]),
    /// How long it lasted, in seconds; with the upper bounds of the buckets.
    Duration(&'static [f64]),
    /// A field of it that is a number, times `scale`, in `unit`.
    Value {
        /// The field.
        field: &'static str,
        /// What the field's number is multiplied by.
        scale: f64,
        /// UCUM.
        unit: &'static str,
        /// Upper bounds of the buckets.
        bounds: &'static [f64],
    },
}

/// The layer.
pub(crate) struct SpanMeter {
    by_span: HashMap<&'static str, Arc<Counted>>,
}

/// Spans of one name, and what is made of them.
#[derive(Default)]
struct Counted {
    /// The fields that anybody looks at.
    fields: Vec<&'static str>,
    measures: Vec<Measure>,
}

struct Measure {
    of: SpanMetric,
    with: With,
}

enum With {
    Count(Counter<u64>),
    Histogram(Histogram<f64>),
}

/// What is known of a span that is open.
struct Open {
    of: Arc<Counted>,
    began: Instant,
    /// In the order of those that are looked at.
    fields: Vec<Option<Known>>,
}

enum Known {
    /// Masked: labels leave the machine like everything else.
    Text(Arc<str>),
    Number(f64),
}

impl SpanMeter {
    pub(crate) fn new(metrics: &Metrics, of: &[SpanMetric]) -> Self {
        let meter = metrics.meter();
        let mut by_span: HashMap<_, Counted> = HashMap::new();
        for of in of {
            let counted = by_span.entry(of.span).or_default();
            for field in of.fields() {
                if !counted.fields.contains(&field) {
                    counted.fields.push(field);
                }
            }
            counted.measures.push(Measure { of: *of, with: With::new(&meter, of) });
        }
        Self { by_span: by_span.into_iter().map(|(name, of)| (name, Arc::new(of))).collect() }
    }
}

impl SpanMetric {
    /// The fields of the span that it looks at.
    fn fields(&self) -> impl Iterator<Item = &'static str> {
        let value = match self.instrument {
            Instrument::Value { field, .. } => Some(field),
            Instrument::Count | Instrument::Outcomes(_) | Instrument::Duration(_) => None,
        };
        self.labels.iter().map(|(field, _)| *field).chain(self.unless).chain(value)
    }
}

impl SpanMeter {
    /// The layer, which sees no other spans than those that are counted, be they traced or not.
    pub(crate) fn filtered<S>(self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let names: HashSet<&'static str> = self.by_span.keys().copied().collect();
        let counted =
            filter_fn(move |metadata| metadata.is_span() && names.contains(metadata.name()));
        self.with_filter(counted)
    }
}

impl With {
    fn new(meter: &Meter, of: &SpanMetric) -> Self {
        let histogram = |unit, bounds: &[f64]| {
            let histogram = meter.f64_histogram(of.name).with_unit(unit);
            Self::Histogram(
                histogram.with_description(of.about).with_boundaries(bounds.to_vec()).build(),
            )
        };
        let counter = || meter.u64_counter(of.name).with_description(of.about).build();
        match of.instrument {
            Instrument::Count => Self::Count(counter()),
            Instrument::Outcomes(values) => {
                let counter = counter();
                for (_, label) in of.labels {
                    values
                        .iter()
                        .for_each(|value| counter.add(0, &[KeyValue::new(*label, *value)]));
                }
                Self::Count(counter)
            }
            Instrument::Duration(bounds) => histogram("s", bounds),
            Instrument::Value { unit, bounds, .. } => histogram(unit, bounds),
        }
    }
}

impl Measure {
    fn take(&self, open: &Open) {
        if self.of.unless.is_some_and(|field| open.field(field).is_some()) {
            return;
        }
        let label = |(field, label): &(&'static str, &'static str)| {
            let value = match open.field(field)? {
                Known::Text(text) => StringValue::from(Arc::clone(text)),
                Known::Number(number) => StringValue::from(number.to_string()),
            };
            Some(KeyValue::new(*label, value))
        };
        let labels: Vec<KeyValue> = self.of.labels.iter().filter_map(label).collect();
        match (&self.with, self.of.instrument) {
            (With::Count(counter), _) => counter.add(1, &labels),
            (With::Histogram(histogram), Instrument::Value { field, scale, .. }) => {
                if let Some(Known::Number(number)) = open.field(field) {
                    histogram.record(number * scale, &labels);
                }
            }
            (With::Histogram(histogram), _) => {
                histogram.record(open.began.elapsed().as_secs_f64(), &labels);
            }
        }
    }
}

impl Open {
    fn field(&self, name: &str) -> Option<&Known> {
        let nth = self.of.fields.iter().position(|known| *known == name)?;
        self.fields.get(nth)?.as_ref()
    }

    fn keep(&mut self, field: &Field, known: impl FnOnce() -> Known) {
        if let Some(nth) = self.of.fields.iter().position(|name| *name == field.name()) {
            self.fields[nth] = Some(known());
        }
    }
}

impl Known {
    fn text(text: &str) -> Self {
        Self::Text(masked(text).into())
    }
}

impl Visit for Open {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, || Known::text(value));
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and microseconds are far below 2^53")]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, || Known::Number(value as f64));
    }

    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, || Known::Number(value as f64));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, || Known::text(if value { "true" } else { "false" }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.keep(field, || Known::text(&format!("{value:?}")));
    }
}

impl<S> Layer<S> for SpanMeter
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(of) = self.by_span.get(attributes.metadata().name()) else { return };
        let Some(span) = context.span(id) else { return };
        let mut fields = Vec::with_capacity(of.fields.len());
        fields.resize_with(of.fields.len(), || None);
        let mut open = Open { of: Arc::clone(of), began: Instant::now(), fields };
        attributes.record(&mut open);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(open);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let extensions = span.extensions();
        let Some(open) = extensions.get::<Open>() else { return };
        open.of.measures.iter().for_each(|measure| measure.take(open));
    }
}
