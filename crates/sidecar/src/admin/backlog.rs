//! How much waits, counted beside the probes that ask for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use message::Timestamp;
use store::{Record, Status, Store};
use tokio::time::Instant;

/// Between two counts, at least.
const PAUSE: Duration = Duration::from_secs(2);
/// A count may take this share of the time: one part in so many.
const SHARE: u32 = 100;

/// What waits in the store. A probe gets the last count, and starts the next one where it is due.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    last: Mutex<Option<Last>>,
    /// Held while somebody counts.
    counting: Arc<tokio::sync::Mutex<()>>,
}

/// A count of the messages whose way to Plivo has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) in_doubt: usize,
    pub(super) held: usize,
    /// When the oldest was accepted that is neither.
    pub(super) oldest_waiting: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    counted: Counted,
    /// Not counted again before.
    next: Instant,
}

impl Backlog {
    /// The last count; none before the first one has ended.
    pub(super) fn latest(self: Arc<Self>, store: &Store) -> Option<Counted> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.next <= Instant::now())
            && let Ok(alone) = Arc::clone(&self.counting).try_lock_owned()
        {
            let store = store.clone();
            tokio::spawn(async move {
                self.count(&store).await;
                drop(alone);
            });
        }
        last.map(|last| last.counted)
    }

    async fn count(&self, store: &Store) {
        let begun = Instant::now();
        let Ok(unfinished) = store.unfinished().await else {
            // The store's trouble has a line of its own in the answer.
            return;
        };
        let counted = Counted::of(unfinished.iter().map(|left| &left.record));
        let next = Instant::now() + PAUSE.max(begun.elapsed() * SHARE);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Last { counted, next });
    }
}

impl Counted {
    fn of<'a>(open: impl Iterator<Item = &'a Record>) -> Self {
        open.fold(Self::default(), |mut counted, record| {
            match record.status {
                Status::InDoubt => counted.in_doubt += 1,
                Status::Held => counted.held += 1,
                _ => {
                    let oldest = counted.oldest_waiting.unwrap_or(record.created);
                    counted.oldest_waiting = Some(oldest.min(record.created));
                }
            }
            counted
        })
    }
}
