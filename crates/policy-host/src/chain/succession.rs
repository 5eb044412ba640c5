//! One chain in the place of another.

use std::sync::Arc;

use thiserror::Error;

use super::PolicyChain;
use crate::revision::Revision;
use crate::trial::Trial;
use crate::{Generation, Policy};

/// Why a candidate does not come into force.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotPromoted {
    /// The chain has no policy of this name.
    #[error("there is no policy of this name")]
    NoSuchPolicy,
    /// The policy has none.
    #[error("the policy has no candidate")]
    NoCandidate,
    /// It failed too often; the kind of the last failure.
    #[error("the candidate failed too often and was dropped")]
    Dropped(&'static str),
}

impl PolicyChain {
    /// The same policies with their warm instances, as the chain of `generation`.
    #[must_use]
    pub fn renewed(&self, generation: Generation) -> Self {
        let (policies, ledger) = (self.policies.clone(), Arc::clone(&self.ledger));
        Self { generation, policies, ledger }
    }

    /// The same as the chain after it, with the candidate of the policy called `name` in its place. The trial has ended
    /// with that, whatever becomes of the chain.
    ///
    /// # Errors
    ///
    /// There is no such policy, or no candidate that could.
    pub fn promoted(&self, name: &str) -> Result<Self, NotPromoted> {
        let own = |policy: &Arc<Policy>| policy.name().as_str() == name;
        let nth = self.policies.iter().position(own).ok_or(NotPromoted::NoSuchPolicy)?;
        let mut next = self.renewed(self.generation.next());
        next.policies[nth] = Arc::new(self.policies[nth].promoted()?);
        Ok(next)
    }

    /// What the policies of `before` have tried to its end, rolled back or dropped, is not tried again by these: other
    /// policies may have been in force between.
    pub fn keep_ends_of_trials(&self, before: &Self) {
        for (trial, other) in self.trials_beside(before) {
            if let Some(earlier) = &other.trial {
                trial.stays_ended_by(earlier);
            }
        }
    }

    /// Nor is the candidate tried again that had come into force in `before`, which was rolled back from, where the policy
    /// is among those that `were_promoted` there.
    pub fn keep_rolled_back(&self, before: &Self, were_promoted: impl Fn(&str) -> bool) {
        for (trial, other) in self.trials_beside(before) {
            if were_promoted(other.name().as_str()) {
                trial.was_rolled_back(&other.revision);
            }
        }
    }

    /// Each trial, with the policy of the same name in `before`.
    fn trials_beside<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a Trial, &'a Policy)> {
        self.policies.iter().filter_map(|policy| {
            let own = |other: &&Arc<Policy>| other.name() == policy.name();
            Some((policy.trial.as_ref()?, &**before.policies.iter().find(own)?))
        })
    }

    /// Tells the policies that this chain is in force now, and no longer `last`: those of this one may keep warm
    /// instances, whatever was in force between, and what only `last` used gives its own back.
    pub fn take_place_of(&self, last: &Self) {
        self.revisions().for_each(|own| own.bring_back());
        let used = |revision| self.revisions().any(|own| Arc::ptr_eq(own, revision));
        last.revisions().filter(|revision| !used(revision)).for_each(|left| left.retire());
    }

    fn revisions(&self) -> impl Iterator<Item = &Arc<Revision>> {
        self.policies.iter().flat_map(|policy| policy.revisions())
    }
}
