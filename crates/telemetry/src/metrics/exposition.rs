//! Metrics as text that Prometheus reads.
//!
//! Names and units become Prometheus' as OpenTelemetry has it ("Prometheus and OpenMetrics Compatibility", 1.x): dots
//! become underscores, the unit is spelt out at the end, and sums that only grow end in `_total`.

mod accept;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Histogram, Metric, MetricData, ResourceMetrics,
};

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format 0.0.4, which everything reads.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The form that a request's `Accept` asks for: OpenMetrics where it is named and no less wanted than the other.
    pub fn of(accept: &str) -> Self {
        let openmetrics = accept::weight(accept, &["application/openmetrics-text"]);
        let plain = accept::weight(accept, &["text/plain", "text/*", "*/*"]);
        if openmetrics > 0 && openmetrics >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// What it is, for `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub(super) fn write(self, collected: &ResourceMetrics) -> String {
        let mut text = String::new();
        self.target(&mut text, collected);
        let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
        // By name, so that two readings can be compared.
        let sorted: BTreeMap<&str, &Metric> =
            metrics.map(|metric| (metric.name(), metric)).collect();
        for metric in sorted.into_values() {
            self.metric(&mut text, metric);
        }
        if self == Self::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    /// What the process is, beside its metrics and not in each of them.
    fn target(self, text: &mut String, collected: &ResourceMetrics) {
        let resource = collected.resource().iter();
        let labels: Vec<KeyValue> =
            resource.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        if labels.is_empty() {
            return;
        }
        let (kind, family) = match self {
            Self::Prometheus => ("gauge", "target_info"),
            Self::OpenMetrics => ("info", "target"),
        };
        head(text, family, kind, "", "What this process is.");
        line(text, "target_info", labels.iter(), None, 1);
    }

    fn metric(self, text: &mut String, metric: &Metric) {
        match metric.data() {
            AggregatedMetrics::F64(data) => self.family(text, metric, data),
            AggregatedMetrics::U64(data) => self.family(text, metric, data),
            AggregatedMetrics::I64(data) => self.family(text, metric, data),
        }
    }

    fn family<T: Copy + std::fmt::Display>(
        self,
        text: &mut String,
        metric: &Metric,
        data: &MetricData<T>,
    ) {
        let (name, unit) = name(metric);
        let about = metric.description();
        match data {
            MetricData::Gauge(gauge) => {
                head(text, &name, "gauge", unit, about);
                for point in gauge.data_points() {
                    line(text, &name, point.attributes(), None, point.value());
                }
            }
            MetricData::Sum(sum) if sum.is_monotonic() => {
                let total = format!("{name}_total");
                let family = if self == Self::OpenMetrics { &name } else { &total };
                head(text, family, "counter", unit, about);
                for point in sum.data_points() {
                    line(text, &total, point.attributes(), None, point.value());
                }
            }
            MetricData::Sum(sum) => {
                head(text, &name, "gauge", unit, about);
                for point in sum.data_points() {
                    line(text, &name, point.attributes(), None, point.value());
                }
            }
            MetricData::Histogram(histogram) => {
                head(text, &name, "histogram", unit, about);
                buckets(text, &name, histogram);
            }
            // Nothing here makes one.
            MetricData::ExponentialHistogram(_) => {}
        }
    }
}

fn buckets<T: Copy + std::fmt::Display>(text: &mut String, name: &str, histogram: &Histogram<T>) {
    for point in histogram.data_points() {
        let mut sum = 0;
        let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(point.bucket_counts()) {
            sum += count;
            line(text, &format!("{name}_bucket"), point.attributes(), Some(&bound), sum);
        }
        line(text, &format!("{name}_sum"), point.attributes(), None, point.sum());
        line(text, &format!("{name}_count"), point.attributes(), None, point.count());
    }
}

fn head(text: &mut String, family: &str, kind: &str, unit: &str, about: &str) {
    let about = about.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(text, "# HELP {family} {about}");
    let _ = writeln!(text, "# TYPE {family} {kind}");
    // Prometheus takes it for a comment.
    if !unit.is_empty() {
        let _ = writeln!(text, "# UNIT {family} {unit}");
    }
}

fn line<'a>(
    text: &mut String,
    name: &str,
    labels: impl Iterator<Item = &'a KeyValue>,
    bound: Option<&str>,
    value: impl std::fmt::Display,
) {
    // Two keys that become one label have their values joined, as the specification has it.
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for label in labels {
        let value = label.value.as_str();
        known
            .entry(word(label.key.as_str()).into_owned())
            .and_modify(|joined| *joined = format!("{joined};{value}"))
            .or_insert_with(|| value.into_owned());
    }
    if let Some(bound) = bound {
        known.insert("le".to_owned(), bound.to_owned());
    }
    let pairs: Vec<String> =
        known.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
    let _ = match pairs.is_empty() {
        true => writeln!(text, "{name} {value}"),
        false => writeln!(text, "{name}{{{}}} {value}", pairs.join(",")),
    };
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The metric's name in Prometheus without `_total`, and its unit there.
fn name(metric: &Metric) -> (String, &'static str) {
    let name = word(metric.name()).into_owned();
    let unit = match metric.unit() {
        "s" => "seconds",
        "By" => "bytes",
        // In braces stands what is counted, which is no unit.
        _ => "",
    };
    match unit {
        "" => (name, unit),
        unit if name.ends_with(unit) => (name, unit),
        unit => (format!("{name}_{unit}"), unit),
    }
}

/// Letters, digits and underscores; what is anything else becomes one. A digit at the beginning gets one before it.
fn word(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_digit());
    if !begins && name.chars().all(fits) {
        return name.into();
    }
    let fitting = name.chars().map(|c| if fits(c) { c } else { '_' });
    begins.then_some('_').into_iter().chain(fitting).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use tracing::{dispatcher, info_span};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry::Registry;

    use super::Exposition;
    use crate::metrics::{Instrument, Metrics, Observed, SpanMeter, SpanMetric};

    const CALLS: SpanMetric = SpanMetric {
        span: "call",
        name: "test.calls",
        about: "Calls, by \\ outcome.",
        instrument: Instrument::Count,
        labels: &[("call.outcome", "outcome"), ("call.absent", "absent")],
        unless: Some("call.dry_run"),
    };
    const BYTES: SpanMetric = SpanMetric {
        name: "test.size",
        about: "Bytes of a call.",
        instrument: Instrument::Value {
            field: "call.kib",
            scale: 1_024.0,
            unit: "By",
            bounds: &[1_024.0, 4_096.0],
        },
        labels: &[],
        ..CALLS
    };

    fn metrics() -> Metrics {
        let metrics = Metrics::default();
        let layer = SpanMeter::new(&metrics, &[CALLS, BYTES]);
        let dispatch = tracing::Dispatch::new(Registry::default().with(layer));
        dispatcher::with_default(&dispatch, || {
            for (outcome, kib) in [("ac\"cepted", 1_u64), ("rejected", 3), ("rejected", 5)] {
                let span = info_span!("call", call.outcome = tracing::field::Empty, call.kib = kib);
                span.record("call.outcome", outcome);
            }
            drop(info_span!("call", call.outcome = "rejected", call.dry_run = true, call.kib = 1));
            drop(info_span!("another", call.outcome = "rejected"));
        });
        let what = Observed { name: "test.waiting", unit: "{message}", about: "Waiting." };
        metrics.gauge(what, |tell| tell(2.5, &[("lane", "otp")]));
        metrics.total(Observed { name: "test.dropped", ..what }, |tell| tell(7, &[]));
        metrics
    }

    const LINES: &str = "\
# HELP test_calls_total Calls, by \\\\ outcome.
# TYPE test_calls_total counter
test_calls_total{outcome=\"ac\\\"cepted\"} 1
test_calls_total{outcome=\"rejected\"} 2
# HELP test_dropped_total Waiting.
# TYPE test_dropped_total counter
test_dropped_total 7
# HELP test_size_bytes Bytes of a call.
# TYPE test_size_bytes histogram
# UNIT test_size_bytes bytes
test_size_bytes_bucket{le=\"1024\"} 1
test_size_bytes_bucket{le=\"4096\"} 2
test_size_bytes_bucket{le=\"+Inf\"} 3
test_size_bytes_sum 9216
test_size_bytes_count 3
# HELP test_waiting Waiting.
# TYPE test_waiting gauge
test_waiting{lane=\"otp\"} 2.5
";

    #[test]
    fn what_spans_told_is_written_for_prometheus() {
        let mut lines: Vec<String> =
            metrics().text(Exposition::Prometheus).lines().map(str::to_owned).collect();
        // Series of one metric come in no order.
        lines[2..4].sort();
        assert_eq!(lines, LINES.lines().collect::<Vec<_>>());
    }

    #[test]
    fn openmetrics_names_a_counters_family_without_its_ending_and_says_where_it_ends() {
        let text = metrics().text(Exposition::OpenMetrics);
        assert!(text.contains("# TYPE test_calls counter\ntest_calls_total{"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn whatever_a_name_holds_a_label_is_one() {
        for (name, label) in [("a_b1", "a_b1"), ("a.b-c", "a_b_c"), ("1st", "_1st"), ("ö", "_")] {
            assert_eq!(super::word(name), label, "{name}");
        }
    }

    #[test]
    fn the_form_is_the_one_that_is_asked_for() {
        for asked in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.2,*/*;q=0.1",
            "text/plain;q=0.5, Application/OpenMetrics-Text; Q=0.5",
            "application/openmetrics-text;q=0.001",
            "text/plain;q=0, application/openmetrics-text;q=0.4, */*;q=0.9",
        ] {
            assert_eq!(Exposition::of(asked), Exposition::OpenMetrics, "{asked}");
        }
        for other in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-texture",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.000, */*",
            "text/plain;q=0.5, application/openmetrics-text;q=0.4",
            "text/*, application/openmetrics-text;q=0.9",
            "application/openmetrics-text;q=much",
            "application/openmetrics-text;q=2",
        ] {
            assert_eq!(Exposition::of(other), Exposition::Prometheus, "{other}");
        }
    }
}
