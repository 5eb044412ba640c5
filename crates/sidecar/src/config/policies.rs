//! `[[policies]]`: the chain, in order.

mod candidate;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use policy_host::{ErrorBudget, Grants, Isolation, Mode, OnFailure, VisitLimits};
use serde_json::Value;

use super::Location;
use super::settings::Settings;

pub use self::candidate::CandidateEntry;

/// What is to be said of a module in a registry that has a tag and no digest.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "oci"), allow(dead_code, reason = "nothing is in a registry then"))]
pub(super) enum Tags {
    /// That it is refused.
    Refused,
    /// That whoever may push decides what it is.
    Anybodys,
    /// That whoever may push chooses among what the keys signed.
    Signed,
}

/// Where a module is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModuleSource {
    /// A file, which was there when the configuration was read.
    File(PathBuf),
    /// A registry.
    #[cfg(feature = "oci")]
    Registry(::registry::Reference),
}

/// One policy of the chain: its module, what it may do, and its settings.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// Its name in spans, answers and its state: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// What faults and warnings call it: `policies.NAME`, or its place such as `policies[1]` where the name itself is at fault.
    pub key: String,
    /// Where its module is.
    pub module: ModuleSource,
    /// What happens when it cannot decide. Default: the message is refused.
    pub on_failure: OnFailure,
    /// Whether its verdict counts. Default: it does.
    pub mode: Mode,
    /// What it may do besides deciding.
    pub grants: Grants,
    /// The apps whose messages it sees; all where absent. Never empty.
    pub apps: Option<Vec<Arc<str>>>,
    /// Whether its instances are used again. Default: they are.
    pub isolation: Isolation,
    /// What one decision may cost. Default 50 ms, 16 MiB (512 are the engine's most), 64 calls to imports,
    /// 4,096 bytes of log.
    pub limits: VisitLimits,
    /// Every app of the file, for settings that name some.
    pub known_apps: Arc<[Arc<str>]>,
    /// How often it may fail before it is asked no more. Default: as often as it does.
    pub budget: Option<ErrorBudget>,
    /// What is on trial beside it.
    pub candidate: Option<CandidateEntry>,
    settings: Settings,
    places: Places,
}

/// Keys of a policy of which something may be wrong that only its module shows.
const PLACED: [&str; 5] = ["module", "settings", "grants", "memory_mb", "candidate"];

/// Where a policy's table begins, and where each of [`PLACED`] stands that is written.
#[derive(Clone, Debug)]
struct Places {
    table: Location,
    keys: BTreeMap<&'static str, Location>,
}

impl fmt::Display for ModuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            #[cfg(feature = "oci")]
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

impl PolicyEntry {
    /// The settings, as the JSON object that the policy is configured with. Null, which TOML has not, stands for what
    /// JSON cannot hold and is a fault already.
    pub fn settings(&self) -> &Value {
        &self.settings.value
    }

    /// Has the policy configured with what `map` makes of its settings.
    pub(crate) fn map_settings(
        &mut self,
        map: impl FnOnce(&serde_json::Value) -> serde_json::Value,
    ) {
        self.settings.value = map(&self.settings.value);
    }

    /// Where the value at `pointer` (RFC 6901, into the settings) stands in the file, or the nearest thing around it.
    pub fn locate(&self, pointer: &str) -> &Location {
        self.settings.locate(pointer)
    }

    /// What is wrong with `key`: a line with its place, or the policy's own where it is not written.
    pub fn fault(&self, key: &str, detail: impl fmt::Display) -> String {
        match self.places.keys.get(key) {
            Some(at) => format!("{at}: {}.{key}: {detail}", self.key),
            None => format!("{}: {}: {detail}", self.places.table, self.key),
        }
    }

    /// The settings of the candidate, where there is one.
    pub fn candidate_settings(&self) -> &Value {
        &self.settings_on_trial().value
    }

    /// As [`PolicyEntry::locate`], of the candidate's settings.
    pub fn locate_candidate(&self, pointer: &str) -> &Location {
        self.settings_on_trial().locate(pointer)
    }

    /// Has the candidate take the policy's place.
    pub fn promote(&mut self) {
        if let Some(CandidateEntry { module, settings, .. }) = self.candidate.take() {
            self.module = module;
            self.settings = settings.unwrap_or_else(|| self.settings.clone());
        }
    }

    fn settings_on_trial(&self) -> &Settings {
        let own = self.candidate.as_ref().and_then(|candidate| candidate.settings.as_ref());
        own.unwrap_or(&self.settings)
    }
}

#[cfg(test)]
mod tests;
