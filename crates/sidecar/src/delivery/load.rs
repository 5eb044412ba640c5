//! How many calls sends have made lately: other questions to Plivo have what they leave.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rolling::Rolling;

/// Requests that Plivo allows an account ("API overview"), and in what time.
pub(crate) const ALLOWED: (u32, Duration) = (300, Duration::from_secs(5));

/// Counts the calls of sends.
#[derive(Debug)]
pub(super) struct Load(Mutex<Rolling>);

impl Load {
    pub(super) fn add(&self, now: Instant) {
        self.with(|calls| calls.add([1, 0], now));
    }

    /// In the time that [`ALLOWED`] is about.
    pub(super) fn lately(&self, now: Instant) -> u32 {
        self.with(|calls| calls.sums(now)[0])
    }

    /// Nothing in here panics, so the lock outlives whoever did.
    fn with<T>(&self, act: impl FnOnce(&mut Rolling) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Load {
    fn default() -> Self {
        Self(Mutex::new(Rolling::over(ALLOWED.1)))
    }
}
