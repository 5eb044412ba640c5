//! How much of the traffic may be retries.
//!
//! Where much fails, retries are load on top of load. So while Plivo turns messages away they are over a minute at most
//! a share of the first attempts, and a few more, so that a quiet sidecar may retry at all (messaging.md 3.4). One call
//! that Plivo takes shows that it is well again, and nothing is held back any more: so that this is found out, one
//! retry goes every few seconds. A retry that is refused is not lost: its message waits for another backoff and asks
//! again, until its deadline.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rolling::Rolling;

/// What is counted over.
const SPAN: Duration = Duration::from_secs(60);
/// Retries beside the share.
const SPARE: u32 = 3;
/// One retry goes where none has gone for so long.
const TRICKLE: Duration = Duration::from_secs(5);

/// Counts first attempts and retries of the last minute.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    percent: u32,
    /// Plivo turned the latest call away, or failed.
    failing: bool,
    latest: Option<Instant>,
    /// First attempts, then retries.
    attempts: Rolling,
}

impl RetryBudget {
    /// While Plivo fails, retries are at most `percent` of the first attempts, and three more.
    pub(crate) fn new(percent: u32) -> Self {
        let attempts = Rolling::over(SPAN);
        Self { state: Mutex::new(State { percent, failing: false, latest: None, attempts }) }
    }

    /// Takes another share into force; what was counted stays.
    pub(crate) fn set_percent(&self, percent: u32) {
        self.with(|state| state.percent = percent);
    }

    /// Counts the first attempt of a message.
    pub(crate) fn first(&self, now: Instant) {
        self.with(|state| state.attempts.add([1, 0], now));
    }

    /// Plivo turned a call away or failed, or took one or refused it for good.
    pub(crate) fn heard(&self, failing: bool) {
        self.with(|state| state.failing = failing);
    }

    /// Takes one retry if the budget has it. Where it has not, wait for the next backoff and ask again.
    pub(crate) fn may_retry(&self, now: Instant) -> bool {
        self.with(|state| {
            let [firsts, retries] = state.attempts.sums(now);
            let most = u64::from(firsts) * u64::from(state.percent) / 100 + u64::from(SPARE);
            let is_late = || state.latest.is_none_or(|latest| now >= latest + TRICKLE);
            let may = !state.failing || u64::from(retries) < most || is_late();
            if may {
                state.latest = Some(now);
                state.attempts.add([0, 1], now);
            }
            may
        })
    }

    /// Nothing in here panics, so the lock outlives whoever did.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failing(percent: u32) -> RetryBudget {
        let budget = RetryBudget::new(percent);
        budget.heard(true);
        budget
    }

    fn granted(budget: &RetryBudget, now: Instant) -> usize {
        (0..1_000).filter(|_| budget.may_retry(now)).count()
    }

    #[test]
    fn a_quiet_sidecar_has_three_retries_a_minute() {
        let (budget, start) = (failing(20), Instant::now());
        assert_eq!(granted(&budget, start), 3);
        assert!(!budget.may_retry(start + Duration::from_secs(4)));
        assert_eq!(granted(&budget, start + Duration::from_secs(60)), 3);
    }

    #[test]
    fn one_goes_every_few_seconds_and_all_as_soon_as_plivo_is_seen_to_be_well() {
        let (budget, start) = (failing(20), Instant::now());
        granted(&budget, start);
        assert_eq!(granted(&budget, start + TRICKLE), 1);
        assert_eq!(granted(&budget, start + 2 * TRICKLE), 1);
        budget.heard(false);
        assert_eq!(granted(&budget, start + 2 * TRICKLE), 1_000);
    }

    #[test]
    fn a_hundred_first_attempts_bring_twenty_retries_more() {
        let (budget, start) = (failing(20), Instant::now());
        for _ in 0..100 {
            budget.first(start);
        }
        assert_eq!(granted(&budget, start), 23);
    }

    #[test]
    fn another_share_holds_at_once_and_forgets_nothing() {
        let (budget, start) = (failing(0), Instant::now());
        for _ in 0..10 {
            budget.first(start);
        }
        assert_eq!(granted(&budget, start), 3);
        budget.set_percent(100);
        assert_eq!(granted(&budget, start), 10);
    }

    proptest! {
        #[test]
        fn retries_never_pass_the_share_of_any_moment(
            steps in proptest::collection::vec((0_u64..8_000, any::<bool>()), 1..200),
            percent in 0_u32..=100,
        ) {
            let budget = failing(percent);
            let (mut now, mut firsts, mut retries) = (Instant::now(), Vec::new(), Vec::new());
            for (ms, first) in steps {
                now += Duration::from_millis(ms);
                if first {
                    budget.first(now);
                    firsts.push(now);
                } else if budget.may_retry(now) {
                    let recent = |all: &[Instant]| {
                        all.iter().filter(|at| now.duration_since(**at) < SPAN).count()
                    };
                    // A step may leave early: then both counts are those of its shorter span.
                    let step = SPAN / 10;
                    let certain = retries
                        .iter()
                        .filter(|at| now.duration_since(**at) < SPAN - step)
                        .count();
                    let trickle = (SPAN.as_secs() / TRICKLE.as_secs()) as usize;
                    let most = recent(&firsts) * percent as usize / 100 + SPARE as usize + trickle;
                    prop_assert!(certain < most, "{certain} retries before, {most} allowed");
                    retries.push(now);
                }
            }
        }
    }
}
