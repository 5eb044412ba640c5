//! Idempotency keys that replicas share: an app that asks two replicas gets one send and the same answer.

mod answer;
mod error;
mod lease;
mod scripts;

use std::time::Duration;

use message::{Foreseen, Foretold, MessageId, Timestamp};
use redis::Value;
use store::{Fingerprint, StoredAnswer};

use crate::ledger::Words;
use crate::{Connection, RedisLedger};
use answer::Fields;

#[cfg(feature = "fuzzing")]
pub(crate) use answer::read_claim;
pub use error::SharedError;
pub use lease::Lease;

/// Most bytes in a key.
const KEY_BYTES: usize = 255;
/// Shortest and longest lease and retention.
const TIMES: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(366 * 24 * 60 * 60));

/// Idempotency keys on a server that replicas share.
///
/// A request in flight has a lease, which it renews; a replica that dies leaves a key locked for no longer than that.
/// Fingerprints of replicas can be compared where all have the same `hash_key`. The server sees answers as they were
/// given.
#[derive(Clone, Debug)]
pub struct SharedKeys {
    connection: Connection,
}

/// What a key stands for when a request brings it.
#[derive(Debug)]
pub enum SharedClaim {
    /// Nothing yet: go on, renew the lease, and bind the key.
    New(Lease),
    /// The same request, answered before: give this again.
    Replay(StoredAnswer),
    /// Another request, answered before; these of its fields differ.
    Mismatch {
        /// The fields' names, never their values.
        fields: Vec<String>,
    },
    /// Another request, in flight somewhere: it may be refused, and the key be free for this one.
    Unlike {
        /// Until its lease ends, unless it is renewed.
        left: Duration,
        /// The names of the fields that differ.
        fields: Vec<String>,
    },
    /// The same request, in flight somewhere, with so much left of its lease.
    InFlight {
        /// Until the lease ends, unless it is renewed.
        left: Duration,
    },
}

/// Who answers for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// This request.
    Mine,
    /// Another one: this one's lease had ended, and somebody else claimed the key.
    Others,
}

impl SharedKeys {
    /// Keys on `connection`.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Claims `key` of `app` for a request for as long as `lease`, or says what stands in its way.
    ///
    /// # Errors
    ///
    /// [`SharedError::Invalid`] for a key that is empty or above 255 bytes, or a lease below a millisecond;
    /// [`SharedError::Unavailable`], and then a lease that may have been taken is given up in the background.
    pub async fn claim(
        &self,
        app: &str,
        key: &str,
        fingerprint: &Fingerprint,
        lease: Duration,
    ) -> Result<SharedClaim, SharedError> {
        let mut claimed = self.lease(app, key, fingerprint, lease)?;
        let call = to_claim(&claimed)?.call(&scripts::CLAIM);
        store::fail::point("shared.claim");
        let answer = claimed.asked(self.connection.call(&call).await)?;
        store::fail::point("shared.claimed");
        answer::of_claim(claimed, fingerprint, answer)
    }

    /// Claims `key` as [`SharedKeys::claim`] does and, where it is new, asks in the same trip what the policies of the
    /// message `by` are likely to ask; see [`Ledger::foretell`](message::Ledger::foretell).
    ///
    /// # Errors
    ///
    /// As [`SharedKeys::claim`]; and then what may have been taken is given back in the background, too.
    pub async fn claim_and_foretell(
        &self,
        (app, key): (&str, &str),
        fingerprint: &Fingerprint,
        lease: Duration,
        foreseen: Vec<Foreseen>,
        (by, now): (&MessageId, Timestamp),
    ) -> Result<(SharedClaim, Vec<Foretold>), SharedError> {
        let ledger = RedisLedger::new(self.connection.clone());
        let mut claimed = self.lease(app, key, fingerprint, lease)?;
        let words = to_claim(&claimed)?;
        store::fail::point("shared.claim");
        let asked = ledger.ask_ahead(Some(&words), foreseen, by, now).await;
        store::fail::point("shared.claimed");
        let (answer, foretold) = claimed.asked(asked)?;
        match answer::of_claim(claimed, fingerprint, answer.unwrap_or(Value::Nil)) {
            Ok(claim) => Ok((claim, foretold)),
            Err(error) => {
                ledger.give_back(foretold);
                Err(error)
            }
        }
    }

    /// Prolongs a lease to `lease` from now. One that had ended while nobody else claimed the key is taken up again.
    ///
    /// # Errors
    ///
    /// As [`SharedKeys::claim`].
    pub async fn renew(&self, claimed: &Lease, lease: Duration) -> Result<Bound, SharedError> {
        let mut call = scripts::RENEW.prepare_invoke();
        call.key(&claimed.key).arg(claimed.token).arg(&claimed.fingerprint).arg(millis(lease)?);
        Ok(bound(self.connection.call(&call).await?))
    }

    /// Binds the key to `answer` for as long as `keep`; or, where this lease has bound it already, puts this answer in
    /// the place of the earlier one.
    ///
    /// # Errors
    ///
    /// [`SharedError::Invalid`] for an answer above 16 MiB; [`SharedError::Unavailable`], and then it may be bound.
    pub async fn bind(
        &self,
        claimed: &mut Lease,
        answer: &StoredAnswer,
        keep: Duration,
    ) -> Result<Bound, SharedError> {
        let Fields { status, headers, body, message } = Fields::of(answer)?;
        let mut call = scripts::BIND.prepare_invoke();
        call.key(&claimed.key).arg(claimed.token).arg(&claimed.fingerprint).arg(millis(keep)?);
        call.arg(status).arg(headers).arg(body).arg(message);
        store::fail::point("shared.confirm");
        let bound = bound(self.connection.call(&call).await?);
        store::fail::point("shared.confirmed");
        // Bound or another's: nothing of it is left to give up.
        claimed.is_not_open();
        Ok(bound)
    }

    /// Gives up a claim, as if the key had never been used. A key that is bound, or another's, stays. Dropping the
    /// lease does so too, in the background.
    ///
    /// # Errors
    ///
    /// [`SharedError::Unavailable`]: the lease ends by itself.
    pub async fn release(&self, mut claimed: Lease) -> Result<(), SharedError> {
        claimed.is_not_open();
        Ok(lease::released(&self.connection, &claimed.key, claimed.token).await?)
    }

    /// Gives up a claim, also where its key is bound by now: nothing was sent under it. Another's key stays.
    ///
    /// # Errors
    ///
    /// [`SharedError::Unavailable`]: it may be bound still.
    pub async fn give_up(&self, claimed: &Lease) -> Result<(), SharedError> {
        let mut call = scripts::FREE.prepare_invoke();
        call.key(&claimed.key).arg(claimed.token).arg("");
        Ok(self.connection.call(&call).await?)
    }

    /// Frees a key that is bound to an answer about `message`: it came to nothing after its request had ended. A key
    /// that stands for anything else stays.
    ///
    /// # Errors
    ///
    /// As [`SharedKeys::claim`].
    pub async fn free(&self, app: &str, key: &str, message: &MessageId) -> Result<(), SharedError> {
        let mut call = scripts::FREE.prepare_invoke();
        call.key(self.name(app, key)?).arg("").arg(&*message.0);
        Ok(self.connection.call(&call).await?)
    }

    fn lease(
        &self,
        app: &str,
        key: &str,
        fingerprint: &Fingerprint,
        time: Duration,
    ) -> Result<Lease, SharedError> {
        Ok(Lease::new(&self.connection, self.name(app, key)?, fingerprint, time))
    }

    /// What the server has `key` of `app` under.
    fn name(&self, app: &str, key: &str) -> Result<String, SharedError> {
        if !(1..=KEY_BYTES).contains(&key.len()) {
            return Err(SharedError::Invalid("an idempotency key is empty or above 255 bytes"));
        }
        Ok(self.connection.key(&["k:", &app.len().to_string(), ":", app, key]))
    }
}

fn to_claim(claimed: &Lease) -> Result<Words, SharedError> {
    let (mut words, time) = (Words::default(), millis(claimed.time)?);
    words.key(&*claimed.key).arg(claimed.token).arg(&claimed.fingerprint).arg(time);
    Ok(words)
}

fn bound(mine: bool) -> Bound {
    if mine { Bound::Mine } else { Bound::Others }
}

fn millis(time: Duration) -> Result<u64, SharedError> {
    let (shortest, longest) = TIMES;
    if !(shortest..=longest).contains(&time) {
        return Err(SharedError::Invalid("a time to keep a key is below 1 ms or above 366 days"));
    }
    Ok(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
