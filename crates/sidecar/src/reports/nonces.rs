//! Nonces seen, so that a report that somebody recorded on its way is not taken twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a nonce is remembered. A copy that comes later still says nothing new: the store tells reports apart by
/// status and sequence.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// Most nonces: 145 reports a second, of 15 minutes, in some 10 MiB.
const MOST: usize = 131_072;
/// Longest nonce taken, in bytes; Plivo's have 20 digits.
pub(super) const MOST_BYTES: usize = 128;

/// The nonces of reports that were taken. Only those whose signature held are put here, so that nobody else can fill
/// it.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    at: HashMap<Box<str>, Instant>,
    order: VecDeque<Box<str>>,
}

impl Nonces {
    /// Whether a report with this nonce was taken already.
    pub(super) fn has(&self, nonce: &str, now: Instant) -> bool {
        let mut seen = self.seen();
        seen.forget(now);
        seen.at.contains_key(nonce)
    }

    /// Remembers the nonce of a report that was taken. Not before: one that could not be written down comes again.
    pub(super) fn put(&self, nonce: &str, now: Instant) {
        let mut seen = self.seen();
        seen.forget(now);
        if seen.at.contains_key(nonce) {
            return;
        }
        if seen.order.len() >= MOST {
            seen.forget_oldest();
        }
        seen.at.insert(nonce.into(), now);
        seen.order.push_back(nonce.into());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing under this lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn forget(&mut self, now: Instant) {
        let is_old = |seen: &Self| {
            let oldest = seen.order.front().and_then(|nonce| seen.at.get(nonce));
            oldest.is_some_and(|at| now.saturating_duration_since(*at) >= REMEMBERED)
        };
        while is_old(self) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.at.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_remembered_for_its_time() {
        let (nonces, start) = (Nonces::default(), Instant::now());
        assert!(!nonces.has("n", start));
        nonces.put("n", start);
        assert!(nonces.has("n", start + REMEMBERED - Duration::from_millis(1)));
        assert!(!nonces.has("n", start + REMEMBERED));
        assert_eq!(nonces.seen().order.len(), 0);
    }

    #[test]
    fn seeing_it_again_makes_it_no_younger() {
        let (nonces, start) = (Nonces::default(), Instant::now());
        nonces.put("n", start);
        nonces.put("n", start + REMEMBERED / 2);
        assert!(!nonces.has("n", start + REMEMBERED));
    }

    #[test]
    fn the_oldest_makes_room() {
        let (nonces, now) = (Nonces::default(), Instant::now());
        for nth in 0..=MOST {
            nonces.put(&nth.to_string(), now);
        }
        let kept = |seen: MutexGuard<'_, Seen>| (seen.at.len(), seen.order.len());
        assert_eq!(kept(nonces.seen()), (MOST, MOST));
        assert!(
            !nonces.has("0", now) && nonces.has("1", now) && nonces.has(&MOST.to_string(), now)
        );
    }
}
