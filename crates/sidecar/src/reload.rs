//! Bringing a changed configuration or module into force, or leaving everything as it was and saying why.

mod build;
mod place;
mod status;
mod upkeep;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy_host::{Generation, PolicyName, PolicyRuntime};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::build::{Built, Next};
use self::watch::Watch;
use crate::config::{Environment, Fixed, Snapshot};
use crate::generations::Generations;
use crate::history::How;
use crate::{policies, reasons, service_manager, spans};

pub(crate) use self::status::ReloadStatus;
pub(crate) use self::upkeep::Upkeep;

/// How long to wait after a change was seen, for the rest of the same deployment to arrive.
const SETTLE: Duration = Duration::from_millis(50);

/// How long files have to stand still that name a policy no more: what is there of one that is still being written may be
/// a whole one, with fewer policies.
const STAND_STILL: Duration = Duration::from_secs(1);

/// How often one reload builds anew since the files have changed meanwhile, before it says so.
const TRIES: u32 = 5;

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
                self.generations.history().note(How::Refused, generation, &faults);
                self.status.refuse(&faults);
            }
        }
    }

    /// The generation that came into force and how often its files are looked at, or every reason against it; and the
    /// rest as [`Reloader::build`] has it.
    async fn bring_into_force(&self, watch: &Watch) -> Built<(Generation, Duration)> {
        let mut tries = 0;
        loop {
            tries += 1;
            watch.until_written(&self.seen).await;
            let (outcome, seen, pulled) = self.build().await;
            if let Ok(next) = &outcome
                && !self.gone(next).is_empty()
            {
                tracing::info!(
                    "policies are not named any more, which holds once the files stand still"
                );
                tokio::time::sleep(STAND_STILL).await;
            }
            let changed = snapshot_of(&seen).await.is_none_or(|now| now != seen)
                || watch.are_written(seen.paths());
            match outcome {
                // Nothing of it holds for the files that are there now, no fault either.
                _ if changed && tries < TRIES => {}
                Ok(_) if changed => return (Err(vec![self.restless()]), seen, pulled),
                Err(faults) => return (Err(faults), seen, pulled),
                Ok(next) => {
                    // Where an operator was faster, it is built again, of what is in force by now.
                    if let Some(applied) = self.put_into_force(next) {
                        return (Ok(applied), seen, pulled);
                    }
                }
            }
        }
    }

    /// The generation's number and how often its files are looked at; none where another has come into force since it
    /// was built.
    fn put_into_force(&self, next: Next) -> Option<(Generation, Duration)> {
        let gone = self.gone(&next);
        let Next { basis, prepared, rules, poll, warnings, over } = next;
        let idle = policies::idle_candidates(&rules.chain, &rules.entries);
        // Nobody is to see the new generation beside the refusal of what was before it.
        let forget = || self.status.forget_refusal();
        let generation = self.generations.reload(basis, prepared, rules, forget).ok()?;
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
        Some((generation, poll))
    }

    /// The policies in force that `next` has no more.
    fn gone(&self, next: &Next) -> Vec<PolicyName> {
        let last = &self.generations.in_force().chain;
        let stays = |name: &PolicyName| {
            next.rules.chain.policies().iter().any(|policy| policy.name() == name)
        };
        let names = last.policies().iter().map(|policy| policy.name());
        names.filter(|name| !stays(name)).cloned().collect()
    }

    fn restless(&self) -> String {
        format!(
            "{}: it, or a file that it names, changed each of {TRIES} times that it was read; what is there once all stand \
             still is taken",
            self.path.display()
        )
    }
}

/// The files of `seen` as they are now, where they could be read.
async fn snapshot_of(seen: &Snapshot) -> Option<Snapshot> {
    let paths: Vec<PathBuf> = seen.paths().cloned().collect();
    tokio::task::spawn_blocking(move || Snapshot::read(paths)).await.ok()
}

/// Brings candidates into force as they pass their trials.
async fn promote(runtime: Arc<PolicyRuntime>, generations: Arc<Generations>) {
    loop {
        runtime.candidate_passed().await;
        generations.promote_passed();
    }
}
