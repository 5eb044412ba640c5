//! Questions to a ledger as data: for a record of them, and to have them answered before they are asked.

use std::time::Duration;

use super::{Charge, Hold, Holder, LedgerError, LimitKind, LimitRefusal, Standing};

/// What a ledger is asked for a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the ledger's own words")]
pub enum StateQuestion {
    Get { key: String },
    Put { key: String, value: Vec<u8>, ttl: Duration, if_absent: bool },
    Increment { key: String, delta: i64, ttl: Duration },
    Reserve { key: String, ttl: Duration },
    Take { charges: Vec<Charge> },
}

/// What a ledger answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the ledger's own words")]
pub enum StateAnswer {
    Value(Option<Vec<u8>>),
    Put(bool),
    Sum(i64),
    /// Reserved, or who holds the key.
    Reserved(Option<Holder>),
    Taken(Vec<Standing>),
    Refused(Vec<LimitRefusal>),
    Failed(LedgerError),
}

/// A question that a policy is likely to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The policy's name.
    pub owner: String,
    /// What it asks.
    pub asked: StateQuestion,
}

/// A question that was answered before it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foretold {
    /// The question.
    pub foreseen: Foreseen,
    /// The answer.
    pub answer: StateAnswer,
    /// What was taken with it: the caller's to settle.
    pub holds: Vec<Hold>,
}

impl StateQuestion {
    /// The answer by which a message goes on its way: nothing is there, nobody is before it, nothing is used up.
    pub fn hoped_for(&self) -> StateAnswer {
        match self {
            Self::Get { .. } => StateAnswer::Value(None),
            Self::Put { .. } => StateAnswer::Put(true),
            Self::Increment { delta, .. } => StateAnswer::Sum(*delta),
            Self::Reserve { .. } => StateAnswer::Reserved(None),
            Self::Take { charges } => StateAnswer::Taken(charges.iter().map(unused).collect()),
        }
    }

    /// Whether `answer` is that; for charges, whatever they leave.
    pub fn is_hoped(&self, answer: &StateAnswer) -> bool {
        matches!(answer, StateAnswer::Taken(_)) || *answer == self.hoped_for()
    }
}

fn unused(charge: &Charge) -> Standing {
    let quota = match &charge.kind {
        LimitKind::Window(window) => window.quota,
        LimitKind::Gcra(gcra) => gcra.burst,
        LimitKind::Calendar(calendar) => calendar.quota,
    };
    Standing {
        limit: charge.limit.clone(),
        remaining: quota.saturating_sub(charge.cost),
        reset: Duration::ZERO,
        delay: Duration::ZERO,
    }
}
