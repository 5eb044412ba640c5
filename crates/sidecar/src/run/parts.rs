//! The parts of a running sidecar, and how they hang together.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::Stops;
use super::start::Ground;
use crate::admin::{Admin, Dashboard, Feed};
use crate::config::{Environment, Fixed, Snapshot};
use crate::decisions::SecondLooks;
use crate::delivery::{self, Delivery};
use crate::gateway::{self, Bounds, Gateway};
use crate::generations::Generations;
use crate::in_force::InForce;
use crate::memory::Memory;
use crate::metrics::Subjects;
use crate::modules::Pulled;
use crate::relay::{Relay, Source};
use crate::reload::{ReloadStatus, Reloader, Upkeep};
use crate::reports::{AuthTokens, CallbackPlace, ReportListener, Reports};
use crate::{Failure, metrics, relay, reports, service_manager, sweep};

/// Who answers at the doors, and who works behind them.
pub(super) struct Parts {
    pub(super) gateway: Arc<Gateway>,
    pub(super) admin: Arc<Admin>,
    /// Where Plivo reports, where it does.
    pub(super) callbacks: Option<Arc<ReportListener>>,
    pub(super) delivery: Arc<Delivery>,
    asking: (Arc<Reports>, Arc<AuthTokens>),
    /// Takes the reports that came to other replicas, where there are any.
    elsewhere: Option<reports::elsewhere::Reader>,
    relay: Relay,
    reloader: Reloader,
}

/// What the first generation was read from.
pub(super) struct Origin {
    pub(super) path: PathBuf,
    pub(super) environment: Environment,
    /// `--ephemeral` was given.
    pub(super) forced: bool,
    pub(super) poll: Duration,
    pub(super) seen: Snapshot,
    pub(super) pulled: Pulled,
    /// Asks for a reload.
    pub(super) hangup: Signal,
}

impl Parts {
    /// Puts them together; nothing runs yet.
    ///
    /// # Errors
    ///
    /// The client that tells apps what became of their messages cannot be made.
    pub(super) fn of(
        ground: &Ground,
        first: InForce,
        fixed: &Fixed,
        origin: Origin,
        stops: &Stops,
        in_flight: &TaskTracker,
    ) -> Result<Self, Failure> {
        let Ground { store, shared, ledger, engine, metrics, decisions } = ground;
        let ephemeral = fixed.store.path.is_none();
        let callbacks = fixed.listen.callbacks.as_ref();
        let place = callbacks.map(|own| CallbackPlace::new(own.url.as_str(), store.secret()));
        let accounts = first.accounts.clone();
        let in_force = Arc::new(ArcSwap::from_pointee(first));
        let looks = decisions.as_ref().map(|log| SecondLooks::new(Arc::clone(log), &in_force));
        let parts = delivery::Parts {
            store: store.clone(),
            ledger: Arc::clone(ledger),
            ephemeral,
            in_flight: in_flight.clone(),
            stop: stops.stop.clone(),
            callbacks: place.clone(),
            shared: shared.clone(),
            looks,
        };
        let delivery = Arc::new(Delivery::new(parts, accounts));
        let generations = Arc::new(Generations::new(Arc::clone(&in_force), Arc::clone(&delivery)));
        let reloads = Arc::new(ReloadStatus::default());

        let elsewhere = shared.as_ref().filter(|_| place.is_some()).map(|shared| shared.reports());
        let reports = Arc::new(Reports { store: store.clone(), delivery: Arc::clone(&delivery) });
        let (tokens, tally) = (Arc::<AuthTokens>::default(), Arc::default());
        let asking = (Arc::clone(&reports), Arc::clone(&tokens));
        let source = Source::of(store);
        let subscribers = relay::subscribers(&in_force);
        let relay = Relay::new(store.clone(), source, subscribers).map_err(io::Error::other)?;

        let feed = Arc::<Feed>::default();
        let memory = Arc::new(Memory::new(fixed.listen.max_memory));
        let gateway = Arc::new(Gateway {
            in_force: Arc::clone(&in_force),
            store: store.clone(),
            shared: shared.clone(),
            delivery: Arc::clone(&delivery),
            in_flight: in_flight.clone(),
            draining: stops.draining.clone(),
            hurry: stops.hurry.clone(),
            memory: Arc::clone(&memory),
            decisions: decisions.clone(),
            feed: Arc::clone(&feed),
            unanswered: relay.unanswered(),
            bounds: Bounds::of(fixed),
        });
        let backlog = Arc::default();
        let subjects = Subjects {
            in_force: Arc::clone(&in_force),
            policies: Arc::clone(engine),
            delivery: Arc::clone(&delivery),
            store: store.clone(),
            shared: shared.clone(),
            backlog: Arc::clone(&backlog),
            reports: Arc::clone(&tally),
            relay: relay.tally(),
            decisions: decisions.clone(),
        };
        metrics::observe(metrics, subjects);
        let admin = Arc::new(Admin {
            in_force,
            generations: Arc::clone(&generations),
            reloads: Arc::clone(&reloads),
            delivery: Arc::clone(&delivery),
            leaving: stops.leaving.clone(),
            memory,
            hosts: gateway::hosts(&fixed.listen.hosts, [&fixed.listen.admin]),
            store: store.clone(),
            ephemeral,
            backlog,
            metrics: metrics.clone(),
            decisions: decisions.clone(),
            reports: Arc::clone(&tally),
            relay: relay.tally(),
            callbacks: place.clone(),
            dashboard: Dashboard::new(feed, Arc::clone(ledger), stops.drained.clone()),
        });
        let reader = elsewhere.clone().map(|shared| {
            reports::elsewhere::Reader::new(Arc::clone(&reports), shared, Arc::clone(&tally))
        });
        let callbacks = place.zip(callbacks).map(|(place, own)| {
            Arc::new(ReportListener::new(place, reports, tokens, tally, own.v2_alone, elsewhere))
        });
        let Origin { path, environment, forced, poll, seen, pulled, hangup } = origin;
        let reloader = Reloader {
            path,
            environment,
            fixed: fixed.clone(),
            ephemeral: forced,
            runtime: Arc::clone(engine),
            generations,
            status: reloads,
            poll,
            seen,
            upkeep: Upkeep::new(pulled),
            hangup,
        };
        Ok(Self { gateway, admin, callbacks, delivery, asking, elsewhere: reader, relay, reloader })
    }

    /// Sets those to work that nobody asks, until they are stopped. Returns who calls apps.
    pub(super) fn work(
        self,
        ground: Ground,
        stops: &Stops,
        running: &mut JoinSet<()>,
    ) -> JoinSet<()> {
        let stop = &stops.stop;
        let (reports, tokens) = self.asking;
        running.spawn(reports::ask(reports, tokens, stop.clone()));
        if let Some(reader) = self.elsewhere {
            running.spawn(reader.run(stop.clone()));
        }
        running.spawn(self.reloader.run(stop.clone()));
        let admin = self.admin;
        running.spawn(service_manager::shows(move || admin.line(), stop.clone()));
        running.spawn(sweep::run(ground.store, self.delivery, ground.shared, stop.clone()));
        let mut telling = JoinSet::new();
        telling.spawn(self.relay.run(stops.sent.clone()));
        telling
    }
}
