//! A person's word to send a message again of which nobody knows whether Plivo has it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::MessageId;
use store::StoreError;
use tokio::sync::{mpsc, oneshot};

/// The messages in doubt; clones share them.
#[derive(Clone, Default)]
pub(super) struct Releases {
    open: Arc<Mutex<HashMap<MessageId, mpsc::UnboundedSender<Released>>>>,
}

/// A person has released the message, and is told whether that is on disk. Dropped, it came to something else.
pub(super) type Released = oneshot::Sender<Result<(), StoreError>>;

/// Where a message in doubt hears of it, until it is dropped.
pub(super) struct Release {
    releases: Releases,
    id: MessageId,
    said: mpsc::UnboundedReceiver<Released>,
}

impl Releases {
    /// Hears for a message that is in doubt from now on.
    pub(super) fn hear(&self, id: &MessageId) -> Release {
        let (say, said) = mpsc::unbounded_channel();
        self.open().insert(id.clone(), say);
        Release { releases: self.clone(), id: id.clone(), said }
    }

    /// Releases a message that is in doubt: `true` when it is on disk that it goes on its way again, and of several at
    /// once for the first alone.
    ///
    /// # Errors
    ///
    /// It could not be written, and the message is in doubt as before.
    pub(super) async fn release(&self, id: &MessageId) -> Result<bool, StoreError> {
        let Some(say) = self.open().get(id).cloned() else { return Ok(false) };
        let (released, is_written) = oneshot::channel();
        if say.send(released).is_err() {
            return Ok(false);
        }
        is_written.await.map_or(Ok(false), |written| written.map(|()| true))
    }

    /// Nothing under the lock panics, so the lock outlives whoever did.
    fn open(&self) -> MutexGuard<'_, HashMap<MessageId, mpsc::UnboundedSender<Released>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Release {
    /// Waits for the word.
    pub(super) async fn said(&mut self) -> Released {
        match self.said.recv().await {
            Some(released) => released,
            None => pending().await,
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
