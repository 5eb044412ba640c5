//! An OpenTelemetry collector for tests: listens on a socket, decodes with the protocol's own types, keeps what it
//! sees.

mod seen;
mod serve;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

pub use self::seen::{RecordSeen, SpanSeen};

use self::serve::{Seen, Speaks, serve};

/// How long [`Collector::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// A collector on a port of its own, on a thread of its own; it ends when it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: watch::Receiver<Vec<SpanSeen>>,
    records: watch::Receiver<Vec<RecordSeen>>,
    metrics: watch::Receiver<BTreeSet<String>>,
    exports: watch::Receiver<Vec<String>>,
    away: Arc<AtomicBool>,
    _alive: oneshot::Sender<()>,
}

impl Collector {
    /// Takes OTLP over HTTP and refuses everything else.
    ///
    /// # Panics
    ///
    /// Where no port or thread can be had; there is nothing to test then.
    #[must_use]
    pub fn start_http() -> Self {
        Self::start(Speaks::Http)
    }

    /// Takes OTLP over gRPC and refuses everything else.
    ///
    /// # Panics
    ///
    /// As [`Collector::start_http`].
    #[must_use]
    pub fn start_grpc() -> Self {
        Self::start(Speaks::Grpc)
    }

    /// Takes connections and never says a word, like a collector that hangs.
    ///
    /// # Panics
    ///
    /// As [`Collector::start_http`].
    #[must_use]
    pub fn start_silent() -> Self {
        Self::start(Speaks::Nothing)
    }

    /// Answers 503 to OTLP over HTTP from now on, and keeps nothing; or takes it again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// The base address, for `OTEL_EXPORTER_OTLP_ENDPOINT` or the options.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far, in the order they came.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanSeen> {
        self.spans.borrow().clone()
    }

    /// Waits until the spans so far are `enough`, and returns them.
    ///
    /// # Panics
    ///
    /// With the names of what came, where they are not enough within twenty seconds.
    pub async fn wait_for(&self, enough: impl Fn(&[SpanSeen]) -> bool) -> Vec<SpanSeen> {
        let mut spans = self.spans.clone();
        match tokio::time::timeout(PATIENCE, spans.wait_for(|spans| enough(spans))).await {
            Ok(Ok(spans)) => spans.clone(),
            _ => {
                let names: Vec<String> = self.spans().into_iter().map(|span| span.name).collect();
                panic!("the collector waited in vain; it has {names:?}");
            }
        }
    }

    /// The same of records.
    ///
    /// # Panics
    ///
    /// Where they are not enough within twenty seconds.
    pub async fn wait_for_records(
        &self,
        enough: impl Fn(&[RecordSeen]) -> bool,
    ) -> Vec<RecordSeen> {
        let mut records = self.records.clone();
        match tokio::time::timeout(PATIENCE, records.wait_for(|records| enough(records))).await {
            Ok(Ok(records)) => records.clone(),
            _ => panic!("the collector waited in vain; it has {:?}", self.records.borrow()),
        }
    }

    /// The names of the metrics that have come.
    #[must_use]
    pub fn metrics(&self) -> BTreeSet<String> {
        self.metrics.borrow().clone()
    }

    /// Every export of metrics so far, all that it says as text.
    #[must_use]
    pub fn metric_exports(&self) -> Vec<String> {
        self.exports.borrow().clone()
    }

    fn start(speaks: Speaks) -> Self {
        let (alive, ended) = oneshot::channel();
        let (span_sender, spans) = watch::channel(Vec::new());
        let (record_sender, records) = watch::channel(Vec::new());
        let (metric_sender, metrics) = watch::channel(BTreeSet::new());
        let (export_sender, exports) = watch::channel(Vec::new());
        let away = Arc::new(AtomicBool::new(false));
        let sender = Seen {
            spans: span_sender,
            records: record_sender,
            metrics: metric_sender,
            exports: export_sender,
            away: Arc::clone(&away),
        };
        let (bound, address) = mpsc::sync_channel(1);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                bound
                    .send(listener.local_addr().expect("a bound socket"))
                    .expect("the starter waits");
                tokio::select! {
                    () = serve(&listener, speaks, sender) => {}
                    _ = ended => {}
                }
            });
        };
        thread::Builder::new().name("collector".into()).spawn(run).expect("a thread");
        let address = address.recv().expect("a bound collector");
        Self { address, spans, records, metrics, exports, away, _alive: alive }
    }
}
