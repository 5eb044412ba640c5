//! The chain in force, and those before it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::{Generation, PolicyChain};

/// Chains before the one in force that are kept for a rollback, unless said otherwise.
pub const HISTORY: usize = 5;

/// The chain in force. Requests take it once and end on it; a reload replaces it by one pointer.
pub struct Policies {
    current: ArcSwap<PolicyChain>,
    past: Mutex<Past>,
}

/// Chains that are no longer in force.
struct Past {
    /// The oldest first.
    chains: VecDeque<Arc<PolicyChain>>,
    most: usize,
    /// Too old for a rollback, but perhaps still in a request's hands.
    leaving: Vec<Arc<PolicyChain>>,
}

impl Policies {
    /// Brings `first` into force, with [`HISTORY`] chains to be kept behind it.
    pub fn new(first: PolicyChain) -> Self {
        Self::with_history(first, HISTORY)
    }

    /// As [`Policies::new`], with `most` chains to be kept.
    pub fn with_history(first: PolicyChain, most: usize) -> Self {
        let past = Past { chains: VecDeque::new(), most, leaving: Vec::new() };
        Self { current: ArcSwap::from_pointee(first), past: Mutex::new(past) }
    }

    /// The chain in force. Take it once per request and keep it.
    pub fn current(&self) -> Arc<PolicyChain> {
        self.current.load_full()
    }

    /// Brings `next` into force; returns its generation. Requests in flight end on the chain they took.
    ///
    /// Call it off the request path: it drops what no request uses any more.
    pub fn replace(&self, next: PolicyChain) -> Generation {
        let mut past = self.past();
        let next = Arc::new(next);
        bring_back(&next);
        let last = self.current.swap(Arc::clone(&next));
        retire(&last, &next);
        past.chains.push_back(last);
        past.prune();
        next.generation
    }

    /// Brings the chain before the one in force back, compiled as it is; `None` where none is kept.
    pub fn rollback(&self) -> Option<Generation> {
        let mut past = self.past();
        let before = past.chains.pop_back()?;
        bring_back(&before);
        let last = self.current.swap(Arc::clone(&before));
        retire(&last, &before);
        past.leaving.push(last);
        past.prune();
        Some(before.generation)
    }

    /// The generations that [`Policies::rollback`] could bring back, the oldest first.
    pub fn history(&self) -> Vec<Generation> {
        self.past().chains.iter().map(|chain| chain.generation).collect()
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Policies").field(&self.current()).finish()
    }
}

impl Past {
    /// Lets go of what is too old, and drops what is in nobody's hands, on a thread where dropping may take its time.
    fn prune(&mut self) {
        while self.chains.len() > self.most {
            self.leaving.extend(self.chains.pop_front());
        }
        let free = self.leaving.extract_if(.., |chain| Arc::strong_count(chain) == 1);
        let free: Vec<_> = free.collect();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(free))),
            Err(_) => drop(free),
        }
    }
}

/// Lets the revisions of `next` keep warm instances, whatever was in force between.
fn bring_back(next: &PolicyChain) {
    next.policies.iter().flat_map(|policy| policy.revisions()).for_each(|each| each.bring_back());
}

/// Gives the idle instances of revisions back that `next` does not use.
fn retire(last: &PolicyChain, next: &PolicyChain) {
    let used = |revision| {
        next.policies
            .iter()
            .flat_map(|policy| policy.revisions())
            .any(|own| Arc::ptr_eq(own, revision))
    };
    for revision in last.policies.iter().flat_map(|policy| policy.revisions()) {
        if !used(revision) {
            revision.retire();
        }
    }
}
