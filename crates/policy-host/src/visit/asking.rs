//! The circumstances of one question.

use std::sync::Arc;
use std::time::Duration;

use message::facts::Probed;
use message::{MessageId, Timestamp};

use crate::foresight::Foresight;

/// The circumstances of one question to a policy.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// The message that reservations belong to.
    pub(crate) by: MessageId,
    /// The handset's number and the message's text, which the log does not show; empty where there is none.
    pub(crate) handset: Box<str>,
    pub(crate) text: Box<str>,
    /// The instant of the decision.
    pub(crate) now: Timestamp,
    /// Whether the ledger may only be looked at.
    pub(crate) dry_run: bool,
    /// How far `now` is ahead of the clock. Only a dry run is: the ledger is looked at as it is now, and what it tells
    /// of is so much older.
    pub(crate) ahead: Duration,
    /// What was found at each media URL.
    pub(crate) probes: Vec<Option<Probed>>,
    /// The account at Plivo whose usage a limit by account counts.
    pub(crate) account: Arc<str>,
    /// Whether its calls of `state` are remembered.
    pub(crate) record: bool,
    /// Whether the answer is heeded; what it remembers for it is kept apart where it is not.
    pub(crate) heeded: bool,
    /// What was foretold of the ledger's answers, or a guess at its questions.
    pub(crate) foresight: Option<Arc<Foresight>>,
}

impl Asking {
    /// The instant to ask the ledger at: its clock never runs ahead.
    pub(crate) fn clock(&self) -> Timestamp {
        self.now.before(self.ahead)
    }

    /// Whether this only finds out what it will ask: nothing of it may be seen, heard or kept.
    pub(crate) fn guesses(&self) -> bool {
        self.foresight.as_ref().is_some_and(|foresight| foresight.guesses())
    }
}
