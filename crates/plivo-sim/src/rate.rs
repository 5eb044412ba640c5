//! Plivo's request limit.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Most requests in any [`PER`] (Plivo, "API overview").
const MOST: usize = 300;
const PER: Duration = Duration::from_secs(5);

/// The requests of the last five seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    taken: VecDeque<Instant>,
}

impl Rate {
    /// Takes one request, or refuses it. A refused one does not count.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        while self.taken.front().is_some_and(|taken| now.duration_since(*taken) >= PER) {
            self.taken.pop_front();
        }
        let free = self.taken.len() < MOST;
        if free {
            self.taken.push_back(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_301st_request_in_five_seconds_is_refused_until_the_first_has_left() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert!((0..300).all(|_| rate.take(start)));
        assert!(!rate.take(start + PER - Duration::from_millis(1)));
        assert!(rate.take(start + PER));
    }
}
