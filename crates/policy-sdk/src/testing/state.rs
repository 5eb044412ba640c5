//! The fakes behind [`state`](crate::state): exact for one thread, and kept in memory.

use super::fakes::{Expiring, Fakes, with};
use crate::state::{Charge, Holder, StateError, Taken};

const MOST_CALLS: u32 = 64;
const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 4_096;

/// The value under `key`, unless it has expired.
///
/// # Errors
///
/// A key out of bounds, or too many calls in this decision.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, StateError> {
    with(|fakes| {
        fakes.call(&[key])?;
        let live = fakes.kept.values.get(key).filter(|entry| entry.until_ms > fakes.now_ms);
        Ok(live.map(|entry| entry.value.clone()))
    })
}

/// Keeps `value` for `ttl_ms`. With `if_absent`, an entry that is there stays, and the answer is `false`.
///
/// # Errors
///
/// A key or value out of bounds, or too many calls in this decision.
pub fn put(key: &str, value: &[u8], ttl_ms: u64, if_absent: bool) -> Result<bool, StateError> {
    with(|fakes| {
        fakes.call(&[key])?;
        if value.len() > VALUE_BYTES {
            return Err(invalid("a value is longer than 4,096 bytes"));
        }
        let now_ms = fakes.now_ms;
        let live = fakes.kept.values.get(key).is_some_and(|entry| entry.until_ms > now_ms);
        if if_absent && live {
            return Ok(false);
        }
        let entry = Expiring { value: value.into(), until_ms: now_ms.saturating_add(ttl_ms) };
        fakes.kept.values.insert(key.into(), entry);
        Ok(true)
    })
}

/// Adds `delta` and returns the sum. `ttl_ms` counts from the first addition.
///
/// # Errors
///
/// A key out of bounds, or too many calls in this decision.
pub fn increment(key: &str, delta: i64, ttl_ms: u64) -> Result<i64, StateError> {
    with(|fakes| {
        fakes.call(&[key])?;
        let now_ms = fakes.now_ms;
        let live = fakes.kept.values.get(key).filter(|entry| entry.until_ms > now_ms);
        let (before, until_ms) = match live {
            Some(entry) => (counted(&entry.value)?, entry.until_ms),
            None => (0, now_ms.saturating_add(ttl_ms)),
        };
        let sum = before.saturating_add(delta);
        // A counter is a value: the decimal text of its sum.
        let entry = Expiring { value: sum.to_string().into_bytes(), until_ms };
        fakes.kept.values.insert(key.into(), entry);
        Ok(sum)
    })
}

/// Reserves `key` for the message in hand for `ttl_ms`; returns the holder where another message has it.
///
/// # Errors
///
/// A key out of bounds, or too many calls in this decision.
pub fn reserve(key: &str, ttl_ms: u64) -> Result<Option<Holder>, StateError> {
    with(|fakes| {
        fakes.call(&[key])?;
        let held = fakes.kept.reservations.get(key);
        let other = held.filter(|held| held.until_ms > fakes.now_ms && held.by != fakes.message);
        if let Some(holder) = other {
            return Ok(Some(holder.clone()));
        }
        let until_ms = fakes.now_ms.saturating_add(ttl_ms);
        let holder = Holder { by: fakes.message.clone(), until_ms };
        fakes.kept.reservations.insert(key.into(), holder);
        Ok(None)
    })
}

/// Looks at every limit, then charges all of them or none. Calendars run in UTC whatever their zone.
///
/// # Errors
///
/// A key out of bounds, or too many calls in this decision.
pub fn take(charges: &[Charge]) -> Result<Taken, StateError> {
    with(|fakes| {
        let keys: Vec<&str> = charges
            .iter()
            .flat_map(|charge| [charge.key.as_str(), charge.limit.as_str()])
            .collect();
        fakes.call(&keys)?;
        let (mut standings, mut refusals) = (Vec::new(), Vec::new());
        let mut usage = fakes.kept.usage.clone();
        for charge in charges {
            let name = (charge.limit.clone(), charge.key.clone());
            match usage.entry(name).or_default().charge(charge, fakes.now_ms) {
                Ok(standing) => standings.push(standing),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            return Ok(Taken::Refused(refusals));
        }
        fakes.kept.usage = usage;
        Ok(Taken::Ok(standings))
    })
}

impl Fakes {
    /// Counts one call and looks at its keys.
    fn call(&mut self, keys: &[&str]) -> Result<(), StateError> {
        self.calls += 1;
        if self.calls > MOST_CALLS {
            return Err(invalid("more than 64 calls in one decision"));
        }
        if self.fails == Some(self.calls) {
            return Err(StateError::Unavailable("the store is away".into()));
        }
        match keys.iter().find(|key| key.is_empty() || key.len() > KEY_BYTES) {
            Some(_) => Err(invalid("a key is empty or longer than 256 bytes")),
            None => Ok(()),
        }
    }
}

fn counted(value: &[u8]) -> Result<i64, StateError> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| invalid("the value under this key is not a counter"))
}

fn invalid(what: &str) -> StateError {
    StateError::Invalid(what.into())
}

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::{StateError, get, increment, put, reserve};

    fn at(message: &str, now_ms: u64) {
        fakes::begin(message, now_ms);
    }

    #[test]
    fn a_value_is_there_until_its_time_is_over() {
        fakes::forget();
        at("m1", 1_000);
        assert_eq!(put("k", b"v", 500, true), Ok(true));
        assert_eq!(put("k", b"w", 500, true), Ok(false));
        at("m2", 1_499);
        assert_eq!(get("k"), Ok(Some(b"v".to_vec())));
        at("m3", 1_500);
        assert_eq!(get("k"), Ok(None));
    }

    #[test]
    fn a_sum_expires_by_its_first_addition() {
        fakes::forget();
        at("m1", 0);
        assert_eq!(increment("k", 2, 100), Ok(2));
        at("m2", 99);
        assert_eq!(increment("k", 3, 100), Ok(5));
        assert_eq!(get("k"), Ok(Some(b"5".to_vec())), "a counter is a value");
        at("m3", 100);
        assert_eq!(increment("k", 1, 100), Ok(1));
        assert_eq!(put("k", b"many", 100, false), Ok(true));
        assert!(matches!(increment("k", 1, 100), Err(StateError::Invalid(_))));
    }

    #[test]
    fn a_reservation_keeps_others_out_but_not_its_holder() {
        fakes::forget();
        at("m1", 0);
        assert_eq!(reserve("k", 30), Ok(None));
        assert_eq!(reserve("k", 30), Ok(None));
        at("m2", 29);
        let holder = reserve("k", 30).expect("an answer").expect("a holder");
        assert_eq!((holder.by.as_str(), holder.until_ms), ("m1", 30));
        at("m2", 30);
        assert_eq!(reserve("k", 30), Ok(None));
    }

    #[test]
    fn keys_values_and_calls_have_their_bounds() {
        fakes::forget();
        at("m1", 0);
        assert!(matches!(get(&"k".repeat(257)), Err(StateError::Invalid(_))));
        assert!(matches!(put("k", &[0; 4_097], 1, false), Err(StateError::Invalid(_))));
        for call in 3..=64 {
            assert_eq!(get("k"), Ok(None), "call {call}");
        }
        assert!(matches!(get("k"), Err(StateError::Invalid(_))), "the sixty-fifth call");
    }
}
