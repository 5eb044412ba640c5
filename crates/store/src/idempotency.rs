//! Idempotency keys: an app that asks twice gets one send and the same answer.
//!
//! Until a message is accepted only a claim exists, in memory, released on every way out. So nothing that was refused,
//! crashed or hung up is ever left locked (draft-ietf-httpapi-idempotency-key-header). The key is bound in the
//! transaction that accepts the message, with the answer as it would be then; the answer that was given replaces it.

mod claims;
mod fingerprint;
mod room;
mod rows;

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::{MessageId, Timestamp};
use tokio::sync::watch;

use crate::expiring::name_of;
use crate::{Commit, Store, StoreError};

pub use fingerprint::Fingerprint;
pub(crate) use room::KeysKept;
pub use rows::{FreedKey, KeptAnswer, KeyRow};
pub(crate) use rows::{came_to_nothing, came_to_something, insert, is_full};

/// How long an answer is kept, unless said otherwise.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest and longest retention that may be asked for.
pub const RETENTIONS: RangeInclusive<Duration> =
    Duration::from_secs(60 * 60)..=Duration::from_secs(7 * 24 * 60 * 60);

/// Most bytes in a key.
const KEY_BYTES: usize = 255;
/// Most bytes of one answer, headers and body together: above any answer to the most recipients of one request, since
/// an answer that is not kept would free its key.
const ANSWER_BYTES: usize = 16 << 20;
/// Keys that live for seconds, besides all those that apps gave: without room for them a client that posts again on its
/// own would be sent twice, exactly where much is sent.
const BRIEF: u64 = 10_000;
/// Most requests in flight with a key each.
const CLAIMS: usize = 100_000;

/// What a key stands for when a request brings it.
#[derive(Debug)]
pub enum Claim {
    /// Nothing yet: go on, and bind it with the message.
    New(ClaimGuard),
    /// The same request, answered before: give this again.
    Replay(StoredAnswer),
    /// Another request; these of its fields differ.
    Mismatch {
        /// The fields' names, never their values.
        fields: Vec<String>,
    },
    /// The same request, not yet answered.
    InFlight(InFlight),
    /// Another request, not yet answered: it may be refused, and the key be free for this one.
    Unlike {
        /// The other request.
        other: InFlight,
        /// The names of the fields that differ.
        fields: Vec<String>,
    },
}

/// The right to answer for a key. Dropped before [`Store::accept`] has bound the key, it leaves the key as if it had
/// never been used.
#[derive(Debug)]
pub struct ClaimGuard(Arc<Held>);

/// A request in flight with the same key.
#[derive(Clone, Debug)]
pub struct InFlight(watch::Receiver<()>);

/// An answer as it was given. `Debug` does not show its body.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the headers worth giving again.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The message it is about; the first, where there are several.
    pub message: Option<MessageId>,
}

/// The requests in flight, by app and key.
pub(crate) type Claims = HashMap<String, Claimed>;

/// A claim. Whoever holds a part of it keeps all others from the key.
#[derive(Debug)]
struct Held {
    claims: Arc<Mutex<Claims>>,
    app: String,
    key: String,
    fingerprint: Fingerprint,
    /// Most keys among which it has a place.
    most: u64,
    /// Dropped with the claim; that wakes all who wait.
    _settled: watch::Sender<()>,
}

#[derive(Debug)]
pub(crate) struct Claimed {
    fingerprint: Fingerprint,
    settled: watch::Receiver<()>,
}

impl Store {
    /// How long answers are kept under their keys.
    pub fn key_retention(&self) -> Duration {
        self.bounds.key_retention
    }

    /// What is kept under a key, whoever asks; none where it is not bound.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn kept_under(
        &self,
        app: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        match self.bound(self.bounds.keys, (app, key), now).await {
            Err(StoreError::KeysFull) => Ok(None),
            found => found,
        }
    }

    /// What [`Store::accept`] binds the key with: the answer as it would be now, kept for the retention from `from` and
    /// at least until `deadline`.
    ///
    /// `from` is when the message was accepted, or when it is to be sent if that is later; `deadline` is the message's
    /// own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for an answer above 16 MiB.
    pub fn key_row(
        &self,
        guard: &ClaimGuard,
        answer: StoredAnswer,
        from: Timestamp,
        deadline: Timestamp,
    ) -> Result<KeyRow, StoreError> {
        answer.check()?;
        Ok(KeyRow {
            held: Arc::clone(&guard.0),
            answer,
            ends: from.after(self.bounds.key_retention).max(deadline),
            tells_own_ids: false,
            is_about_others: false,
            shared: false,
        })
    }

    /// Puts the answer that was given in the place of the one that the key was bound with. The claim lasts until that
    /// is done, so that nobody is told the older one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for an answer above 16 MiB, [`StoreError::Unavailable`]: a repetition is told the older
    /// answer.
    pub fn answered(&self, guard: ClaimGuard, answer: StoredAnswer) -> Commit<()> {
        if let Err(invalid) = answer.check() {
            return Commit::refused(invalid);
        }
        self.database.write(move |connection| {
            rows::answer(connection, &guard.0.app, &guard.0.key, &answer, None)?;
            crate::fail::point("key.in_transaction");
            Ok(())
        })
    }

    /// Lets a key go that is bound here to an answer about `message`, while another replica answers for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn unbind(&self, app: &str, key: &str, message: Option<&MessageId>) -> Commit<()> {
        let (app, key, message) = (app.to_owned(), key.to_owned(), message.cloned());
        self.database
            .write(move |connection| Ok(rows::delete(connection, &app, &key, message.as_ref())?))
    }

    /// Ends a key that is bound to an answer about `message`, of which nothing came: it is free, and in force again should
    /// a report prove otherwise before it is used.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn let_go(&self, app: &str, key: &str, message: Option<&MessageId>) -> Commit<()> {
        let (app, key, message) = (app.to_owned(), key.to_owned(), message.cloned());
        self.database
            .write(move |connection| Ok(rows::end(connection, &app, &key, message.as_ref())?))
    }
}

impl KeptAnswer {
    /// What it is for a request of this fingerprint.
    fn told(self, fingerprint: &Fingerprint) -> Claim {
        match fingerprint.differences(&self.fingerprint) {
            fields if fields.is_empty() => Claim::Replay(self.answer),
            fields => Claim::Mismatch { fields },
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        locked(&self.claims).remove(&name_of([&self.app, &self.key]));
    }
}

impl InFlight {
    /// Waits until the other request is answered, refused or given up. Safe to cancel.
    pub async fn settled(mut self) {
        // Nothing is ever sent: the guard's end is the signal.
        while self.0.changed().await.is_ok() {}
    }
}

impl StoredAnswer {
    fn check(&self) -> Result<(), StoreError> {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        if self.body.len() + headers.sum::<usize>() > ANSWER_BYTES {
            return Err(StoreError::Invalid("an answer to keep is above 16 MiB"));
        }
        Ok(())
    }
}

impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAnswer")
            .field("status", &self.status)
            .field("message", &self.message)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn locked(claims: &Mutex<Claims>) -> MutexGuard<'_, Claims> {
    claims.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
