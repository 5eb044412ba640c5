//! The policies in force, in order, and the way of one message through them.

mod afterwards;
mod passage;

use std::fmt;
use std::sync::Arc;

use message::facts::Facts;
use message::{Ledger, Message, Timestamp};

use crate::cleared::{Cleared, Explanation, NotCleared};
use crate::{Generation, Policy};
use passage::Passage;

pub use afterwards::{Afterwards, Outcome};

/// Policies in order. Never edited: a reload builds the next chain.
pub struct PolicyChain {
    pub(crate) generation: Generation,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) ledger: Arc<dyn Ledger>,
}

/// One message that asks to be cleared.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The message, well formed.
    pub message: Message,
    /// What was found out about it.
    pub facts: Facts,
    /// The app that asks.
    pub app: Arc<str>,
    /// The door it came through: `messages`, `mms-send` or `plivo`.
    pub door: &'static str,
    /// The instant of the decision.
    pub now: Timestamp,
}

impl PolicyChain {
    /// Which chain this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The policies, in the order in which they are asked.
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// The policies that are asked about messages of `app`.
    pub fn policies_for<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Arc<Policy>> {
        self.policies.iter().filter(move |policy| policy.applies_to(app))
    }

    /// Whether both chains ask the same policies under the same rules, so that nothing is gained by replacing one.
    pub fn decides_like(&self, other: &Self) -> bool {
        let pairs = self.policies.iter().zip(&other.policies);
        self.policies.len() == other.policies.len()
            && pairs.into_iter().all(|(own, other)| own.decides_like(other))
    }

    /// Asks every policy that applies to the app, in order, until one refuses or cannot decide.
    ///
    /// What the policies reserved and charged belongs to what is returned: [`Cleared::settle`] ends it, and it has been
    /// given back where the message is not cleared. Cut off, it is given back as well.
    ///
    /// # Errors
    ///
    /// A policy in force refused, or failed while its operator wants that to refuse.
    pub async fn clear(&self, candidate: Candidate) -> Result<Cleared, Box<NotCleared>> {
        let app = Arc::clone(&candidate.app);
        let mut passage = Passage::new(self, candidate, false);
        for policy in self.policies_for(&app) {
            let opinion = policy.ask(&passage.question()).await;
            if let Some(stop) = passage.take_in(policy, opinion) {
                return Err(Box::new(passage.stopped(stop).await));
            }
        }
        Ok(passage.cleared())
    }

    /// Asks every policy that applies to the app, whatever the others say, and changes nothing.
    ///
    /// Each is asked about the message as those before it would have amended it, with the ledger only looked at.
    pub async fn explain(&self, candidate: Candidate) -> Explanation {
        let app = Arc::clone(&candidate.app);
        let mut passage = Passage::new(self, candidate, true);
        let mut first_stop = None;
        for policy in self.policies_for(&app) {
            let opinion = policy.ask(&passage.question()).await;
            let stop = passage.take_in(policy, opinion);
            first_stop = first_stop.or(stop);
        }
        passage.explained(first_stop)
    }
}

impl fmt::Debug for PolicyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyChain")
            .field("generation", &self.generation)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}
