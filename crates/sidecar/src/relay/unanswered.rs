//! Messages whose app is still waiting for its answer: by which id it will know them is not known yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::MessageId;

/// Of this process; of one that died, apps were answered nothing. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unanswered(Arc<Mutex<HashMap<MessageId, usize>>>);

/// These are unanswered for as long as it lives.
#[derive(Debug)]
pub(crate) struct Waiting {
    of: Unanswered,
    ids: Vec<MessageId>,
}

impl Unanswered {
    pub(crate) fn hold(&self, ids: Vec<MessageId>) -> Waiting {
        let mut held = self.held();
        for id in &ids {
            *held.entry(id.clone()).or_default() += 1;
        }
        drop(held);
        Waiting { of: self.clone(), ids }
    }

    pub(super) fn has(&self, id: &MessageId) -> bool {
        self.held().contains_key(id)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<MessageId, usize>> {
        // Nothing under this lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut held = self.of.held();
        for id in &self.ids {
            if let Some(count) = held.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    held.remove(id);
                }
            }
        }
    }
}
