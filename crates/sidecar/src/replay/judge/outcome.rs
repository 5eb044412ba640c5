//! What came of a record that was to be decided again.

use super::Transition;

/// A record that was decided again, or why not.
#[derive(Debug)]
pub(in crate::replay) struct Judged {
    pub(in crate::replay) outcome: Outcome,
    /// The log did not have all that was asked.
    pub(in crate::replay) guessed: bool,
    /// A policy ran out of the time that it has here, which is long.
    pub(in crate::replay) out_of_time: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::replay) enum Outcome {
    Alike,
    Changed(Transition),
    /// Otherwise, by the very module that decided then, on a message that is not whole: the log lacks what it read.
    Untold,
    NotCompared(Why),
    /// The record cannot have been written by Sendgate; what is wrong with it.
    Unfit(String),
}

/// Why a record cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::replay) enum Why {
    /// The message never came to the policy.
    NotAsked,
    /// A policy ran out of time, or was not asked for want of room or budget.
    OfTheMoment,
    /// An earlier revision stood in for a policy that failed.
    StoodIn,
    /// Its line of policies is missing, so nobody knows the settings.
    NoSettings,
    /// The module does not take the settings or the limits that the policy had then.
    Unfit,
}

impl Judged {
    pub(in crate::replay) fn not(why: Why) -> Self {
        Self { outcome: Outcome::NotCompared(why), guessed: false, out_of_time: false }
    }
}

impl Why {
    pub(in crate::replay) fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "the policy was not asked",
            Self::OfTheMoment => "a policy ran out of time, or could not be asked",
            Self::StoodIn => "an earlier revision stood in",
            Self::NoSettings => "the line that tells the policies is missing",
            Self::Unfit => "the policy's settings or limits then do not fit the module",
        }
    }
}
