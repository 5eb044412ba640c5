//! Second looks: what policies decided before a late call, where that kept the message from it.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use policy_host::{Candidate, Decision, SecondLook};

use super::form::End;
use super::{DecisionLog, Entry};
use crate::in_force::InForce;

/// Takes second looks in for the log.
pub(crate) struct SecondLooks {
    log: Arc<DecisionLog>,
    /// Weak, as whoever asks late keeps no policies from their end.
    in_force: Weak<ArcSwap<InForce>>,
}

impl SecondLooks {
    pub(crate) fn new(log: Arc<DecisionLog>, in_force: &Arc<ArcSwap<InForce>>) -> Self {
        Self { log, in_force: Arc::downgrade(in_force) }
    }

    /// The generation that is to be asked, so that the record tells the very policies that were; none where the process
    /// is about to end.
    pub(crate) fn in_force(&self) -> Option<Arc<InForce>> {
        self.in_force.upgrade().map(|in_force| in_force.load_full())
    }

    /// Queues what became of `candidate`, as often as other messages are recorded; lost, and counted, where there is no
    /// room.
    pub(crate) fn end(
        &self,
        candidate: Candidate,
        (look, decisions): (&SecondLook, Vec<Decision>),
        in_force: Arc<InForce>,
    ) {
        if self.log.is_sampled() {
            let end = end_of_look(look);
            self.log.queue(Entry { candidate, decisions, end, in_force, is_second_look: true });
        }
    }
}

/// What a second look came to.
pub(crate) fn end_of_look(look: &SecondLook) -> End {
    let (policy, code, until_ms) = match look {
        SecondLook::Goes => (None, None, None),
        SecondLook::Rejected { policy, rejection, .. } => {
            (Some(policy), Some(rejection.code.clone()), None)
        }
        SecondLook::PutOff { until, code, policy } => {
            (Some(policy), Some(code.clone()), Some(until.0))
        }
        SecondLook::Failed { policy, failure } => {
            (Some(policy), Some(failure.as_str().to_owned()), None)
        }
    };
    let policy = policy.map(ToString::to_string);
    End { verdict: look.as_str().to_owned(), policy, code, until_ms }
}
