//! Keys with a value.

use std::time::Duration;

use message::{LedgerError, Timestamp};

use crate::expiring::{Expiring, Kept, name_of};

/// Most bytes in a value. Source: the contract (`policy.wit`, `state`).
const VALUE_BYTES: usize = 4_096;
/// Most bytes of all values together.
const ALL_BYTES: usize = 64 << 20;

/// Values by owner and key. A counter is the decimal text of its sum, as shared stores have it.
#[derive(Debug)]
pub(super) struct Values(Expiring<Value>);

#[derive(Debug)]
struct Value(Vec<u8>);

impl Values {
    pub(super) fn new(most_keys: usize) -> Self {
        Self(Expiring::new(most_keys, ALL_BYTES))
    }

    pub(super) fn tell(&mut self, now: Timestamp) {
        self.0.tell(now);
    }

    pub(super) fn get(&mut self, owner: &str, key: &str, now: Timestamp) -> Option<Vec<u8>> {
        self.0.tell(now);
        self.0.get(&name_of([owner, key])).map(|(value, _)| value.0.clone())
    }

    pub(super) fn get_with_end(
        &mut self,
        owner: &str,
        key: &str,
        now: Timestamp,
    ) -> Option<(Vec<u8>, Timestamp)> {
        self.0.tell(now);
        self.0.get(&name_of([owner, key])).map(|(value, end)| (value.0.clone(), end))
    }

    /// Takes up what was written down; what does not fit any more is left out, as if it had ended.
    pub(super) fn restore(
        &mut self,
        owner: &str,
        key: &str,
        value: Vec<u8>,
        end: Timestamp,
        now: Timestamp,
    ) {
        self.0.tell(now);
        let _full = self.0.put(&name_of([owner, key]), Value(value), end);
    }

    pub(super) fn put(
        &mut self,
        owner: &str,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        if value.len() > VALUE_BYTES {
            let what = format!("a value has {} bytes; at most {VALUE_BYTES} are kept", value.len());
            return Err(LedgerError::Invalid(what));
        }
        let (now, name) = (self.0.tell(now), name_of([owner, key]));
        if if_absent && self.0.get(&name).is_some() {
            return Ok(false);
        }
        self.0.put(&name, Value(value), now.after(ttl))?;
        Ok(true)
    }

    pub(super) fn increment(
        &mut self,
        owner: &str,
        key: &str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<i64, LedgerError> {
        let (now, name) = (self.0.tell(now), name_of([owner, key]));
        let (sum, end) = match self.0.get(&name) {
            Some((value, end)) => (value.counted()?.saturating_add(delta), end),
            None => (delta, now.after(ttl)),
        };
        self.0.put(&name, Value(sum.to_string().into_bytes()), end)?;
        Ok(sum)
    }
}

impl Value {
    fn counted(&self) -> Result<i64, LedgerError> {
        let number = std::str::from_utf8(&self.0).ok().and_then(|text| text.parse().ok());
        number
            .ok_or_else(|| LedgerError::Invalid("the value under this key is not a counter".into()))
    }
}

impl Kept for Value {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_all_values_are_bounded() {
        let mut values = Values(Expiring::new(10, 8));
        let mut put = |key: &str, bytes, now| {
            values.put("p", key, vec![0; bytes], Duration::from_secs(1), false, Timestamp(now))
        };
        assert_eq!(
            (put("a", 5, 0), put("b", 4, 0), put("b", 3, 0)),
            (Ok(true), Err(LedgerError::Full), Ok(true))
        );
        assert_eq!(put("a", 6, 0), Err(LedgerError::Full));
        assert_eq!(put("a", 8, 1_000), Ok(true), "b has ended");
    }
}
