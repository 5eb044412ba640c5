//! How long one request may keep the policies, whether it is to be sent or explained.

use std::time::Duration;

use tokio::time::Instant;

/// Failures of policies after which the other recipients of a request are not asked about: each may take its whole
/// time.
const FAILURES: usize = 3;

/// How long the policies may take over all recipients of one request: what the most impatient clients wait.
const ASKING: Duration = Duration::from_secs(4);

/// What one request may still ask of the policies. Where they fail or are slow, the rest of its recipients is not asked
/// about: one request may not keep them, and its caller, for longer than any other.
#[derive(Debug)]
pub(super) struct Asking {
    failures: usize,
    enough: Instant,
}

impl Asking {
    pub(super) fn begin() -> Self {
        Self { failures: 0, enough: Instant::now() + ASKING }
    }

    pub(super) fn may_go_on(&self) -> bool {
        self.failures < FAILURES && Instant::now() < self.enough
    }

    /// A recipient's way ended with a policy that could not decide, or not.
    pub(super) fn heard(&mut self, failed: bool) {
        self.failures += usize::from(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_or_four_seconds_are_enough() {
        let mut failing = Asking::begin();
        for failed in [true, false, true, false] {
            failing.heard(failed);
            assert!(failing.may_go_on(), "{failing:?}");
        }
        failing.heard(true);
        assert!(!failing.may_go_on(), "{failing:?}");

        let slow = Asking::begin();
        tokio::time::advance(ASKING - Duration::from_millis(1)).await;
        assert!(slow.may_go_on(), "{slow:?}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!slow.may_go_on(), "{slow:?}");
    }
}
