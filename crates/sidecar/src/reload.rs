//! Bringing a changed configuration or module into force, or leaving everything as it was and saying why.

mod place;
mod status;
mod upkeep;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy_host::{Generation, PolicyChain, PolicyName, PolicyRuntime};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::watch::Watch;
use crate::config::{Config, Environment, Finding, Fixed, PolicyEntry, Snapshot};
use crate::generations::Generations;
use crate::history::How;
use crate::in_force::{Prepared, Rules};
use crate::modules::{Modules, Pulled};
use crate::{policies, promotions, reasons, service_manager, spans};

pub(crate) use self::status::ReloadStatus;
pub(crate) use self::upkeep::Upkeep;

/// How long to wait after a change was seen, for the rest of the same deployment to arrive.
const SETTLE: Duration = Duration::from_millis(50);

/// How long files have to stand still that name a policy no more: what is there of one that is still being written may be
/// a whole one, with fewer policies.
const STAND_STILL: Duration = Duration::from_secs(1);

/// Builds generations and puts them into force.
pub(crate) struct Reloader {
    pub(crate) path: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) fixed: Fixed,
    /// `--ephemeral` was given, which no file can take back.
    pub(crate) ephemeral: bool,
    pub(crate) runtime: Arc<PolicyRuntime>,
    pub(crate) generations: Arc<Generations>,
    pub(crate) status: Arc<ReloadStatus>,
    /// How often files are read where no notice came.
    pub(crate) poll: Duration,
    /// What the generation in force, or the one refused last, was read from.
    pub(crate) seen: Snapshot,
    /// What registries have to be asked again.
    pub(crate) upkeep: Upkeep,
    /// SIGHUP: look now.
    pub(crate) hangup: Signal,
}

/// What came of it or every reason against it, the files that it was read from, and what registries gave, if they were
/// asked.
type Built<T> = (Result<T, Vec<String>>, Snapshot, Option<Pulled>);

/// What a reload would put into force.
struct Next {
    /// The generation that was in force when it was built.
    basis: Generation,
    prepared: Prepared,
    rules: Rules,
    poll: Duration,
    /// Told once it is in force: of what is refused the faults say enough.
    warnings: Vec<Finding>,
    /// The policies whose candidates had come into force, which the files describe anew.
    over: Vec<String>,
}

impl Reloader {
    /// Reloads whenever something changed, until `stop`. Changes are seen by the system's notices on the folders, and
    /// by reading every file again at times: a notice can be missed (a link in the middle of others, a network mount).
    pub(crate) async fn run(self, stop: CancellationToken) {
        let promoting = promote(Arc::clone(&self.runtime), Arc::clone(&self.generations));
        // A registry that takes its time holds up neither a promotion nor the end.
        tokio::select! {
            () = stop.cancelled() => {}
            () = promoting => {}
            () = self.watch() => {}
        }
    }

    async fn watch(mut self) {
        let (noticed, mut notices) = mpsc::channel(1);
        let mut watch = Watch::new(noticed);
        loop {
            // What changed before its folder was watched gave no notice.
            while watch.folders_of(self.seen.paths()) {
                self.reload_if_changed(&watch).await;
            }
            tokio::select! {
                Some(()) = notices.recv() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(self.poll) => {}
                () = self.upkeep.due() => {}
                Some(()) = self.hangup.recv() => {
                    self.reload_as_asked(&watch).await;
                    continue;
                }
            }
            self.reload_if_changed(&watch).await;
        }
    }

    /// Reads everything again, asks registries what their tags lead to, and tries what was refused once more.
    async fn reload_as_asked(&mut self, watch: &Watch) {
        service_manager::reloading();
        self.upkeep.hasten();
        if self.status.refused().is_some() {
            self.reload(watch).await;
        } else if !self.reload_if_changed(watch).await {
            tracing::info!("asked to reload, and nothing has changed");
        }
        self.generations.unlatch();
        service_manager::reloaded();
    }

    /// Whether there was a change, and so an attempt.
    async fn reload_if_changed(&mut self, watch: &Watch) -> bool {
        watch.until_written(&self.seen).await;
        let Some(now) = snapshot_of(&self.seen).await else { return false };
        if now == self.seen && !self.upkeep.wants_reload().await {
            return false;
        }
        self.reload(watch).await;
        true
    }

    async fn reload(&mut self, watch: &Watch) {
        let span = spans::reload();
        let (outcome, seen, pulled) = self.bring_into_force(watch).instrument(span.clone()).await;
        // Remembered even where it was refused, so that the same bytes are not tried over and over.
        self.seen = seen;
        let applied = outcome.is_ok();
        span.in_scope(|| self.tell(&span, outcome));
        self.upkeep.tried(pulled, applied).await;
    }

    /// Says what came of a reload.
    fn tell(&mut self, span: &tracing::Span, outcome: Result<(Generation, Duration), Vec<String>>) {
        match outcome {
            Ok((generation, poll)) => {
                self.poll = poll;
                self.status.succeed();
                service_manager::follows();
                spans::reloaded(span, generation.0, "applied");
                tracing::info!(generation = generation.0, "a new generation is in force");
            }
            Err(faults) => {
                let generation = self.generations.in_force().chain.generation();
                spans::reloaded(span, generation.0, "refused");
                for fault in &faults {
                    tracing::error!(
                        generation = generation.0,
                        fault = reasons::masked(fault),
                        "reload refused; the last good generation serves"
                    );
                }
                service_manager::refuses(faults.first().map_or("", |first| first));
                self.generations.history().note(How::Refused, generation, &faults);
                self.status.refuse(&faults);
            }
        }
    }

    /// The generation that came into force and how often its files are looked at, or every reason against it; and the
    /// rest as [`Reloader::build`] has it.
    async fn bring_into_force(&self, watch: &Watch) -> Built<(Generation, Duration)> {
        loop {
            watch.until_written(&self.seen).await;
            let (outcome, seen, pulled) = self.build().await;
            let Next { basis, prepared, rules, poll, warnings, over } = match outcome {
                Ok(next) => next,
                Err(faults) => return (Err(faults), seen, pulled),
            };
            let gone = gone(&self.generations.in_force().chain, &rules.chain);
            if !gone.is_empty() {
                tracing::info!(
                    "policies are not named any more, which holds once the files stand still"
                );
                tokio::time::sleep(STAND_STILL).await;
            }
            let changed = snapshot_of(&seen).await.is_none_or(|now| now != seen);
            if changed || watch.are_written(seen.paths()) {
                continue;
            }
            let idle = policies::idle_candidates(&rules.chain, &rules.entries);
            // Where an operator was faster, it is built again, of what is in force by now.
            if let Ok(generation) = self.generations.reload(basis, prepared, rules) {
                for warning in &warnings {
                    tracing::warn!(warning = %warning, "configuration");
                }
                policies::log_idle(&idle);
                for policy in over {
                    tracing::info!(
                        policy.name = policy,
                        "a candidate had come into force; the files describe the policy anew, and count again"
                    );
                }
                for name in gone {
                    tracing::warn!(policy.name = %name, "a policy is not in force any more");
                }
                return (Ok((generation, poll)), seen, pulled);
            }
        }
    }

    /// The next generation, or every reason against it; the files it was read from, as they were just before; and what
    /// registries gave, if they were asked.
    async fn build(&self) -> Built<Next> {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let loaded = tokio::task::spawn_blocking(move || Config::load(&path, &environment)).await;
        let config = match loaded {
            Ok(Ok(config)) => config,
            Ok(Err(faults)) => {
                let mut lines: Vec<String> =
                    faults.faults().iter().map(ToString::to_string).collect();
                // A secret that cannot be read is no other one.
                let is_of = |at: &str, key: &str| {
                    at.strip_prefix(key)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                let told = |key: &str| faults.faults().iter().any(|fault| is_of(&fault.key, key));
                let changed = faults.fixed().map(|fixed| self.changed(fixed)).unwrap_or_default();
                lines.extend(
                    changed.into_iter().filter(|(key, _)| !told(key)).map(|(_, line)| line),
                );
                lines.extend(self.faults(faults.policies()).await);
                return (Err(lines), faults.snapshot().clone(), None);
            }
            Err(err) => {
                let line = format!("the configuration could not be read: {err}");
                return (Err(vec![line]), self.seen.clone(), None);
            }
        };
        let config = if self.ephemeral { config.ephemeral() } else { config };
        let seen = config.snapshot().clone();
        let warnings = config.warnings;
        let mut lines = Vec::new();
        lines.extend(self.changed(&config.fixed).into_iter().map(|(_, line)| line));
        let current = self.generations.in_force();
        // A file that was cut off at the right place is a whole one, and would open the gate.
        if !config.reloadable.names_policies && !current.entries.is_empty() {
            lines.push(format!(
                "{}:1:1: policies: are not named any more; write `policies = []` where every message is to be sent as it \
                 is",
                self.path.display()
            ));
        }
        let poll = config.reloadable.poll;
        let settings = config.reloadable.clone();
        let prepared = Prepared::new(config.reloadable, Some(&current));
        lines.extend(prepared.as_ref().err().map(|fault| {
            let key = fault.split(':').next().unwrap_or_default();
            format!("{}: {fault}", place::of(&self.path, key))
        }));
        let prepared = match prepared {
            Ok(prepared) if lines.is_empty() => prepared,
            _ => {
                lines.extend(self.faults(&settings.policies).await);
                return (Err(lines), seen, None);
            }
        };
        let modules = Modules::read(&settings).await;
        // Registries may have taken a while; what came into force meanwhile is what the next one follows.
        let current = self.generations.in_force();
        let filed = promotions::Filed::of(&settings.policies, &modules);
        let (entries, promotions, over) =
            promotions::applied(settings.policies, current.promotions.clone(), &modules);
        let chain = policies::build(&self.runtime, Some(&current.chain), &entries, &modules).await;
        let basis = current.chain.generation();
        let next = |chain| {
            let rules = Rules { entries, chain: Arc::new(chain), promotions, filed };
            Next { basis, prepared, rules, poll, warnings, over }
        };
        (chain.map(next), seen, Some(modules.pulled))
    }

    /// The keys that hold until a restart and are other ones in the file, each with the line that says so.
    fn changed(&self, fixed: &Fixed) -> Vec<(&'static str, String)> {
        let mut fixed = fixed.clone();
        if self.ephemeral {
            fixed.store.path = None;
        }
        let line = |key: &'static str| {
            let place = place::of(&self.path, key);
            (key, format!("{place}: {key}: is fixed until a restart; restart to change it"))
        };
        self.fixed.differences(&fixed).into_iter().map(line).collect()
    }

    /// What is wrong with policies of a configuration that is refused anyway. No registry is asked for that: each save of
    /// a file under work would wait for it, and `sendgate check` tells what it says.
    async fn faults(&self, entries: &[PolicyEntry]) -> Vec<String> {
        let current = self.generations.in_force();
        let modules = Modules::of_files(entries).await;
        policies::faults(&self.runtime, Some(&current.chain), entries, &modules).await
    }
}

/// The files of `seen` as they are now, where they could be read.
async fn snapshot_of(seen: &Snapshot) -> Option<Snapshot> {
    let paths: Vec<PathBuf> = seen.paths().cloned().collect();
    tokio::task::spawn_blocking(move || Snapshot::read(paths)).await.ok()
}

/// The policies of `last` that `next` has no more.
fn gone(last: &PolicyChain, next: &PolicyChain) -> Vec<PolicyName> {
    let stays = |name: &PolicyName| next.policies().iter().any(|policy| policy.name() == name);
    let names = last.policies().iter().map(|policy| policy.name());
    names.filter(|name| !stays(name)).cloned().collect()
}

/// Brings candidates into force as they pass their trials.
async fn promote(runtime: Arc<PolicyRuntime>, generations: Arc<Generations>) {
    loop {
        runtime.candidate_passed().await;
        generations.promote_passed();
    }
}
