//! How much waits, counted beside the probes that ask for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use message::Timestamp;
use store::Store;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Between two counts, at least.
const PAUSE: Duration = Duration::from_secs(2);
/// And at most: whoever waited for the machine has not counted for so long.
const LONGEST: Duration = Duration::from_secs(60);
/// A count may take this share of the time: one part in so many.
const SHARE: u32 = 100;

/// What waits in the store. A probe gets the last count, and starts the next one where it is due.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    last: Mutex<Option<Last>>,
    /// Held while somebody counts.
    counting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    counted: store::Backlog,
    /// When.
    at: Timestamp,
    /// Not counted again before.
    next: Instant,
}

impl Backlog {
    /// The last count; none before the first one has ended. Outside the runtime none is started.
    pub(crate) fn latest(self: Arc<Self>, store: &Store) -> Option<store::Backlog> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.next <= Instant::now())
            && let Ok(runtime) = Handle::try_current()
            && let Ok(alone) = Arc::clone(&self.counting).try_lock_owned()
        {
            let store = store.clone();
            runtime.spawn(async move {
                self.count(&store).await;
                drop(alone);
            });
        }
        last.map(|last| last.counted)
    }

    /// How long what waited longest had waited when it was counted last; none where nothing did.
    pub(crate) fn longest_wait(&self) -> Option<Duration> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.and_then(|last| Some(last.at.since(last.counted.oldest_waiting?)))
    }

    async fn count(&self, store: &Store) {
        let begun = Instant::now();
        // The store's trouble has a line of its own in the answer.
        let at = now();
        let Ok(counted) = store.backlog(at).await else { return };
        let next = Instant::now() + (begun.elapsed() * SHARE).clamp(PAUSE, LONGEST);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Last { counted, at, next });
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
