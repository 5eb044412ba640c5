//! Questions to a ledger as data: for a record of them, and to have them answered before they are asked.

use std::time::Duration;

use super::{Charge, Hold, Holder, LedgerError, LimitKind, LimitRefusal, Standing};

/// What a ledger is asked for a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateQuestion {
    /// What is kept.
    Get {
        /// Under which key.
        key: String,
    },
    /// To keep a value.
    Put {
        /// Under which key.
        key: String,
        /// What is kept.
        value: Vec<u8>,
        /// For how long.
        ttl: Duration,
        /// Only where nothing is kept yet.
        if_absent: bool,
    },
    /// To add to a counter.
    Increment {
        /// Of which key.
        key: String,
        /// How much.
        delta: i64,
        /// How long it is kept.
        ttl: Duration,
    },
    /// To be the one who has a key.
    Reserve {
        /// Which key.
        key: String,
        /// For how long.
        ttl: Duration,
    },
    /// To charge limits, all of them or none.
    Take {
        /// What, and against which.
        charges: Vec<Charge>,
    },
}

/// What a ledger answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateAnswer {
    /// What is kept; none where nothing is.
    Value(Option<Vec<u8>>),
    /// Whether the value was kept.
    Put(bool),
    /// What the counter has come to.
    Sum(i64),
    /// Reserved, or who holds the key.
    Reserved(Option<Holder>),
    /// Charged, and how each limit stands now.
    Taken(Vec<Standing>),
    /// Not charged: the limits that have no room.
    Refused(Vec<LimitRefusal>),
    /// The ledger could not say.
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
