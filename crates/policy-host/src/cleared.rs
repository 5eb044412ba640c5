//! How a message comes out of a chain.

use message::facts::Facts;
use message::{Change, Hold, LedgerError, Message, Note, Pace, Rejection, Settlement};

use crate::decision::{Decision, LimitReport};
use crate::holds::Holds;
use crate::{Generation, PolicyFailure, PolicyName};

/// What was said about a message on its way.
#[derive(Debug)]
pub struct Trail {
    /// The chain it went through.
    pub generation: Generation,
    /// Every policy's verdict, in order.
    pub decisions: Vec<Decision>,
    /// What policies changed, for the answer's `transformations`.
    pub changes: Vec<Change>,
    /// Notes that the app is shown.
    pub warnings: Vec<Note>,
    /// Every limit that was charged or that refused.
    pub standings: Vec<LimitReport>,
    /// The policy that chose the sender, or made of a text a message with media or the other way round: the last, where
    /// several did.
    pub sender_by: Option<PolicyName>,
}

/// A message that every policy let through. Nothing else is sent.
///
/// Only [`PolicyChain::clear`](crate::PolicyChain::clear) makes one. It holds what the policies reserved and charged
/// until it is settled; dropped unsettled it gives all of it back and logs so.
///
/// ```compile_fail
/// fn forge(message: message::Message, facts: message::facts::Facts) -> policy_host::Cleared {
///     policy_host::Cleared { message, facts }
/// }
/// ```
#[derive(Debug)]
#[must_use = "what it holds is given back when it is dropped"]
pub struct Cleared {
    message: Message,
    facts: Facts,
    holds: Holds,
    trail: Trail,
}

/// A message that was not cleared. What policies had reserved and charged has been given back.
#[derive(Debug)]
pub struct NotCleared {
    /// Why.
    pub kind: NotClearedKind,
    /// The policy that ended its way.
    pub policy: PolicyName,
    /// The message as that policy saw it.
    pub message: Message,
    /// What was said about it.
    pub trail: Trail,
}

/// Why a message was not cleared.
#[derive(Debug)]
pub enum NotClearedKind {
    /// A policy refused it.
    Rejected(Rejection),
    /// A policy could not decide, and its operator wants that to refuse.
    Failed(PolicyFailure),
}

/// What every policy says of a message that is not to be sent.
#[derive(Debug)]
pub struct Explanation {
    /// The first policy that would have ended its way, and why.
    pub stopped: Option<(PolicyName, NotClearedKind)>,
    /// The message as it would be sent.
    pub message: Message,
    /// The facts of that.
    pub facts: Facts,
    /// What was said about it, by policies after the first refusal too.
    pub trail: Trail,
}

impl Cleared {
    pub(crate) fn new(message: Message, facts: Facts, holds: Holds, trail: Trail) -> Self {
        Self { message, facts, holds, trail }
    }

    /// The message to send, as the policies amended it.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The facts of that message.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Every policy's verdict, in order.
    pub fn decisions(&self) -> &[Decision] {
        &self.trail.decisions
    }

    /// What policies changed, for the answer's `transformations`.
    pub fn changes(&self) -> &[Change] {
        &self.trail.changes
    }

    /// The policy that chose the sender or the kind, where one did.
    pub fn sender_by(&self) -> Option<&PolicyName> {
        self.trail.sender_by.as_ref()
    }

    /// Notes that the app is shown.
    pub fn warnings(&self) -> &[Note] {
        &self.trail.warnings
    }

    /// Every limit that was charged.
    pub fn standings(&self) -> &[LimitReport] {
        &self.trail.standings
    }

    /// The limits that are to be kept when it is sent.
    pub fn paces(&self) -> impl Iterator<Item = &Pace> {
        self.trail.standings.iter().filter_map(|standing| standing.pace.as_ref())
    }

    /// The chain that cleared it.
    pub fn generation(&self) -> Generation {
        self.trail.generation
    }

    /// What is held for it, for a durable record that outlives this process.
    pub fn holds(&self) -> &[Hold] {
        self.holds.as_slice()
    }

    /// Ends what is held for it: kept where the message was or may have been sent, given back where nothing was.
    ///
    /// Cut off, it goes on in the background.
    ///
    /// # Errors
    ///
    /// The ledger is away; what is held expires by itself.
    pub async fn settle(self, settlement: Settlement) -> Result<(), LedgerError> {
        self.holds.settle(settlement).await
    }

    /// Leaves what is held to the caller's durable record, which settles it by the ledger.
    pub fn entrust(self) -> (Message, Facts, Trail, Vec<Hold>) {
        (self.message, self.facts, self.trail, self.holds.entrust())
    }
}
