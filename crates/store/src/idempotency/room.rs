//! How much room there is for keys.

use std::sync::atomic::{AtomicU64, Ordering};

use message::Timestamp;

use super::rows;
use crate::{Store, StoreError};

/// How many keys are kept, as the last sweep counted them.
#[derive(Debug, Default)]
pub(crate) struct KeysKept(AtomicU64);

impl KeysKept {
    /// Says once that nine tenths of the room are taken: when it is full, requests with another key are turned away.
    pub(crate) fn note(&self, kept: u64, most: u64) {
        let is_tight = |kept: u64| kept >= most - most / 10;
        let before = self.0.swap(kept, Ordering::Relaxed);
        if is_tight(kept) && !is_tight(before) {
            tracing::warn!(
                kept,
                most,
                "idempotency keys nearly fill their room, and requests with another are answered 503 then; raise [store] \
                 max_keys, or keep them for less ([store] key_retention_h)"
            );
        }
    }
}

impl Store {
    /// Most keys that are kept, besides those that live for seconds.
    pub fn most_keys(&self) -> u64 {
        self.bounds.keys
    }

    /// How many are, as the last sweep counted them.
    pub fn kept_keys(&self) -> u64 {
        self.keys_kept.0.load(Ordering::Relaxed)
    }

    /// When the next key ends that is in force at `now`, and makes room for another one; none where none is in force.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn next_key_end(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.database.read(move |connection| Ok(rows::next_end(connection, now)?)).await
    }
}
