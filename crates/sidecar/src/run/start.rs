//! From a configuration to everything that runs, in an order that fails before any port opens.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::Ledger;
use policy_host::{PolicyRuntime, RuntimeOptions};
use store::{Store, StoreError};
use telemetry::Telemetry;
use telemetry::metrics::Metrics;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

use super::entrance::{Entrance, Obstacle};
use super::parts::{Origin, Parts};
use super::{Given, Sidecar, Stops};
use crate::config::{Config, Environment, Fixed, Listen, Reloadable};
use crate::decisions::DecisionLog;
use crate::delivery::Delivery;
use crate::in_force::{InForce, Prepared, Rules};
use crate::modules::{Modules, Pulled};
use crate::shared::Shared;
use crate::{Failure, files, metrics, policies};

/// How long a start waits for what replicas share, so that the first requests find it; without it, it goes on.
const SHARED: Duration = Duration::from_secs(2);

/// What everything else stands on: where messages are kept, what policies remember, and what asks them.
pub(super) struct Ground {
    pub(super) store: Store,
    pub(super) shared: Option<Arc<Shared>>,
    /// The store's own, or that which replicas share.
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) engine: Arc<PolicyRuntime>,
    pub(super) metrics: Metrics,
    pub(super) decisions: Option<Arc<DecisionLog>>,
}

impl Sidecar {
    /// Loads policies, then binds every address, then serves: what is wrong with the configuration shows before the first
    /// port opens.
    pub(super) async fn start(
        path: &Path,
        config: Config,
        environment: Environment,
        telemetry: &Telemetry,
        given: Given,
    ) -> Result<Self, Failure> {
        let seen = config.snapshot().clone();
        let forced = config.is_ephemeral();
        let (fixed, settings) = (config.fixed, config.reloadable);
        let (stops, in_flight, ephemeral) =
            (Stops::default(), TaskTracker::new(), fixed.store.path.is_none());
        let poll = settings.poll;

        let listen = files::fit(&fixed.listen, &settings);
        let metrics = telemetry.metrics();
        let ready = metrics::observe_ready(metrics);
        let mut entrance = Entrance::new(&listen, given.sockets, metrics);
        let store = entrance.pass(async || open(&fixed).await).await?;
        let mut ground = Ground::lay(&fixed, store, &settings, telemetry)?;
        let (first, pulled) = first(path, settings, &ground.engine).await?;
        // The numbering data takes tens of milliseconds to unpack, which no request should pay for.
        message::facts::warm_up();
        if let Some(shared) = &ground.shared {
            shared.up_within(SHARED).await;
        }
        entrance.bind().await?;
        // A start that is refused leaves no file, and touches none that another sidecar writes to.
        ground.decide_on_record(&fixed, telemetry)?;
        let (path, hangup) = (path.to_owned(), given.hangup);
        let origin = Origin { path, environment, forced, poll, seen, pulled, hangup };
        let parts = Parts::of(&ground, first, &fixed, origin, &stops, &in_flight)?;

        let (store, delivery) = (ground.store.clone(), Arc::clone(&parts.delivery));
        let (shared, decisions) = (ground.shared.clone(), ground.decisions.clone());
        // Not before: a process that cannot listen ends at once, and would leave what it began in doubt.
        let resumed = entrance.pass(async || take_up(&delivery, &store).await).await?;
        if resumed > 0 {
            tracing::info!(messages = resumed, "messages that were left unfinished go on");
        }
        // It was not set before.
        let _ = ready.set(Arc::downgrade(&parts.admin));
        let (mut running, admin, places) = entrance.open().await?.serve(&parts, &listen, &stops);
        let telling = parts.work(ground, &stops, &mut running);
        let Listen { linger, drain, .. } = listen;
        Ok(Self {
            running,
            telling,
            admin,
            places,
            stops,
            in_flight,
            delivery,
            store,
            shared,
            decisions,
            linger,
            drain,
            ephemeral,
        })
    }
}

impl Ground {
    /// Opens what replicas share, and starts the engine of policies.
    fn lay(
        fixed: &Fixed,
        store: Store,
        settings: &Reloadable,
        telemetry: &Telemetry,
    ) -> Result<Self, Failure> {
        let server = fixed.store.shared.as_ref().zip(settings.shared_url.as_ref());
        let shared = match server {
            Some(server) => {
                Some(Arc::new(Shared::open(server, store.ledger(), &settings.policies)?))
            }
            None => None,
        };
        let ledger = shared.as_ref().map_or_else(|| store.ledger(), |shared| shared.ledger());
        let mut options = RuntimeOptions {
            compile_cache: fixed.compile_cache.clone(),
            record: fixed.decisions.are_kept(),
            ..RuntimeOptions::new(Arc::clone(&ledger))
        };
        if let Some(shared) = &fixed.store.shared {
            // What replicas share says itself that it does not answer, once for each policy; only then is a policy cut
            // off.
            options.state_wait = shared.timeout.saturating_mul(2);
        }
        let engine = Arc::new(PolicyRuntime::new(options)?);
        let metrics = telemetry.metrics().clone();
        Ok(Self { store, shared, ledger, engine, metrics, decisions: None })
    }

    /// Begins to write decisions down, where they are to be.
    fn decide_on_record(&mut self, fixed: &Fixed, telemetry: &Telemetry) -> Result<(), Failure> {
        let (secret, records) = (self.store.secret(), telemetry.records());
        self.decisions = DecisionLog::start(&fixed.decisions, secret, records)?.map(Arc::new);
        Ok(())
    }
}

/// The store, opened or made.
async fn open(fixed: &Fixed) -> Result<Store, Obstacle> {
    let options = fixed.store.options();
    let opening = spawn_blocking(move || Store::open(options, SystemTime::now().into()));
    let store = opening.await.map_err(|err| Obstacle::Lasting(io::Error::other(err).into()))??;
    if fixed.store.path.is_none() {
        tracing::warn!(
            "messages are kept in memory: nothing survives a restart; [store] path names a database"
        );
    }
    Ok(store)
}

/// Takes up what was left. What is put in the place of a damaged file is seen by another start only.
async fn take_up(delivery: &Arc<Delivery>, store: &Store) -> Result<usize, Obstacle> {
    match (delivery.resume().await, store.trouble()) {
        (Ok(resumed), _) => Ok(resumed),
        (Err(_), Some(moved @ StoreError::Moved(_))) => {
            Err(Obstacle::Lasting(Failure::Replaced(moved)))
        }
        (Err(err), _) => Err(err.into()),
    }
}

/// The first generation: settings, account, and the chain with every policy loaded; and what registries gave for it.
async fn first(
    path: &Path,
    settings: Reloadable,
    engine: &PolicyRuntime,
) -> Result<(InForce, Pulled), Failure> {
    let line = |fault| Failure::Policies(vec![format!("{}: {fault}", path.display())]);
    let mut modules = Modules::read(&settings).await;
    let prepared = Prepared::new(settings, None).map_err(line)?;
    let chain = policies::build(engine, None, prepared.entries(), &modules).await;
    let chain = chain.map_err(|lines| Failure::of_policies(lines, &modules))?;
    policies::log_trials(&chain, prepared.entries());
    modules.pulled.remember().await;
    // It may have been left above its bound, or have another by now.
    modules.pulled.prune(&modules.pulled).await;
    let rules = Rules::new(prepared.entries().to_vec(), &modules, chain);
    Ok((prepared.with(rules), modules.pulled))
}
