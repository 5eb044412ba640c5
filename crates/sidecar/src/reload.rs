//! Bringing a changed configuration or module into force, or leaving everything as it was and saying why.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use policy_host::PolicyRuntime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::config::{Config, Environment, Fixed, Snapshot};
use crate::delivery::Delivery;
use crate::in_force::InForce;
use crate::{policies, spans};

/// How long to wait after a change was seen, for the rest of the same deployment to arrive.
const SETTLE: Duration = Duration::from_millis(50);

/// Builds generations and puts them into force.
pub(crate) struct Reloader {
    pub(crate) path: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) fixed: Fixed,
    /// `--ephemeral` was given, which no file can take back.
    pub(crate) ephemeral: bool,
    pub(crate) runtime: Arc<PolicyRuntime>,
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) status: Arc<ReloadStatus>,
    /// What the generation in force, or the one refused last, was read from.
    pub(crate) seen: Snapshot,
}

/// What reloads have come to; `/readyz` and `/policies` show it.
#[derive(Debug, Default)]
pub(crate) struct ReloadStatus {
    state: Mutex<State>,
}

/// The refusal that stands until a reload succeeds.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// When it was refused first.
    pub(crate) at: jiff::Timestamp,
    /// Attempts refused since the last that was applied.
    pub(crate) times: u64,
    /// Every reason, with file, line and key.
    pub(crate) faults: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    applied: u64,
    refused: Option<Refused>,
}

impl ReloadStatus {
    pub(crate) fn applied(&self) -> u64 {
        self.lock().applied
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing under this lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeed(&self) {
        let mut state = self.lock();
        state.applied += 1;
        state.refused = None;
    }

    fn refuse(&self, faults: Vec<String>) {
        let mut state = self.lock();
        let before = state.refused.take();
        state.refused = Some(Refused {
            at: before.as_ref().map_or_else(jiff::Timestamp::now, |refused| refused.at),
            times: before.map_or(0, |refused| refused.times) + 1,
            faults,
        });
    }
}

impl Reloader {
    /// Reloads whenever something changed, until `stop`. Changes are seen by the system's notices on the folders, and by
    /// reading every file again each `poll`: a notice can be missed (a swapped link's target, a network mount).
    pub(crate) async fn run(mut self, poll: Duration, stop: CancellationToken) {
        let (noticed, mut notices) = mpsc::channel(1);
        let mut watch = Watch::new(noticed);
        watch.folders_of(self.seen.paths());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = notices.recv() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(poll) => {}
            }
            self.reload_if_changed().await;
            watch.folders_of(self.seen.paths());
        }
    }

    async fn reload_if_changed(&mut self) {
        let paths: Vec<PathBuf> = self.seen.paths().cloned().collect();
        let Ok(now) = tokio::task::spawn_blocking(move || Snapshot::read(paths)).await else {
            return;
        };
        if now == self.seen {
            return;
        }
        let span = spans::reload();
        let (outcome, seen) = self.build().instrument(span.clone()).await;
        let _entered = span.enter();
        // Remembered even where it was refused, so that the same bytes are not tried over and over.
        self.seen = seen;
        match outcome {
            Ok(next) => {
                let generation = next.chain.generation();
                self.delivery.use_account(next.account.clone());
                self.in_force.store(Arc::new(next));
                self.status.succeed();
                spans::reloaded(&span, generation.0, "applied");
                tracing::info!(generation = generation.0, "a new generation is in force");
            }
            Err(faults) => {
                let generation = self.in_force.load().chain.generation();
                spans::reloaded(&span, generation.0, "refused");
                for fault in &faults {
                    tracing::error!(
                        generation = generation.0,
                        fault,
                        "reload refused; the last good generation serves"
                    );
                }
                self.status.refuse(faults);
            }
        }
    }

    /// The next generation, or every reason against it; and the files it was read from, as they were just before.
    async fn build(&self) -> (Result<InForce, Vec<String>>, Snapshot) {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let loaded = tokio::task::spawn_blocking(move || Config::load(&path, &environment)).await;
        let config = match loaded {
            Ok(Ok(config)) => config,
            Ok(Err(faults)) => {
                let lines = faults.faults().iter().map(ToString::to_string).collect();
                return (Err(lines), faults.snapshot().clone());
            }
            Err(err) => {
                return (
                    Err(vec![format!("the configuration could not be read: {err}")]),
                    self.seen.clone(),
                );
            }
        };
        let config = if self.ephemeral { config.ephemeral() } else { config };
        let seen = config.snapshot().clone();
        if let Some(key) = self.fixed.difference(&config.fixed) {
            let file = self.path.display();
            let line = format!(
                "{file}: {key}: is fixed while the sidecar runs; restart it to change this"
            );
            return (Err(vec![line]), seen);
        }
        let current = self.in_force.load_full();
        let next =
            match policies::build(&self.runtime, Some(&current.chain), &config.reloadable.policies)
                .await
            {
                Ok(chain) => {
                    let file = self.path.display();
                    let next = InForce::new(config.reloadable, Arc::new(chain), Some(&current));
                    next.map_err(|fault| vec![format!("{file}: {fault}")])
                }
                Err(faults) => Err(faults),
            };
        (next, seen)
    }
}

/// The system's notices on every folder that holds a file of interest.
///
/// Folders, since a file that is replaced by renaming, or behind a link that is swapped as Kubernetes does it, is not
/// the file that was watched before.
struct Watch {
    watcher: Option<notify::RecommendedWatcher>,
    folders: Vec<PathBuf>,
}

impl Watch {
    fn new(noticed: mpsc::Sender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |_event| {
            // One notice in the channel is enough; more would say the same.
            let _ = noticed.try_send(());
        });
        let watcher = watcher
            .map_err(|err| tracing::warn!(error = %err, "no file notices; polling only"))
            .ok();
        Self { watcher, folders: Vec::new() }
    }

    fn folders_of<'a>(&mut self, files: impl IntoIterator<Item = &'a PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted: Vec<PathBuf> = files.into_iter().flat_map(|file| folders(file)).collect();
        wanted.sort();
        wanted.dedup();
        for gone in self.folders.iter().filter(|folder| !wanted.contains(folder)) {
            // It may have been removed, and its watch with it.
            drop(notify::Watcher::unwatch(watcher, gone));
        }
        self.folders.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            let watched = self.folders.contains(&folder);
            // A folder that is not there yet is tried again after the next poll.
            if !watched
                && notify::Watcher::watch(watcher, &folder, notify::RecursiveMode::NonRecursive)
                    .is_ok()
            {
                self.folders.push(folder);
            }
        }
    }
}

/// The folder of `file` as it is named, and of what it leads to through links.
fn folders(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| {
        path.parent().map(|folder| {
            if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() }
        })
    };
    let named = parent(file);
    let real = file.canonicalize().ok().and_then(|path| parent(&path));
    named.into_iter().chain(real).collect()
}
