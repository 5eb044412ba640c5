//! Idempotency keys: an app that asks twice gets one send and the same answer.
//!
//! Until a message is accepted only a claim exists, in memory, released on every way out. So nothing that was refused,
//! crashed or hung up is ever left locked (draft-ietf-httpapi-idempotency-key-header).

mod fingerprint;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::{MessageId, Timestamp};
use tokio::sync::watch;

use crate::expiring::{Expiring, Full, Kept, name_of};
use crate::{DEFAULT_KEYS, StoreError};

pub use fingerprint::Fingerprint;

/// How long an answer is kept, unless said otherwise.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest and longest retention that may be asked for.
pub const RETENTIONS: RangeInclusive<Duration> =
    Duration::from_secs(60 * 60)..=Duration::from_secs(7 * 24 * 60 * 60);

/// Most bytes in a key.
const KEY_BYTES: usize = 255;
/// Most bytes of one answer, headers and body together: above any answer to the most recipients of one request, since an
/// answer that is not kept would free its key.
const ANSWER_BYTES: usize = 16 << 20;
/// Bytes of all answers together at which no new key is taken. Claims in flight may bring it above.
const ALL_BYTES: usize = 64 << 20;

/// The answers given under idempotency keys, and the claims of requests in flight. Clones share them.
#[derive(Clone, Debug)]
pub struct IdempotencyKeys {
    keys: Arc<Mutex<Keys>>,
    retention: Duration,
}

/// What a key stands for when a request brings it.
#[derive(Debug)]
pub enum Claim {
    /// Nothing yet: go on, and bind the answer to it.
    New(ClaimGuard),
    /// The same request, answered before: give this again.
    Replay(StoredAnswer),
    /// Another request; these of its fields differ.
    Mismatch {
        /// The fields' names, never their values.
        fields: Vec<&'static str>,
    },
    /// The same request, not yet answered.
    InFlight(InFlight),
}

/// The right to answer for a key. Dropped without [`ClaimGuard::bind`], it leaves the key as if it had never been used.
#[derive(Debug)]
pub struct ClaimGuard {
    keys: Arc<Mutex<Keys>>,
    name: String,
    retention: Duration,
    /// The claim has become an answer, or is gone: there is nothing left to release.
    released: bool,
    /// Dropped with the guard; that wakes all who wait.
    _settled: watch::Sender<()>,
}

/// A request in flight with the same key.
#[derive(Clone, Debug)]
pub struct InFlight(watch::Receiver<()>);

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
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

#[derive(Debug)]
struct Keys {
    answers: Expiring<Answered>,
    claims: HashMap<String, Claimed>,
    most: usize,
}

#[derive(Debug)]
struct Answered {
    fingerprint: Fingerprint,
    answer: StoredAnswer,
}

#[derive(Debug)]
struct Claimed {
    fingerprint: Fingerprint,
    settled: watch::Receiver<()>,
}

impl IdempotencyKeys {
    /// At most `most` keys, answers and claims together; answers are kept for `retention`, clamped to [`RETENTIONS`].
    pub fn new(most: usize, retention: Duration) -> Self {
        let answers = Expiring::new(most, usize::MAX);
        let keys = Keys { answers, claims: HashMap::new(), most };
        let retention = retention.clamp(*RETENTIONS.start(), *RETENTIONS.end());
        Self { keys: Arc::new(Mutex::new(keys)), retention }
    }

    /// How long answers are kept.
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Claims `key` of `app` for a request, or says what stands in its way.
    ///
    /// To wait for [`Claim::InFlight`], await [`InFlight::settled`] and claim again: the other request may have been refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for a key that is empty or above 255 bytes; [`StoreError::Full`] where the bounds are reached.
    pub async fn claim(
        &self,
        app: &str,
        key: &str,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        if !(1..=KEY_BYTES).contains(&key.len()) {
            return Err(StoreError::Invalid("an idempotency key is empty or above 255 bytes"));
        }
        let name = name_of([app, key]);
        let mut keys = locked(&self.keys);
        keys.answers.tell(now);
        if let Some((known, _)) = keys.answers.get(&name) {
            return Ok(match known.fingerprint.differences(&fingerprint) {
                fields if fields.is_empty() => Claim::Replay(known.answer.clone()),
                fields => Claim::Mismatch { fields },
            });
        }
        if let Some(claimed) = keys.claims.get(&name) {
            return Ok(match claimed.fingerprint.differences(&fingerprint) {
                fields if fields.is_empty() => Claim::InFlight(InFlight(claimed.settled.clone())),
                fields => Claim::Mismatch { fields },
            });
        }
        keys.room()?;
        let (sender, settled) = watch::channel(());
        keys.claims.insert(name.clone(), Claimed { fingerprint, settled });
        let retention = self.retention;
        let keys = Arc::clone(&self.keys);
        Ok(Claim::New(ClaimGuard { keys, name, retention, released: false, _settled: sender }))
    }
}

impl Default for IdempotencyKeys {
    fn default() -> Self {
        Self::new(DEFAULT_KEYS, DEFAULT_RETENTION)
    }
}

impl ClaimGuard {
    /// Keeps `answer` under the key, for the retention counted from `from` and at least until `deadline`.
    ///
    /// `from` is when the message was accepted, or when it is to be sent if that is later; `deadline` is the message's own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for an answer above 16 MiB. The key is then free again.
    pub async fn bind(
        mut self,
        answer: StoredAnswer,
        from: Timestamp,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        if answer.bytes() > ANSWER_BYTES {
            return Err(StoreError::Invalid("an answer to keep is above 1 MiB"));
        }
        let mut keys = locked(&self.keys);
        let claimed = keys.claims.remove(&self.name).expect("a claim lives as long as its guard");
        self.released = true;
        let end = from.after(self.retention).max(deadline);
        // The claim's own place is free now, so there is room for the answer.
        keys.answers
            .put(&self.name, Answered { fingerprint: claimed.fingerprint, answer }, end)
            .map_err(|Full| StoreError::Full)
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        if !self.released {
            locked(&self.keys).claims.remove(&self.name);
        }
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
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.body.len() + headers.sum::<usize>()
    }
}

impl Keys {
    fn room(&mut self) -> Result<(), StoreError> {
        let claims = self.claims.len();
        // Every claim may become an answer, so each has its place from the beginning.
        let keys = self.answers.room(claims + 1, 0);
        let roomy = self.answers.weight() < ALL_BYTES && claims < self.most;
        if keys.is_ok() && roomy { Ok(()) } else { Err(StoreError::Full) }
    }
}

impl Kept for Answered {
    fn weight(&self) -> usize {
        self.answer.bytes()
    }
}

fn locked(keys: &Mutex<Keys>) -> MutexGuard<'_, Keys> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
