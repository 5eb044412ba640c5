//! When an app that did not take an event is called again.

use std::time::Duration;

use message::Timestamp;

/// How long the waits are, by the age of the event: up to so many seconds old, at most so many seconds.
const WAITS: [(u64, u64); 6] = [
    (60, 10),
    (10 * 60, 60),
    (60 * 60, 10 * 60),
    (6 * 60 * 60, 60 * 60),
    (24 * 60 * 60, 3 * 60 * 60),
    (u64::MAX, 6 * 60 * 60),
];
/// The age at which an event is given up: a weekend and a day.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(72 * 60 * 60);
/// The shortest wait.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest that an app's `Retry-After` is heeded.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// When an event that came up, or was revived, at `at` is told again after a call at `now` failed; none where it is given up.
///
/// Full jitter: anywhere up to the wait for its age, but not before the app's own `Retry-After`. `random` is evenly
/// spread over `0.0..1.0`.
pub(super) fn next(
    at: Timestamp,
    now: Timestamp,
    retry_after: Option<Duration>,
    random: f64,
) -> Option<Timestamp> {
    let age = now.since(at);
    if age >= GIVEN_UP {
        return None;
    }
    let (_, wait) = WAITS.into_iter().find(|(up_to, _)| age.as_secs() < *up_to)?;
    let wait = Duration::from_secs(wait).mul_f64(random.clamp(0.0, 1.0)).max(SHORTEST);
    Some(now.after(wait.max(retry_after.unwrap_or_default().min(LONGEST))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_780_000_000_000);

    fn wait(age_s: u64, retry_after: Option<u64>, random: f64) -> Option<u64> {
        let now = AT.after(Duration::from_secs(age_s));
        let next = next(AT, now, retry_after.map(Duration::from_secs), random)?;
        Some(next.since(now).as_secs())
    }

    #[test]
    fn waits_grow_with_the_age_of_the_event() {
        let longest = [0, 59, 60, 599, 600, 3_600, 6 * 3_600, 24 * 3_600, 72 * 3_600 - 1];
        let waits: Vec<_> = longest.into_iter().map(|age| wait(age, None, 1.0).unwrap()).collect();
        assert_eq!(waits, [10, 10, 60, 60, 600, 3_600, 10_800, 21_600, 21_600]);
        assert_eq!(wait(3_600, None, 0.5), Some(1_800));
        assert_eq!(wait(3_600, None, 0.0), Some(1), "jitter reaches down to a second");
    }

    #[test]
    fn an_event_is_given_up_after_three_days() {
        assert_eq!(wait(72 * 3_600, None, 0.5), None);
        assert_eq!(wait(72 * 3_600, Some(60), 0.5), None);
    }

    #[test]
    fn what_the_app_asks_for_is_waited_at_least_and_within_reason() {
        assert_eq!(wait(0, Some(30), 0.5), Some(30));
        assert_eq!(wait(0, Some(3), 1.0), Some(10));
        assert_eq!(wait(0, Some(10_000_000), 0.5), Some(6 * 3_600));
    }

    #[test]
    fn an_app_that_is_away_for_days_is_called_some_dozens_of_times() {
        for random in [0.1, 0.5, 1.0] {
            let (mut now, mut calls) = (AT, 1);
            while let Some(at) = next(AT, now, None, random) {
                (now, calls) = (at, calls + 1);
            }
            assert!((20..500).contains(&calls), "{calls} calls with jitter {random}");
            assert!(now.since(AT) >= GIVEN_UP);
        }
    }
}
