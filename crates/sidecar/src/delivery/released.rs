//! A person's word to send a message again of which nobody knows whether Plivo has it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::MessageId;
use tokio::sync::oneshot;

/// The messages in doubt; clones share them.
#[derive(Clone, Default)]
pub(super) struct Releases {
    open: Arc<Mutex<HashMap<MessageId, oneshot::Sender<Released>>>>,
}

/// A person has released the message; it is told once that is on disk. Dropped before, it came to something else.
pub(super) type Released = oneshot::Sender<()>;

/// Where a message in doubt hears of it, until it is dropped.
pub(super) struct Release {
    releases: Releases,
    id: MessageId,
    said: oneshot::Receiver<Released>,
}

impl Releases {
    /// Hears for a message that is in doubt from now on.
    pub(super) fn hear(&self, id: &MessageId) -> Release {
        let (say, said) = oneshot::channel();
        self.open().insert(id.clone(), say);
        Release { releases: self.clone(), id: id.clone(), said }
    }

    /// Releases a message that is in doubt, once; `true` when it is on disk that it goes on its way again.
    pub(super) async fn release(&self, id: &MessageId) -> bool {
        let Some(say) = self.open().remove(id) else { return false };
        let (released, is_written) = oneshot::channel();
        say.send(released).is_ok() && is_written.await.is_ok()
    }

    /// Nothing under the lock panics, so the lock outlives whoever did.
    fn open(&self) -> MutexGuard<'_, HashMap<MessageId, oneshot::Sender<Released>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Release {
    /// Waits for the word, which comes once.
    pub(super) async fn said(&mut self) -> Released {
        match (&mut self.said).await {
            Ok(released) => released,
            Err(_) => pending().await,
        }
    }

    /// The word, where it was said already.
    pub(super) fn so_far(&mut self) -> Option<Released> {
        self.said.try_recv().ok()
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.releases.open().remove(&self.id);
    }
}
