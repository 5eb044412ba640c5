//! `sendgate run`: start, serve, and drain.

mod doors;
mod ending;
mod entrance;
mod parts;
mod start;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store::Store;
use telemetry::TelemetryOptions;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::ending::Deadline;
use crate::config::{self, Config, Environment, Fixed};
use crate::decisions::DecisionLog;
use crate::delivery::Delivery;
use crate::listen::{Inherited, Places};
use crate::shared::Shared;
use crate::{Failure, check, metrics, service_manager};

/// Most of the time to the end that is kept for telemetry, decisions and last answers.
const FLUSH: Duration = Duration::from_secs(3);
/// How long no app has been connected when all are taken to have sent what they had.
const QUIET: Duration = Duration::from_secs(1);
/// How long the admin listener may take to end its last answers, and the store to count what is left.
const LAST: Duration = Duration::from_secs(1);

/// Everything that runs, and what stops it.
struct Sidecar {
    /// The listeners of apps and callbacks, and the workers.
    running: JoinSet<()>,
    /// Calls apps, for as long as something becomes of messages.
    telling: JoinSet<()>,
    /// The admin listener, which is there for as long as there is something to be told.
    admin: JoinSet<()>,
    /// Those of apps' connections.
    places: Arc<Places>,
    stops: Stops,
    in_flight: TaskTracker,
    delivery: Arc<Delivery>,
    store: Store,
    /// What is to be told at the end, where replicas share anything.
    shared: Option<Arc<Shared>>,
    /// Where decisions are written down, where they are.
    decisions: Option<Arc<DecisionLog>>,
    linger: Duration,
    drain: Duration,
    /// What is left is lost with the process.
    ephemeral: bool,
}

/// What ends, in this order.
#[derive(Clone, Debug, Default)]
struct Stops {
    /// Told as soon as the end has been asked for: whoever chooses among sidecars should choose another.
    leaving: CancellationToken,
    /// Told from the first moment of the drain on; new sends are refused.
    draining: CancellationToken,
    /// Told a little before the deadline: who waits for Plivo's answer is given the one that there is.
    hurry: CancellationToken,
    /// Ends every task that only waits: listeners' accepting, reloads, messages not yet due.
    stop: CancellationToken,
    /// Told once no message is on its way any more: apps are called about what there is to tell, and no longer.
    sent: CancellationToken,
    /// Ends the admin listener, once nothing else is left.
    drained: CancellationToken,
}

/// What the system gave the process.
struct Given {
    sockets: Inherited,
    /// SIGHUP, which would end it otherwise.
    hangup: Signal,
}

/// What asks it to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Serves what `path` describes until SIGTERM or SIGINT, then drains; `ephemeral` keeps the store in memory.
///
/// # Errors
///
/// Whatever keeps it from starting; nothing after that.
pub fn run(path: &Path, ephemeral: bool, environment: Environment) -> Result<(), Failure> {
    // While there is no other thread.
    let sockets = Inherited::take()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Before anything that takes its time.
    let hangup = {
        let _listens = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let config = Config::load(path, &environment).map_err(check::refused)?;
    let config = if ephemeral { config.ephemeral() } else { config };
    let telemetry = telemetry::init(&telemetry_options(&config.fixed))?;
    for warning in &config.warnings {
        tracing::warn!(warning = %warning, "configuration");
    }
    let served = runtime.block_on(async {
        // Before anything listens: whoever finds it ready may ask it to stop.
        let mut signals = Signals::new()?;
        let given = Given { sockets, hangup };
        let alive = CancellationToken::new();
        let watched = tokio::spawn(service_manager::watchdog(alive.clone()));
        let ended = async {
            let sidecar = tokio::select! {
                started = Sidecar::start(path, config, environment, &telemetry, given) => started?,
                _ = signals.next() => return Ok(None),
            };
            service_manager::ready();
            Ok(Some(sidecar.live(signals).await))
        };
        let ended = ended.await;
        alive.cancel();
        drop(watched.await);
        ended
    });
    let left = || match &served {
        Ok(Some(deadline)) => deadline.all.saturating_duration_since(Instant::now()),
        // Why it did not start is told only after this, and has no traces worth a wait.
        _ => LAST / 4,
    };
    runtime.shutdown_timeout(left().min(LAST));
    // What does not get out is told in the log, which ends with telemetry.
    drop(telemetry.shutdown(left().clamp(LAST / 10, FLUSH)));
    served.map(drop)
}

impl Sidecar {
    /// Serves until it is asked to end, and ends by the deadline that is returned.
    async fn live(mut self, mut signals: Signals) -> Deadline {
        let asked = self.serve_until(&mut signals).await;
        let deadline = Deadline::begins(self.drain);
        service_manager::stopping(self.drain);
        self.stops.leaving.cancel();
        if asked == SignalKind::terminate() {
            self.linger(&mut signals, deadline).await;
        }
        self.drain(deadline).await;
        deadline
    }

    /// Waits for a signal. A part that ends before is told, and the others go on.
    async fn serve_until(&mut self, signals: &mut Signals) -> SignalKind {
        loop {
            tokio::select! {
                asked = signals.next() => return asked,
                Some(ended) = self.running.join_next() => ended_early(&ended),
                Some(ended) = self.telling.join_next() => ended_early(&ended),
                Some(ended) = self.admin.join_next() => ended_early(&ended),
            }
        }
    }

    /// Serves on while apps are connected, and a little longer for those that connect anew to send: those that end
    /// together with the sidecar may have something to send yet. Not longer than it may, nor after another signal.
    async fn linger(&mut self, signals: &mut Signals, deadline: Deadline) {
        if self.linger.is_zero() {
            return;
        }
        let until = deadline.linger.min(Instant::now() + self.linger);
        tracing::info!(
            most_s = until.saturating_duration_since(Instant::now()).as_secs_f64(),
            "asked to end; apps may still send, until none has been connected for a second"
        );
        tokio::select! {
            () = self.places.quiet(QUIET) => {}
            () = sleep_until(until) => {}
            _ = signals.next() => {}
        }
    }
}

fn ended_early(ended: &Result<(), JoinError>) {
    tracing::error!(
        panicked = ended.is_err(),
        "a listener or a worker has ended by itself; restart"
    );
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let (terminate, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        // A file that may not grow (`ulimit -f`) is a disk that is full, and no reason to die: once listened for, the
        // signal ends nothing.
        let _full = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(Self { terminate, interrupt })
    }

    /// The next one, from the moment on that they were made.
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

pub(crate) fn telemetry_options(fixed: &Fixed) -> TelemetryOptions {
    let telemetry = &fixed.telemetry;
    TelemetryOptions {
        otlp: telemetry.otlp.as_ref().map(|url| url.as_str().to_owned()),
        protocol: match telemetry.protocol {
            config::OtlpProtocol::Http => telemetry::Protocol::Http,
            config::OtlpProtocol::Grpc => telemetry::Protocol::Grpc,
        },
        records: fixed.decisions.otlp,
        service_version: env!("CARGO_PKG_VERSION").into(),
        // These events belong in the spans; a line for each would drown the log. A later directive wins.
        log_filter: format!("policy.note=off,policy.difference=off,{}", telemetry.log),
        log_format: match telemetry.log_format {
            config::LogFormat::Json => telemetry::LogFormat::Json,
            config::LogFormat::Text => telemetry::LogFormat::Text,
        },
        span_metrics: metrics::OF_SPANS,
        ..TelemetryOptions::default()
    }
}
