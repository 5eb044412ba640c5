//! `sendgate run`: start in an order that fails before any port opens, serve, and drain.

use std::io::{self, Write as _};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use policy_host::{PolicyRuntime, RuntimeOptions};
use store::Store;
use telemetry::metrics::Metrics;
use telemetry::{Telemetry, TelemetryOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::config::{self, Address, Config, Environment, Fixed};
use crate::delivery::{Delivery, Parts};
use crate::gateway::{Bounds, Gateway};
use crate::generations::Generations;
use crate::in_force::{Prepared, Rules};
use crate::listen::{Bound, ListenLimits, Places};
use crate::metrics::{self, Subjects};
use crate::relay::{Relay, Source};
use crate::reload::{ReloadStatus, Reloader};
use crate::reports::{CallbackPlace, Poller, ReportListener, Reports};
use crate::shared::Shared;
use crate::{Failure, policies, relay, sweep};

/// How long telemetry may take to hand over its last spans.
const FLUSH: Duration = Duration::from_secs(3);
/// How long a start waits for what replicas share, so that the first requests find it; without it, it goes on.
const SHARED: Duration = Duration::from_secs(2);

/// Everything that runs, and what stops it.
struct Sidecar {
    listeners: JoinSet<()>,
    /// Ends every task that only waits: listeners' accepting, reloads, messages not yet due.
    stop: CancellationToken,
    /// Told from the first moment of the drain on; new sends are refused.
    draining: CancellationToken,
    in_flight: TaskTracker,
    delivery: Arc<Delivery>,
    drain: Duration,
    /// What is left is lost with the process.
    ephemeral: bool,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
///
/// Whatever keeps it from starting; nothing after that.
pub fn run(path: &Path, config: Config, environment: Environment) -> Result<(), Failure> {
    let telemetry = telemetry::init(&telemetry_options(&config.fixed))?;
    for warning in &config.warnings {
        tracing::warn!(warning = %warning, "configuration");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        // Before anything listens: whoever finds it ready may ask it to stop.
        let mut stopped = pin!(stop_requested()?);
        let mut sidecar = tokio::select! {
            started = Sidecar::start(path, config, environment, telemetry.metrics()) => started?,
            () = stopped.as_mut() => return Ok(()),
        };
        sidecar.serve_until(stopped).await;
        sidecar.drain().await;
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    flush(telemetry);
    served
}

impl Sidecar {
    /// Loads policies, then binds every address, then serves: what is wrong shows before the first port opens.
    async fn start(
        path: &Path,
        config: Config,
        environment: Environment,
        metrics: &Metrics,
    ) -> Result<Self, Failure> {
        let ephemeral = config.fixed.store.path.is_none();
        let seen = config.snapshot().clone();
        let (fixed, settings) = (config.fixed, config.reloadable);
        let store = Store::open(fixed.store.options(), SystemTime::now().into())?;
        if ephemeral {
            tracing::warn!(
                "messages are kept in memory: nothing survives a restart; [store] path names a database"
            );
        }
        let shared = match &fixed.store.shared {
            Some(shared) => {
                let opened = Shared::open(shared, store.ledger(), &settings.policies)?;
                Some(Arc::new(opened))
            }
            None => None,
        };
        let ledger = shared.as_ref().map_or_else(|| store.ledger(), |shared| shared.ledger());
        let mut options = RuntimeOptions {
            compile_cache: fixed.compile_cache.clone(),
            ..RuntimeOptions::new(Arc::clone(&ledger))
        };
        if let Some(shared) = &fixed.store.shared {
            // What replicas share says itself that it does not answer, once for each policy; only then is a policy cut
            // off.
            options.state_wait = shared.timeout.saturating_mul(2);
        }
        let engine = Arc::new(PolicyRuntime::new(options)?);
        let poll = settings.poll;
        let line = |fault| Failure::Policies(vec![format!("{}: {fault}", path.display())]);
        let prepared = Prepared::new(settings, None).map_err(line)?;
        let chain =
            policies::build(&engine, None, prepared.entries()).await.map_err(Failure::Policies)?;
        policies::log_trials(&chain);
        let rules = Rules::new(prepared.entries().to_vec(), chain);
        let first = prepared.with(rules);
        // The numbering data takes tens of milliseconds to unpack, which no request should pay for.
        message::facts::warm_up();

        let stop = CancellationToken::new();
        let draining = CancellationToken::new();
        let in_flight = TaskTracker::new();
        let callbacks = fixed.listen.callbacks.as_ref();
        let place = callbacks.map(|own| CallbackPlace::new(own.url.as_str(), store.secret()));
        let parts = Parts {
            store: store.clone(),
            ledger,
            ephemeral,
            in_flight: in_flight.clone(),
            stop: stop.clone(),
            callbacks: place.clone(),
            shared: shared.clone(),
        };
        let delivery = Arc::new(Delivery::new(parts, first.account.clone()));
        let in_force = Arc::new(ArcSwap::from_pointee(first));
        let generations = Arc::new(Generations::new(
            Arc::clone(&engine),
            Arc::clone(&in_force),
            Arc::clone(&delivery),
        ));
        let reloads = Arc::new(ReloadStatus::default());

        let reports = Arc::new(Reports {
            store: store.clone(),
            delivery: Arc::clone(&delivery),
            in_flight: in_flight.clone(),
        });
        let (tokens, tally) = (Arc::default(), Arc::default());
        let poller = Poller::new(Arc::clone(&reports), Arc::clone(&tokens));
        let source = Source::of(store.secret());
        let subscribers = relay::subscribers(&in_force);
        let relay = Relay::new(store.clone(), source, subscribers).map_err(io::Error::other)?;

        let gateway = Arc::new(Gateway {
            in_force: Arc::clone(&in_force),
            store: store.clone(),
            shared: shared.clone(),
            delivery: Arc::clone(&delivery),
            in_flight: in_flight.clone(),
            draining: draining.clone(),
            bounds: Bounds::of(&fixed),
        });
        let backlog = Arc::default();
        let subjects = Subjects {
            in_force: Arc::clone(&in_force),
            policies: Arc::clone(&engine),
            delivery: Arc::clone(&delivery),
            store: store.clone(),
            backlog: Arc::clone(&backlog),
            reports: Arc::clone(&tally),
            relay: relay.tally(),
        };
        metrics::observe(metrics, subjects);
        let admin = Arc::new(Admin {
            in_force,
            generations: Arc::clone(&generations),
            reloads: Arc::clone(&reloads),
            delivery: Arc::clone(&delivery),
            draining: draining.clone(),
            hosts: fixed.listen.hosts.clone(),
            store: store.clone(),
            ephemeral,
            backlog,
            metrics: metrics.clone(),
            reports: Arc::clone(&tally),
            relay: relay.tally(),
            callbacks: place.clone(),
        });
        let reloader = Reloader {
            path: path.to_owned(),
            environment,
            fixed: fixed.clone(),
            ephemeral,
            runtime: engine,
            generations,
            status: reloads,
            poll,
            seen,
        };

        if let Some(shared) = &shared {
            shared.up_within(SHARED).await;
        }
        let mut bound = Vec::new();
        for address in &fixed.listen.apps {
            bound.push(bind(address).await?);
        }
        let bound_admin = bind(&fixed.listen.admin).await?;
        let bound_callbacks = match callbacks {
            Some(callbacks) => Some(bind(&callbacks.address).await?),
            None => None,
        };
        // Not before: a process that cannot listen ends at once, and would leave what it began in doubt.
        let resumed = delivery.resume().await?;
        if resumed > 0 {
            tracing::info!(messages = resumed, "messages that were left unfinished go on");
        }
        let limits = || ListenLimits {
            places: Places::new(fixed.listen.max_connections),
            header_bytes: fixed.listen.max_header_bytes,
            header_time: fixed.listen.header_timeout,
            idle_time: fixed.listen.idle_timeout,
        };
        let apps = limits();
        let mut listeners = JoinSet::new();
        for door in bound {
            tracing::info!(address = %door.address(), listener = "apps", "listening");
            let gateway = Arc::clone(&gateway);
            let service = move |request, peer| Arc::clone(&gateway).handle(request, peer);
            listeners.spawn(door.serve(apps.clone(), stop.clone(), service));
        }
        tracing::info!(address = %bound_admin.address(), listener = "admin", "listening");
        let service = move |request, _peer| {
            let admin = Arc::clone(&admin);
            async move { admin.answer(request).await }
        };
        listeners.spawn(bound_admin.serve(limits(), stop.clone(), service));
        if let (Some(bound), Some(place), Some(own)) = (bound_callbacks, place, callbacks) {
            tracing::info!(address = %bound.address(), listener = "callbacks", "listening");
            let listener = ReportListener::new(place, reports, tokens, tally, own.v2_alone);
            let listener = Arc::new(listener);
            let service = move |request, _peer| {
                let listener = Arc::clone(&listener);
                async move { listener.answer(request).await }
            };
            listeners.spawn(bound.serve(limits(), stop.clone(), service));
        }
        listeners.spawn(poller.run(stop.clone()));
        listeners.spawn(relay.run(stop.clone()));
        listeners.spawn(reloader.run(stop.clone()));
        listeners.spawn(sweep::run(store, Arc::clone(&delivery), shared, stop.clone()));
        let drain = fixed.listen.drain;
        Ok(Self { listeners, stop, draining, in_flight, delivery, drain, ephemeral })
    }

    /// Waits for `stopped`. A part that ends before is told, and the others go on.
    async fn serve_until(&mut self, mut stopped: Pin<&mut impl Future<Output = ()>>) {
        loop {
            tokio::select! {
                () = stopped.as_mut() => return,
                Some(ended) = self.listeners.join_next() => {
                    tracing::error!(panicked = ended.is_err(), "a listener or a worker has ended by itself; restart");
                }
            }
        }
    }

    /// Takes no new send, lets those in flight end, and says what was left.
    async fn drain(mut self) {
        let deadline = Instant::now() + self.drain;
        tracing::info!(deadline_s = self.drain.as_secs(), "draining");
        self.draining.cancel();
        self.stop.cancel();
        self.in_flight.close();
        let ended = timeout_at(deadline, async {
            // In this order: a request that is still being read may yet become a message on its way.
            while self.listeners.join_next().await.is_some() {}
            self.in_flight.wait().await;
        });
        let in_time = ended.await.is_ok();
        let left = self.delivery.waiting();
        if in_time && left == 0 {
            tracing::info!("drained; nothing was left");
        } else {
            tracing::warn!(
                in_time,
                waiting = left,
                in_flight = self.in_flight.len(),
                "drained; messages were left {}",
                if self.ephemeral { "unsent" } else { "for the next start" }
            );
        }
    }
}

async fn bind(address: &Address) -> Result<Bound, Failure> {
    Bound::bind(address).await.map_err(|source| Failure::Bind { address: address.clone(), source })
}

/// Ends with SIGTERM or SIGINT, from now on, whenever it is awaited.
fn stop_requested() -> Result<impl Future<Output = ()>, Failure> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn telemetry_options(fixed: &Fixed) -> TelemetryOptions {
    let telemetry = &fixed.telemetry;
    TelemetryOptions {
        otlp: telemetry.otlp.as_ref().map(|url| url.as_str().to_owned()),
        protocol: match telemetry.protocol {
            config::OtlpProtocol::Http => telemetry::Protocol::Http,
            config::OtlpProtocol::Grpc => telemetry::Protocol::Grpc,
        },
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

fn flush(telemetry: Telemetry) {
    if let Err(err) = telemetry.shutdown(FLUSH) {
        // The log has ended with telemetry itself.
        drop(writeln!(std::io::stderr(), "{err}"));
    }
}
