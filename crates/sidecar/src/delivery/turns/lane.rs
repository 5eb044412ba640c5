//! Those of one class that could call at once: fair shares over apps, and the nearest deadline first inside an app.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use message::Timestamp;

/// A waiter's rank inside its app: its deadline, then the order of its arrival.
pub(super) type Rank = (Timestamp, u64);

/// One class's waiters. An app stands in `round` exactly while it has waiters.
#[derive(Debug)]
pub(super) struct Lane<T> {
    apps: HashMap<Arc<str>, BTreeMap<Rank, T>>,
    round: VecDeque<Arc<str>>,
}

impl<T> Lane<T> {
    /// An app that had no waiters joins the round at its end.
    pub(super) fn push(&mut self, app: &Arc<str>, rank: Rank, waiter: T) {
        let waiters = self.apps.entry(Arc::clone(app)).or_default();
        if waiters.is_empty() {
            self.round.push_back(Arc::clone(app));
        }
        waiters.insert(rank, waiter);
    }

    /// The next in turn. Every message costs the same, so that deficit round robin is one message an app and round.
    pub(super) fn pop(&mut self) -> Option<T> {
        let app = self.round.pop_front()?;
        let waiters = self.apps.get_mut(&app)?;
        let (_, next) = waiters.pop_first()?;
        if waiters.is_empty() {
            self.apps.remove(&app);
        } else {
            self.round.push_back(app);
        }
        Some(next)
    }

    /// Takes one out that does not wait any more.
    pub(super) fn remove(&mut self, app: &str, rank: Rank) -> Option<T> {
        let waiters = self.apps.get_mut(app)?;
        let gone = waiters.remove(&rank)?;
        if waiters.is_empty() {
            self.apps.remove(app);
            self.round.retain(|known| **known != *app);
        }
        Some(gone)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.round.is_empty()
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { apps: HashMap::new(), round: VecDeque::new() }
    }
}
