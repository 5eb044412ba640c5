//! One chain in the place of another.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::PolicyChain;
use crate::revision::Revision;
use crate::{Generation, PolicyRuntime};

impl PolicyRuntime {
    /// A number for the next chain: higher than that of every chain before it.
    pub fn next_generation(&self) -> Generation {
        Generation(self.shared.next_generation.fetch_add(1, Ordering::Relaxed))
    }
}

impl PolicyChain {
    /// The same policies with their warm instances, as a chain of another generation.
    #[must_use]
    pub fn renewed(&self, generation: Generation) -> Self {
        let (policies, ledger) = (self.policies.clone(), Arc::clone(&self.ledger));
        Self { generation, policies, ledger }
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
