//! How long to wait before the next try.

use std::time::Duration;

/// The first step; doubled for each further one.
const BASE: Duration = Duration::from_millis(500);
/// The longest step.
const CAP: Duration = Duration::from_secs(60);

/// Full jitter: a random time up to `BASE × 2^n`, at most `CAP`, but never below `least`, such as what Plivo asked
/// for.
///
/// `n` counts the tries made, from 1; `random` is evenly spread over `0.0..1.0`.
pub(crate) fn delay(n: u32, least: Option<Duration>, random: f64) -> Duration {
    let step = BASE.saturating_mul(1 << n.saturating_sub(1).min(16)).min(CAP);
    step.mul_f64(random.clamp(0.0, 1.0)).max(least.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CAP, delay};

    #[test]
    fn the_span_doubles_up_to_its_cap() {
        let most = |n| delay(n, None, 1.0).as_millis();
        assert_eq!(
            [most(1), most(2), most(3), most(7), most(8)],
            [500, 1_000, 2_000, 32_000, 60_000]
        );
        assert_eq!(delay(u32::MAX, None, 1.0), CAP);
        assert_eq!(delay(5, None, 0.0), Duration::ZERO, "full jitter reaches down to nothing");
    }

    #[test]
    fn what_plivo_asked_for_is_waited_at_least() {
        assert_eq!(delay(1, Some(Duration::from_secs(2)), 0.1), Duration::from_secs(2));
    }
}
