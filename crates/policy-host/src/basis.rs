//! What a decision rests on besides its message and its module, for a record by which it can be taken again.

use std::time::Duration;

use message::Message;
use message::facts::Facts;

pub use message::{StateAnswer, StateQuestion};

/// The time of a reservation that a dry run only looks for, in a record. No policy's own can be so short.
pub const NOT_TAKEN: Duration = Duration::ZERO;

/// What one decision rests on, and what it made of the message; there where the runtime records it, see
/// [`RuntimeOptions::record`](crate::RuntimeOptions::record).
///
/// The rest of what a policy may ask for needs no record: `media.probes` tells what the facts hold, and
/// `telecom.classify` and `zones.offsets` are functions of their arguments and of data that the host was built with.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    /// The calls of `state`, in order, each as the ledger was asked and answered: in a dry run, a look in the place of what
    /// would change something.
    pub calls: Vec<StateCall>,
    /// The message as the policy amended it.
    pub amended: Option<(Message, Facts)>,
    /// Whether a later policy had amended what it was asked about before.
    pub again: bool,
}

/// One call of `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateCall {
    /// What the ledger was asked.
    pub asked: StateQuestion,
    /// What it answered.
    pub answer: StateAnswer,
}
