//! Where a policy comes from, and what its operator allows it.

mod grants;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{ErrorBudget, TrialRules};

pub use grants::{Grant, Grants};

/// A policy's name in the configuration. State, counters and records belong to it across reloads.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName(Arc<str>);

/// One policy as the operator wants it.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// Its name, unique in a chain.
    pub name: PolicyName,
    /// A core module that carries component type information, or a component.
    pub module: Arc<[u8]>,
    /// Its settings; `null` counts as no settings at all, `{}`.
    pub settings: serde_json::Value,
    /// What it may import and change.
    pub grants: Grants,
    /// What follows when it cannot decide.
    pub on_failure: OnFailure,
    /// Whether its verdicts count.
    pub mode: Mode,
    /// The apps it is asked about; all of them where absent.
    pub apps: Option<Vec<Arc<str>>>,
    /// Whether instances are used again.
    pub isolation: Isolation,
    /// The bounds of one visit.
    pub limits: VisitLimits,
    /// The apps there are, for settings that name some; those are not looked up where absent.
    pub known_apps: Option<Arc<[Arc<str>]>>,
    /// How often it may fail before it is asked no more; as often as it does where absent.
    pub budget: Option<ErrorBudget>,
    /// A revision on trial beside it.
    pub candidate: Option<CandidateSource>,
}

/// A revision on trial: asked about the same messages under the same grants and limits, and never heeded.
#[derive(Clone, Debug)]
pub struct CandidateSource {
    /// As [`PolicySource::module`].
    pub module: Arc<[u8]>,
    /// As [`PolicySource::settings`].
    pub settings: serde_json::Value,
    /// What is wanted of the trial.
    pub rules: TrialRules,
}

/// What follows when a policy cannot decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Fail closed: the message is refused.
    #[default]
    Reject,
    /// Fail open: the message goes on, with a note.
    Accept,
    /// The revision that was in force before is asked; refused where there is none or it fails too.
    LastGood,
}

/// Whether a policy's verdicts count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They are recorded only: the policy changes no message, and what it remembers it remembers apart.
    Shadow,
    /// The same of a revision on trial beside the one that is heeded.
    Candidate,
}

/// Whether a policy's instances are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Kept between calls, up to [`VisitLimits::max_calls`] and never after a failure.
    #[default]
    Warm,
    /// One instance a call; nothing survives in the guest's memory.
    Fresh,
}

/// The bounds of one visit to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitLimits {
    /// Most time that the guest may run, rounded up to the runtime's tick. What it waits for its state is bounded apart
    /// from that, by [`RuntimeOptions::state_wait`](crate::RuntimeOptions::state_wait).
    pub time: Duration,
    /// Most bytes of linear memory.
    pub memory: usize,
    /// Most calls of the imports `state` and `telecom`.
    pub host_calls: u32,
    /// Most bytes of log lines, each of which counts as 64 at least; the rest is dropped and counted.
    pub log_bytes: usize,
    /// Most visits of one warm instance before a new one takes its place.
    pub max_calls: u32,
}

impl PolicyName {
    /// The name `text`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The owner of what the policy remembers where it is not heeded, so that nobody who is heeded comes upon it. No
    /// configured name has a `~`.
    pub fn shadow(&self) -> Self {
        Self(format!("{}~shadow", self.0).into())
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PolicySource {
    /// A policy with nothing granted and every default: enforced, fail closed, warm, for all apps.
    pub fn new(name: PolicyName, module: impl Into<Arc<[u8]>>) -> Self {
        Self {
            name,
            module: module.into(),
            settings: serde_json::Value::Null,
            grants: Grants::default(),
            on_failure: OnFailure::default(),
            mode: Mode::default(),
            apps: None,
            isolation: Isolation::default(),
            limits: VisitLimits::default(),
            known_apps: None,
            budget: None,
            candidate: None,
        }
    }

    /// What the candidate would be if it were the policy, where there is one.
    pub(crate) fn of_candidate(&self) -> Option<Self> {
        let CandidateSource { module, settings, rules: _ } = self.candidate.clone()?;
        Some(Self { module, settings, candidate: None, ..self.clone() })
    }
}

impl OnFailure {
    /// The configuration's word: `reject`, `accept` or `last-good`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Accept => "accept",
            Self::LastGood => "last-good",
        }
    }
}

impl Mode {
    /// The configuration's word, `enforce` or `shadow`; or `candidate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Candidate => "candidate",
        }
    }
}

impl Default for VisitLimits {
    /// 50 ms, 16 MiB, 64 calls (the contract's number), 4,096 bytes of log (the contract's), 10,000 visits.
    fn default() -> Self {
        Self {
            time: Duration::from_millis(50),
            memory: 16 << 20,
            host_calls: 64,
            log_bytes: 4_096,
            max_calls: 10_000,
        }
    }
}
