//! Candidates that came into force, although the files still name them as candidates.

use policy_host::{Digest, Policy, TrialReport};
use serde_json::Value;

use crate::config::PolicyEntry;
use crate::modules::Modules;

/// A candidate that came into force. It stays so while the files describe both as they were; a restart begins with what
/// the files call the module.
#[derive(Clone, Debug)]
pub(crate) struct Promotion {
    pub(crate) policy: String,
    pub(crate) at: jiff::Timestamp,
    pub(crate) from: Revision,
    pub(crate) to: Revision,
}

/// What a revision is made of. Settings may hold salts, so they are known by their digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) module: Digest,
    settings: Digest,
}

impl Promotion {
    /// The candidate of `policy`, as `entry` has it, comes into force.
    pub(crate) fn of(entry: &PolicyEntry, policy: &Policy, trial: &TrialReport) -> Self {
        Self {
            policy: entry.name.clone(),
            at: jiff::Timestamp::now(),
            from: Revision::new(policy.digest(), entry.settings()),
            to: Revision::new(trial.digest, entry.candidate_settings()),
        }
    }

    /// Whether the files describe what was in force before, and what came into force, as they were.
    fn holds(&self, entry: &PolicyEntry, modules: &Modules) -> bool {
        let read = |source, settings| {
            let module = modules.get(source)?.ok()?;
            Some(Revision::new(Digest::of(&module), settings))
        };
        let Some(candidate) = &entry.candidate else { return false };
        read(&entry.module, entry.settings()) == Some(self.from)
            && read(&candidate.module, entry.candidate_settings()) == Some(self.to)
    }
}

/// What the files say of the policies, whatever came into force since: equal where they are of the same modules and
/// settings, under the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filed(Digest);

impl Filed {
    pub(crate) fn of(entries: &[PolicyEntry], modules: &Modules) -> Self {
        let module = |source| Some(Digest::of(&modules.get(source)?.ok()?));
        let said = entries.iter().map(|entry| {
            let candidate = entry.candidate.as_ref();
            let candidate = candidate.map(|own| (module(&own.module), own.rules.clone()));
            let settings = [entry.settings(), entry.candidate_settings()].map(Value::to_string);
            let rules = (entry.on_failure, entry.mode, entry.grants, &entry.apps, entry.isolation);
            let bounds = (entry.limits, entry.budget);
            format!(
                "{:?}\n",
                (&entry.name, module(&entry.module), candidate, settings, rules, bounds)
            )
        });
        Self(Digest::of(said.collect::<String>().as_bytes()))
    }
}

impl Revision {
    fn new(module: Digest, settings: &Value) -> Self {
        Self { module, settings: Digest::of(settings.to_string().as_bytes()) }
    }
}

/// The policies of the files with those promotions that still hold, and these; and the policies of those that do not.
pub(crate) fn applied(
    mut entries: Vec<PolicyEntry>,
    mut promotions: Vec<Promotion>,
    modules: &Modules,
) -> (Vec<PolicyEntry>, Vec<Promotion>, Vec<String>) {
    let mut over = Vec::new();
    promotions.retain(|promotion| {
        let of_it = |entry: &&mut PolicyEntry| entry.name == promotion.policy;
        let held = entries.iter_mut().find(of_it).filter(|entry| promotion.holds(entry, modules));
        if held.is_none() {
            over.push(promotion.policy.clone());
        }
        held.map(PolicyEntry::promote).is_some()
    });
    (entries, promotions, over)
}
