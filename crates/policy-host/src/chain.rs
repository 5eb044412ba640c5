//! The policies in force, in order, and the way of one message through them.

mod afterwards;
mod ahead;
mod late;
mod passage;
mod succession;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use message::facts::Facts;
use message::{Ledger, Message, Timestamp};

use crate::cleared::{Cleared, Explanation, NotCleared};
use crate::{Generation, Policy};
use passage::{Passage, Step, Stop};

pub use afterwards::{Afterwards, Inbound, Outcome, Receipt};
pub use late::SecondLook;
pub use succession::NotPromoted;

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
    /// The name of the account at Plivo that it would be sent with.
    pub account: Arc<str>,
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

    /// The same chain without the policies that `is_left_out` names. Not for sending: it clears less.
    pub fn without(&self, is_left_out: impl Fn(&Policy) -> bool) -> Self {
        let stay = self.policies.iter().filter(|policy| !is_left_out(policy));
        let (policies, ledger) = (stay.cloned().collect(), Arc::clone(&self.ledger));
        Self { generation: self.generation, policies, ledger }
    }

    /// Whether both chains ask the same policies under the same rules, so that nothing is gained by replacing one.
    pub fn decides_like(&self, other: &Self) -> bool {
        let pairs = self.policies.iter().zip(&other.policies);
        self.policies.len() == other.policies.len()
            && pairs.into_iter().all(|(own, other)| own.decides_like(other))
    }

    /// Asks every policy that applies to the app, in order, until one refuses or cannot decide.
    ///
    /// Where one amends the message, those before it are asked again, in a dry run, about the message as it is by then;
    /// one that would amend it in its turn has not cleared it, and fails. Not asked again are policies in the shadow,
    /// which end no way, and those with the grant `state`: what they charged or reserved the first time would stand
    /// against the message.
    ///
    /// What the policies reserved and charged belongs to what is returned: [`Cleared::settle`] ends it, and it has been
    /// given back where the message is not cleared. Cut off, it is given back as well.
    ///
    /// Where the ledger is far, what they will ask it is found out and asked before, in one trip.
    ///
    /// # Errors
    ///
    /// A policy in force refused, or failed while its operator wants that to refuse.
    pub async fn clear(&self, candidate: Candidate) -> Result<Cleared, Box<NotCleared>> {
        match self.ledger.is_far() {
            // On the heap, so that the way of a message whose ledger is near has no room for it.
            true => {
                let foresight = self.foresight(Vec::new());
                Box::pin(self.clear_foreseen(candidate, foresight)).await
            }
            false => self.decide(Passage::new(self, candidate, None)).await,
        }
    }

    async fn decide(&self, mut passage: Passage) -> Result<Cleared, Box<NotCleared>> {
        match self.walk(&mut passage, usize::MAX).await {
            Some(stop) => Err(Box::new(passage.stopped(stop).await)),
            None => Ok(passage.cleared()),
        }
    }

    /// Asks the first `most` policies, until one ends the way.
    async fn walk(&self, passage: &mut Passage, most: usize) -> Option<Stop> {
        let app = passage.app();
        for (asked, policy) in self.policies_for(&app).take(most).enumerate() {
            let opinion = policy.ask(&passage.question()).await;
            let step = passage.take_in(policy, opinion);
            let stop = self.end_of(step, passage, asked).await;
            if stop.is_some() {
                return stop;
            }
        }
        None
    }

    /// Asks every policy that applies to the app, whatever the others say, and changes nothing.
    ///
    /// Each is asked about the message as those before it would have amended it, with the ledger only looked at. Those
    /// before one that amends are asked again as in [`PolicyChain::clear`], as long as nothing has ended the way.
    pub async fn explain(&self, candidate: Candidate) -> Explanation {
        self.explain_ahead(candidate, Duration::ZERO).await
    }

    /// The same of a candidate whose instant is so far `ahead` of the clock: reservations and limits stand as they will
    /// if nothing is sent before it, values and counters as they are now.
    pub async fn explain_ahead(&self, candidate: Candidate, ahead: Duration) -> Explanation {
        let app = Arc::clone(&candidate.app);
        let mut passage = Passage::new(self, candidate, Some(ahead));
        let mut first_stop = None;
        for (asked, policy) in self.policies_for(&app).enumerate() {
            let opinion = policy.ask(&passage.question()).await;
            let step = passage.take_in(policy, opinion);
            if first_stop.is_none() {
                first_stop = self.end_of(step, &mut passage, asked).await;
            }
        }
        passage.explained(first_stop)
    }

    /// Whether `step`, taken after `asked` other policies, ends the way.
    async fn end_of(&self, step: Step, passage: &mut Passage, asked: usize) -> Option<Stop> {
        match step {
            Step::On => None,
            Step::Amended if asked == 0 => None,
            // On the heap, so that the way of a message that nobody amends has no room for it.
            Step::Amended => Box::pin(self.ask_again(passage, asked)).await,
            Step::Ended(stop) => Some(stop),
        }
    }

    /// Asks the first `asked` policies about the message as it was amended since, until one ends its way.
    async fn ask_again(&self, passage: &mut Passage, asked: usize) -> Option<Stop> {
        let app = passage.app();
        let earlier = self.policies_for(&app).take(asked);
        for policy in earlier.filter(|policy| policy.is_asked_again()) {
            let opinion = policy.ask(&passage.question_again()).await;
            let stop = passage.take_in_again(policy, opinion);
            if stop.is_some() {
                return stop;
            }
        }
        None
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
