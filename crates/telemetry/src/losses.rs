//! The bound on what waits for the collector, spans or records, and the count of what never reached it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tracing::dispatcher::{self, WeakDispatch};

use crate::export::redact;

/// How often the log may say that spans are lost.
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// A collector that has not answered for longer is away: as long as the end waits for one that is there.
const SLOW: Duration = Duration::from_secs(3);

/// What is waiting, and what was lost. Shared by both ends of the queue.
#[derive(Debug)]
pub(crate) struct Losses {
    /// What they are called in the log.
    what: &'static str,
    /// Spans that may wait; one more is dropped.
    bound: usize,
    waiting: AtomicUsize,
    dropped: AtomicU64,
    /// Those of them that had found room.
    undelivered: AtomicU64,
    closed: AtomicBool,
    collector: Mutex<Heard>,
    /// Where to log. Weak, or the log would keep itself alive through its own exporter.
    log: OnceLock<WeakDispatch>,
}

/// The entrance of the queue: lets a span in, or drops and counts it. Never waits.
#[derive(Debug)]
pub(crate) struct Entrance<P> {
    inner: P,
    losses: Arc<Losses>,
}

/// The way out of the queue: redacts, sends, and counts what the collector did not take.
#[derive(Debug)]
pub(crate) struct Exit<E> {
    inner: E,
    losses: Arc<Losses>,
    reports: Mutex<Reports>,
}

/// What was heard of the collector last.
#[derive(Debug, Default)]
struct Heard {
    /// Since when an answer is waited for.
    asked: Option<Instant>,
    refused: bool,
}

/// When the log last said that spans are lost.
#[derive(Debug, Default)]
struct Reports {
    last: Option<Instant>,
    reported: u64,
}

impl Losses {
    pub(crate) fn new(what: &'static str, bound: usize) -> Arc<Self> {
        Arc::new(Self {
            what,
            bound,
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            collector: Mutex::default(),
            log: OnceLock::new(),
        })
    }

    /// Spans lost so far: found the queue full, refused by the collector, or ended after the shutdown.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Those of them that the collector did not take.
    pub(crate) fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::Relaxed)
    }

    /// Spans that have ended and are not yet with the collector.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the collector took nothing the last time, or does not answer.
    pub(crate) fn is_collector_away(&self) -> bool {
        let heard = self.heard();
        heard.refused || heard.asked.is_some_and(|asked| asked.elapsed() > SLOW)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to say that spans are lost; without it, nothing is said.
    pub(crate) fn log_to(&self, log: WeakDispatch) {
        let _ = self.log.set(log);
    }

    fn admit(&self) -> bool {
        let admitted = !self.closed.load(Ordering::Relaxed)
            && self
                .waiting
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                    (waiting < self.bound).then_some(waiting + 1)
                })
                .is_ok();
        if !admitted {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn leave(&self, spans: usize, delivered: bool) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        if !delivered {
            self.undelivered.fetch_add(spans as u64, Ordering::Relaxed);
            self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
        }
    }

    /// Has `say` write to the log.
    pub(crate) fn log(&self, say: impl FnOnce()) {
        if let Some(log) = self.log.get().and_then(WeakDispatch::upgrade) {
            dispatcher::with_default(&log, say);
        }
    }

    fn report(&self, dropped: u64) {
        self.log(|| {
            tracing::warn!(
                target: "telemetry",
                dropped,
                "{} are lost: the collector is away, slow or refuses them; sends go on",
                self.what
            );
        });
    }
}

impl<P> Entrance<P> {
    pub(crate) fn new(inner: P, losses: Arc<Losses>) -> Self {
        Self { inner, losses }
    }
}

impl<E> Exit<E> {
    pub(crate) fn new(inner: E, losses: Arc<Losses>) -> Self {
        Self { inner, losses, reports: Mutex::default() }
    }

    fn report_if_due(&self) {
        let dropped = self.losses.dropped();
        let due = self.reports.lock().is_ok_and(|mut reports| reports.due(dropped, Instant::now()));
        if due {
            self.losses.report(dropped);
        }
    }
}

impl Reports {
    /// Whether there is something new to say, and the last word is long enough ago.
    fn due(&mut self, dropped: u64, now: Instant) -> bool {
        let quiet = self.last.is_some_and(|last| now.duration_since(last) < REPORT_EVERY);
        if quiet || dropped == self.reported {
            return false;
        }
        *self = Self { last: Some(now), reported: dropped };
        true
    }
}

impl<P: SpanProcessor> SpanProcessor for Entrance<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.losses.admit() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.losses.closed.store(true, Ordering::Relaxed);
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: SpanExporter> SpanExporter for Exit<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        // Here and not at the entrance, so that no request waits for it.
        batch.iter_mut().for_each(redact);
        self.losses.heard().asked = Some(Instant::now());
        let result = self.inner.export(batch).await;
        *self.losses.heard() = Heard { asked: None, refused: result.is_err() };
        self.losses.leave(spans, result.is_ok());
        self.report_if_due();
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<P: LogProcessor> LogProcessor for Entrance<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.losses.admit() {
            self.inner.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.losses.closed.store(true, Ordering::Relaxed);
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Exit<E> {
    /// What is in a record was redacted by whoever made it.
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        let result = self.inner.export(batch).await;
        self.losses.leave(records, result.is_ok());
        self.report_if_due();
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Losses, Reports};

    #[test]
    fn beyond_the_bound_spans_are_dropped_and_counted() {
        let losses = Losses::new("spans", 2);
        assert_eq!([losses.admit(), losses.admit(), losses.admit()], [true, true, false]);
        assert_eq!((losses.waiting(), losses.dropped()), (2, 1));
        losses.leave(2, true);
        assert!(losses.admit(), "there is room again");
        losses.leave(1, false);
        assert_eq!((losses.waiting(), losses.dropped(), losses.undelivered()), (0, 2, 1));
    }

    #[test]
    fn a_loss_is_reported_at_most_once_a_minute() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!reports.due(0, start), "nothing is lost yet");
        assert!(reports.due(1, start));
        assert!(!reports.due(9, after(59)));
        assert!(reports.due(9, after(60)));
        assert!(!reports.due(9, after(200)), "nothing new was lost");
    }
}
