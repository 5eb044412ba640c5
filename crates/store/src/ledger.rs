//! What policies remember, in memory.

mod durable;
mod limits;
mod reservations;
mod unwritten;
mod values;

use std::fmt;
use std::future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::{
    Charge, Hold, Holder, Ledger, LedgerError, LedgerFuture, MessageId, Reserved, Settlement,
    Taken, Timestamp,
};

use crate::expiring::Full;
use crate::holds::{HoldKind, RestoredHold, SavedHold};
use crate::{DEFAULT_KEYS, DEFAULT_VALUES};
use limits::Limits;
pub(crate) use limits::Prolonged;
use reservations::Reservations;
use values::Values;

pub(crate) use durable::{DurableLedger, KeptLedger, SavedValue, values};
pub(crate) use unwritten::Unwritten;

/// Most bytes in a key. Source: the contract (`policy.wit`, `state`).
const KEY_BYTES: usize = 256;
/// Longest that anything is kept: what a person has said is to outlive every campaign.
const KEPT: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
/// Longest period of a limit.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A [`Ledger`] that forgets everything when the process ends.
///
/// Answers are ready at once. Each kind (values, reservations, limits) has its own lock, held for about a
/// microsecond and never across an await, and its own bound on keys.
pub struct MemoryLedger {
    values: Mutex<Values>,
    reservations: Mutex<Reservations>,
    limits: Mutex<Limits>,
    tokens: AtomicU64,
}

impl MemoryLedger {
    /// A ledger that keeps at most `most_keys` of each kind; entries that have ended make room first.
    pub fn new(most_keys: usize) -> Self {
        Self {
            values: Mutex::new(Values::new(most_keys)),
            reservations: Mutex::new(Reservations::new(most_keys)),
            limits: Mutex::new(Limits::new(most_keys)),
            tokens: AtomicU64::new(1),
        }
    }

    /// What is to be written down of a hold of the message `of`, that was made by `now`.
    pub(crate) fn saved(&self, hold: &Hold, of: &MessageId, now: Timestamp) -> SavedHold {
        let reserved = locked(&self.reservations).until(hold);
        let found = match reserved {
            Some(until) => Some((HoldKind::Reservation, now, until)),
            None => locked(&self.limits).saved(hold),
        };
        let (kind, at, ends) = found.unwrap_or((HoldKind::Elsewhere, now, now.after(LONGEST)));
        SavedHold { hold: hold.clone(), message: of.clone(), kind, at, ends }
    }

    /// What counts for longer than was written down; it is told once.
    pub(crate) fn prolonged(&self) -> Vec<Prolonged> {
        locked(&self.limits).prolonged()
    }

    /// Takes up what was written down: holds in the order they were made, and values. Tokens after `last` are new.
    pub(crate) fn restore(
        &self,
        last: u64,
        holds: Vec<RestoredHold>,
        saved: Vec<SavedValue>,
        now: Timestamp,
    ) {
        self.tokens.fetch_max(last.saturating_add(1), Ordering::Relaxed);
        // As of the last hold first: where the clock was set back meanwhile, all of it moves along.
        let then = holds.iter().map(|each| each.saved.at).max().unwrap_or(now).max(now);
        for hold in holds {
            match hold.saved.kind {
                HoldKind::Reservation => locked(&self.reservations).restore(hold, then),
                _ => locked(&self.limits).restore(hold, then),
            }
        }
        for SavedValue { owner, key, value, ends } in saved {
            locked(&self.values).restore(&owner, &key, value, ends, then);
        }
        locked(&self.reservations).tell(now);
        locked(&self.limits).tell(now);
        locked(&self.values).tell(now);
    }

    /// A value and its end.
    pub(crate) fn value(
        &self,
        owner: &str,
        key: &str,
        now: Timestamp,
    ) -> Option<(Vec<u8>, Timestamp)> {
        locked(&self.values).get_with_end(owner, key, now)
    }

    pub(crate) fn put_now(
        &self,
        owner: &str,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        check_key(key)?;
        check_ttl(ttl)?;
        locked(&self.values).put(owner, key, value, ttl, if_absent, now)
    }

    pub(crate) fn increment_now(
        &self,
        owner: &str,
        key: &str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<i64, LedgerError> {
        check_key(key)?;
        check_ttl(ttl)?;
        locked(&self.values).increment(owner, key, delta, ttl, now)
    }

    fn token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for MemoryLedger {
    fn default() -> Self {
        // Opt-outs are values, of which there may be many.
        Self { values: Mutex::new(Values::new(DEFAULT_VALUES)), ..Self::new(DEFAULT_KEYS) }
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").finish_non_exhaustive()
    }
}

impl Ledger for MemoryLedger {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        ready(check_key(key).map(|()| locked(&self.values).get(owner, key, now)))
    }

    fn foresee<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
        then: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        let lasts = || {
            let found = locked(&self.values).get_with_end(owner, key, now);
            found.filter(|(_, end)| *end > then).map(|(value, _)| value)
        };
        ready(check_key(key).map(|()| lasts()))
    }

    fn put<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> LedgerFuture<'a, bool> {
        ready(self.put_now(owner, key, value, ttl, if_absent, now))
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64> {
        ready(self.increment_now(owner, key, delta, ttl, now))
    }

    fn reserve<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        ttl: Duration,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Reserved> {
        let checked = check_key(key).and_then(|()| check_ttl(ttl));
        ready(checked.and_then(|()| {
            locked(&self.reservations).reserve(owner, key, ttl, by, self.token(), now)
        }))
    }

    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        ready(locked(&self.limits).take(owner, charges, || self.token(), now))
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        ready(check_key(key).map(|()| locked(&self.reservations).holder(owner, key, now)))
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        ready(locked(&self.limits).peek(owner, charges, now))
    }

    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        // A token is given out once, so at most one of the two knows it.
        for hold in holds {
            locked(&self.reservations).settle(&hold, settlement);
            locked(&self.limits).settle(&hold, settlement);
        }
        ready(Ok(()))
    }
}

impl From<Full> for LedgerError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

fn ready<'a, T: Send + 'a>(answer: Result<T, LedgerError>) -> LedgerFuture<'a, T> {
    Box::pin(future::ready(answer))
}

/// A panic under the lock would be a bug in one key's arithmetic; the other keys are still good.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_key(key: &str) -> Result<(), LedgerError> {
    if key.len() <= KEY_BYTES {
        return Ok(());
    }
    Err(LedgerError::Invalid(format!(
        "a key has {} bytes; at most {KEY_BYTES} are kept",
        key.len()
    )))
}

fn check_ttl(ttl: Duration) -> Result<(), LedgerError> {
    if (Duration::from_millis(1)..=KEPT).contains(&ttl) {
        return Ok(());
    }
    Err(LedgerError::Invalid("a time to live is below a millisecond or above ten years".into()))
}

#[cfg(test)]
mod tests;
