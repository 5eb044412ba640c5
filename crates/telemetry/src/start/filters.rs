//! What of spans and events is traced and what is logged.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, dynamic_filter_fn, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

use crate::TelemetryError;

/// Libraries whose own spans would drown ours, or would trace the export of traces.
const SILENT: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_sdk",
    "reqwest",
    "tonic",
    "tower",
];

/// The layer that turns `tracing` spans into OpenTelemetry's.
pub(super) fn spans<S, F>(provider: &SdkTracerProvider, which: F) -> impl Layer<S> + use<S, F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    F: Filter<S> + 'static,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("sendgate"))
        // Source lines, threads and busy times would be most of a span's bytes.
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(which)
}

/// Which spans, and which events inside them, are traced.
pub(super) fn traced() -> Targets {
    let all = Targets::new().with_default(LevelFilter::INFO);
    all.with_targets(SILENT.map(|target| (target, LevelFilter::OFF)))
}

/// Of these, the spans that none is around: all that is wanted where nobody gets the spans, for a trace's name in the log
/// and in what apps and their callbacks are told.
pub(super) fn roots<S>(traced: Targets) -> impl Filter<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    dynamic_filter_fn(move |metadata, around| {
        metadata.is_span()
            && traced.would_enable(metadata.target(), metadata.level())
            && around.lookup_current().is_none()
    })
    .with_max_level_hint(LevelFilter::INFO)
}

/// Events by `filter`. Spans are let through as far as they are traced, so that every line finds its trace, however
/// little is logged.
pub(super) fn events_and_spans<S>(filter: Targets) -> impl Filter<S> {
    let traced = traced();
    filter_fn(move |metadata| {
        let by = if metadata.is_span() { &traced } else { &filter };
        by.would_enable(metadata.target(), metadata.level())
    })
}

pub(super) fn read_filter(filter: &str) -> Result<Targets, TelemetryError> {
    filter.parse().map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })
}
