//! Starting and ending: options to a dispatcher, and the guard that flushes.

mod filters;

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::Registry;

use self::filters::{events_and_spans, read_filter, roots, spans, traced};
use crate::environment::{self, Plan};
use crate::export::Export;
use crate::log::{LogLayer, Sink};
use crate::losses::Losses;
use crate::metrics::{self, Metrics, Observed, SpanMeter};
use crate::records::{Records, Sending};
use crate::{TelemetryError, TelemetryOptions};

const DROPPED: Observed = Observed {
    name: "sendgate.telemetry.spans.dropped",
    unit: "{span}",
    about: "Spans that did not reach the collector.",
};

/// How long a collector that is away may take to come back at the end.
const LAST_TRY: Duration = Duration::from_millis(250);
/// How long the last lines of the log may take, even where the spans took all the time that there was.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How long dropping a [`Telemetry`] that was not shut down may take.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// Running telemetry. Keep it until the program ends, then call [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
    losses: Arc<Losses>,
    metrics: Metrics,
    sending: Option<Sending>,
    sink: Sink,
    /// What connections of gRPC live on.
    runtimes: Vec<Runtime>,
    ended: bool,
}

/// Starts telemetry for the whole process, with logs to standard output.
///
/// # Errors
///
/// Where the log filter or the collector's address does not fit, a thread cannot be started, or something else already
/// receives this process's spans.
pub fn init(options: &TelemetryOptions) -> Result<Telemetry, TelemetryError> {
    let (dispatch, telemetry) = start(options, std::io::stdout())?;
    dispatcher::set_global_default(dispatch).map_err(|_| TelemetryError::AlreadyStarted)?;
    Ok(telemetry)
}

/// Starts telemetry for those who use the dispatcher that it returns, with logs to `log`; for programs that hold
/// several, such as tests.
///
/// # Errors
///
/// As [`init`], but for the last.
pub fn start(
    options: &TelemetryOptions,
    log: impl Write + Send + 'static,
) -> Result<(Dispatch, Telemetry), TelemetryError> {
    start_by(&Plan::new(options, &environment::process), options, log)
}

impl Telemetry {
    /// What takes records for the collector, where they are wanted and there is one.
    #[must_use]
    pub fn records(&self) -> Option<Records> {
        self.sending.as_ref().map(|sending| sending.records.clone())
    }

    /// Spans lost so far, in this process: found the queue full, refused by the collector, or ended after the shutdown.
    #[must_use]
    pub fn dropped_spans(&self) -> u64 {
        self.losses.dropped()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sends what is waiting, for `timeout` at most. Blocks: call it off the async threads.
    ///
    /// # Errors
    ///
    /// Where the collector does not take everything in time; what it did not take is sent later, or counted as dropped.
    pub fn flush(&self, timeout: Duration) -> Result<(), TelemetryError> {
        let (deadline, lost) = (Instant::now() + timeout, self.losses.dropped());
        let provider = self.provider.clone();
        let (done, flushed) = mpsc::sync_channel(1);
        // The provider's own flush has a timeout that cannot be chosen.
        thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || done.try_send(provider.force_flush().is_ok()))
            .map_err(TelemetryError::Thread)?;
        let flushed = flushed.recv_timeout(timeout).unwrap_or(false);
        self.sink.flush(deadline.saturating_duration_since(Instant::now()));
        self.outcome(flushed, lost)
    }

    /// Sends what is waiting, and ends the export, within `timeout`; a collector that is away already is not waited for.
    /// Blocks: call it off the async threads.
    ///
    /// # Errors
    ///
    /// Where the collector does not take everything in time; the log says so as well.
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), TelemetryError> {
        self.end(timeout)
    }

    fn end(&mut self, timeout: Duration) -> Result<(), TelemetryError> {
        self.ended = true;
        let timeout = match self.losses.is_collector_away() {
            true => timeout.min(LAST_TRY),
            false => timeout,
        };
        let (deadline, lost) = (Instant::now() + timeout, self.losses.dropped());
        let mut ended = self.provider.shutdown_with_timeout(timeout).is_ok();
        let sending = self.sending.take();
        if let Some(sending) = &sending {
            let left = deadline.saturating_duration_since(Instant::now());
            ended &= sending.provider.shutdown_with_timeout(left).is_ok();
        }
        self.metrics.end(deadline.saturating_duration_since(Instant::now()));
        let outcome = self.outcome(ended, lost);
        if let Err(err) = &outcome {
            self.losses.log(|| tracing::warn!(target: "telemetry", "{err}"));
        }
        // A runtime must not be dropped on an async thread, nor waited for.
        self.runtimes.extend(sending.and_then(|sending| sending.runtime));
        self.runtimes.drain(..).for_each(Runtime::shutdown_background);
        self.sink.flush(deadline.saturating_duration_since(Instant::now()).max(LAST_LINES));
        outcome
    }

    /// The provider's word alone does not do: it calls a shutdown good whose last batches were refused.
    fn outcome(&self, in_time: bool, lost_before: u64) -> Result<(), TelemetryError> {
        let dropped = self.losses.dropped() - lost_before;
        if in_time && dropped == 0 {
            return Ok(());
        }
        Err(TelemetryError::Incomplete { waiting: self.losses.waiting(), dropped })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.end(DROP_TIMEOUT);
        }
    }
}

fn start_by(
    plan: &Plan,
    options: &TelemetryOptions,
    log: impl Write + Send + 'static,
) -> Result<(Dispatch, Telemetry), TelemetryError> {
    let filter = read_filter(&options.log_filter)?;
    let sink = Sink::start(log).map_err(TelemetryError::Thread)?;
    let losses = Losses::new("spans", plan.queue.size);

    let mut provider = SdkTracerProvider::builder()
        .with_sampler(plan.sampler.clone())
        .with_resource(resource(options, plan));
    let mut runtime = None;
    if let Some(destination) = &plan.export {
        let export = Export::start(destination, &plan.queue, &losses)?;
        runtime = export.runtime;
        provider = provider.with_span_processor(export.processor);
    }
    let provider = provider.build();
    let records = plan.records.as_ref();
    let sending =
        records.map(|to| Sending::start(to, &plan.queue, resource(options, plan))).transpose()?;

    let sent = plan.metrics.as_ref();
    let sent = sent.map(|to| metrics::Sending::start(to, plan.metrics_every)).transpose()?;
    let (reader, of_metrics) = sent.map_or((None, None), |sent| (Some(sent.reader), sent.runtime));
    let metrics = Metrics::new(resource(options, plan), reader);
    let counted = Arc::clone(&losses);
    metrics.total(DROPPED, move |tell| tell(counted.dropped(), &[]));
    let log = LogLayer::new(sink.clone(), options.log_format);
    let meter = SpanMeter::new(&metrics, options.span_metrics);
    let subscriber = Registry::default()
        .with((plan.enabled && plan.export.is_some()).then(|| spans(&provider, traced())))
        .with((plan.enabled && plan.export.is_none()).then(|| spans(&provider, roots(traced()))))
        .with(meter.filtered())
        .with(log.with_filter(events_and_spans(filter)));
    let dispatch = Dispatch::new(subscriber);
    losses.log_to(dispatch.downgrade());
    if let Some(sending) = &sending {
        sending.losses().log_to(dispatch.downgrade());
    }
    dispatcher::with_default(&dispatch, || {
        for warning in &plan.warnings {
            tracing::warn!(target: "telemetry", "{warning}");
        }
    });
    let runtimes = [runtime, of_metrics].into_iter().flatten().collect();
    Ok((dispatch, Telemetry { provider, losses, sending, metrics, sink, runtimes, ended: false }))
}

fn resource(options: &TelemetryOptions, plan: &Plan) -> Resource {
    let version = Some(&options.service_version).filter(|version| !version.is_empty());
    Resource::builder()
        .with_attributes(version.map(|version| KeyValue::new("service.version", version.clone())))
        .with_attributes(
            plan.instance.as_ref().map(|id| KeyValue::new("service.instance.id", id.clone())),
        )
        .with_service_name(plan.service_name.clone())
        .build()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tracing::{dispatcher, info, info_span};

    use super::{Plan, start_by};
    use crate::{TelemetryOptions, trace_id};

    #[test]
    fn turned_off_by_the_environment_there_are_no_traces_and_still_logs() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let options = TelemetryOptions {
            otlp: Some("http://127.0.0.1:1".into()),
            ..TelemetryOptions::default()
        };
        let off = |name: &str| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned());
        let (dispatch, telemetry) =
            start_by(&Plan::new(&options, &off), &options, writer).expect("starts");

        dispatcher::with_default(&dispatch, || {
            let span = info_span!("send");
            assert_eq!(trace_id(&span), None);
            span.in_scope(|| info!("accepted"));
        });
        telemetry.shutdown(Duration::from_secs(60)).expect("nothing to export");
        drop(dispatch);

        let log = io::read_to_string(reader).expect("the log");
        assert!(log.contains("accepted") && !log.contains("trace_id"), "{log}");
    }

    #[test]
    fn what_is_passed_over_is_said_in_the_log() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let options = TelemetryOptions::default();
        let odd = |name: &str| (name == "OTEL_TRACES_SAMPLER").then(|| "xray".to_owned());
        drop(start_by(&Plan::new(&options, &odd), &options, writer).expect("starts"));

        let log = io::read_to_string(reader).expect("the log");
        assert!(log.contains("OTEL_TRACES_SAMPLER is passed over"), "{log}");
    }
}
