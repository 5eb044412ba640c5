//! How many calls to apps came to what.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};
use store::Relayed;

/// What calls came to, since the start.
#[derive(Debug, Default)]
pub(crate) struct RelayTally {
    taken: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    /// An operator has revived events since it was asked last.
    revived: AtomicBool,
    /// Origins that are left alone now.
    closed: AtomicUsize,
}

impl RelayTally {
    pub(super) fn add(&self, relayed: &Relayed) {
        let count = match relayed {
            Relayed::Done => &self.taken,
            Relayed::Again { .. } => &self.failed,
            Relayed::Dead { .. } => &self.given_up,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What an operator revives is called for, even where a target wanted no more calls.
    pub(crate) fn revive(&self) {
        self.revived.store(true, Ordering::Release);
    }

    pub(super) fn take_revival(&self) -> bool {
        self.revived.swap(false, Ordering::AcqRel)
    }

    pub(super) fn set_closed(&self, count: usize) {
        self.closed.store(count, Ordering::Relaxed);
    }

    /// Tells each count by its word.
    pub(crate) fn tell(&self, mut tell: impl FnMut(&'static str, u64)) {
        let counts =
            [("taken", &self.taken), ("failed", &self.failed), ("given_up", &self.given_up)];
        counts.into_iter().for_each(|(word, count)| tell(word, count.load(Ordering::Relaxed)));
    }

    /// The counts by their words.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!({"origins_left_alone": self.closed.load(Ordering::Relaxed)});
        self.tell(|word, count| shown[word] = count.into());
        shown
    }
}
