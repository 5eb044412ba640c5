//! What policies decided, for records, answers and people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use message::{Change, LimitKind, Note, Pace, Rejection};

use crate::{Basis, Digest, Mode, PolicyName};

/// The count of the chains that were in force, from 1 on; a chain that takes the place of another has the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// Of the chain that there is where none was before.
    pub const FIRST: Self = Self(1);

    /// Of the chain that takes the place of this one's.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One policy's verdict on one message.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The policy.
    pub policy: PolicyName,
    /// The version it gives itself.
    pub version: Arc<str>,
    /// Its module.
    pub digest: Digest,
    /// The chain it was asked in.
    pub generation: Generation,
    /// Whether the verdict counted.
    pub mode: Mode,
    /// The verdict.
    pub verdict: Verdict,
    /// The policy's remarks.
    pub notes: Vec<Note>,
    /// Time from asking to the verdict, waiting included.
    pub elapsed: Duration,
    /// Of that, time in the guest and its imports, without what it waited for its state or for its thread: no less than
    /// counts against [`VisitLimits::time`](crate::VisitLimits::time), and less than one tick more.
    pub guest: Duration,
    /// Bytes of linear memory that the instance holds; it never held more.
    pub memory: usize,
    /// Calls of the imports `state` and `telecom`.
    pub host_calls: u32,
    /// What it rests on, where that is recorded.
    pub basis: Option<Arc<Basis>>,
}

/// A verdict, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let pass as it is.
    Accepted,
    /// Let pass with changes.
    Amended(Vec<Change>),
    /// Refused.
    Rejected(Rejection),
    /// The policy could not decide.
    Failed {
        /// [`PolicyFailure::as_str`](crate::PolicyFailure::as_str).
        kind: &'static str,
        /// A sentence for operators.
        detail: String,
    },
}

/// One limit that a policy charged, or that refused, for the answer's `RateLimit` fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReport {
    /// The policy that keeps the limit.
    pub policy: PolicyName,
    /// The limit's name.
    pub limit: String,
    /// Whose usage, as the policy names it: it may hold a number.
    pub key: String,
    /// How it counts, with its quota and period.
    pub kind: LimitKind,
    /// Cost that could still be charged now. None of a limit that refused other than one at once: it may have room for
    /// less, and does not tell for how much.
    pub remaining: Option<u32>,
    /// Until it is back at its full quota; where it refused, until the same charge could pass.
    pub reset: Duration,
    /// Until the slot that a queueing charge took.
    pub delay: Duration,
    /// Where it queued: how it is kept when the message is sent.
    pub pace: Option<Pace>,
    /// Whether it refused.
    pub refused: bool,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Verdict {
    /// A stable word: `accept`, `amend`, `reject` or `failure`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accept",
            Self::Amended(_) => "amend",
            Self::Rejected(_) => "reject",
            Self::Failed { .. } => "failure",
        }
    }

    /// The codes of the changes, the rejection's, or the kind of the failure.
    pub fn codes(&self) -> Vec<String> {
        match self {
            Self::Accepted => Vec::new(),
            Self::Amended(changes) => changes.iter().map(|change| change.code.clone()).collect(),
            Self::Rejected(rejection) => vec![rejection.code.clone()],
            Self::Failed { kind, .. } => vec![(*kind).to_owned()],
        }
    }

    /// The rejection's code.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Rejected(rejection) => Some(&rejection.code),
            Self::Accepted | Self::Amended(_) | Self::Failed { .. } => None,
        }
    }
}

impl LimitReport {
    /// The most cost in one period, and so the most that can ever be left.
    pub fn quota(&self) -> u32 {
        match &self.kind {
            LimitKind::Window(window) => window.quota,
            // A burst above it is what is there after a rest.
            LimitKind::Gcra(gcra) => gcra.quota.max(gcra.burst),
            LimitKind::Calendar(calendar) => calendar.quota,
        }
    }

    /// The period of the quota; absent for a calendar's, which varies.
    pub fn period(&self) -> Option<Duration> {
        match &self.kind {
            LimitKind::Window(window) => Some(window.per),
            LimitKind::Gcra(gcra) if gcra.burst > gcra.quota => {
                Some(gcra.per * gcra.burst / gcra.quota.max(1))
            }
            LimitKind::Gcra(gcra) => Some(gcra.per),
            LimitKind::Calendar(_) => None,
        }
    }
}
