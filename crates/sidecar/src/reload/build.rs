//! Reading everything anew and building what would come into force.

use std::sync::Arc;
use std::time::Duration;

use policy_host::Generation;

use super::{Reloader, place};
use crate::config::{Config, Finding, Fixed, PolicyEntry, Snapshot};
use crate::in_force::{Prepared, Rules};
use crate::modules::{Modules, Pulled};
use crate::{policies, promotions};

/// What came of it or every reason against it, the files that it was read from, and what registries gave, if they were
/// asked.
pub(super) type Built<T> = (Result<T, Vec<String>>, Snapshot, Option<Pulled>);

/// What a reload would put into force.
pub(super) struct Next {
    /// The generation that was in force when it was built.
    pub(super) basis: Generation,
    pub(super) prepared: Prepared,
    pub(super) rules: Rules,
    pub(super) poll: Duration,
    /// Told once it is in force: of what is refused the faults say enough.
    pub(super) warnings: Vec<Finding>,
    /// The policies whose candidates had come into force, which the files describe anew.
    pub(super) over: Vec<String>,
}

impl Reloader {
    /// The next generation, or every reason against it; the files it was read from, as they were just before; and what
    /// registries gave, if they were asked.
    pub(super) async fn build(&self) -> Built<Next> {
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
