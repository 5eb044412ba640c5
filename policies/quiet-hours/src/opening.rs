//! When it is open, by all clocks at once.

use policy_sdk::zones::Offset;

use crate::hours::DAY_MS;
use crate::rules::Week;

/// The earliest instant from `from_ms` on, and before `until_ms`, at which it is open by every one of `clocks`; in
/// milliseconds since 1970.
///
/// Each clock is its offsets in order, the first of which holds at `from_ms`.
pub(crate) fn next(
    week: &Week<'_>,
    clocks: &[Vec<Offset>],
    from_ms: u64,
    until_ms: u64,
) -> Option<u64> {
    let until = i64::try_from(until_ms).ok()?;
    let mut at = i64::try_from(from_ms).ok()?;
    loop {
        let mut latest = at;
        for clock in clocks {
            latest = latest.max(by(week, clock, at, until)?);
        }
        if latest == at {
            return u64::try_from(at).ok();
        }
        at = latest;
    }
}

/// The same by one clock. Between two changes a clock runs evenly, so each stretch is looked at by itself: an hour that
/// comes twice is judged twice, and one that is left out never comes.
fn by(week: &Week<'_>, clock: &[Offset], at: i64, until: i64) -> Option<i64> {
    let since = |offset: &Offset| i64::try_from(offset.since_ms).unwrap_or(i64::MAX);
    for (nth, offset) in clock.iter().enumerate() {
        let (begin, end) = (since(offset), clock.get(nth + 1).map_or(until, since).min(until));
        let ahead = i64::from(offset.seconds) * 1_000;
        let mut from = at.max(begin);
        while from < end {
            let date = (from + ahead).div_euclid(DAY_MS);
            let midnight = date * DAY_MS - ahead;
            let hours = week.hours(date);
            let opening = from.max(midnight + hours.opens_ms);
            if opening < end.min(midnight + hours.closes_ms) {
                return Some(opening);
            }
            from = midnight + DAY_MS;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use policy_sdk::zones::Offset;

    use super::{by, next};
    use crate::hours::{DAY_MS, Hours};
    use crate::rules::{Rule, Week};

    const HOUR: i64 = 3_600_000;
    /// 2026-03-08 00:00 UTC, a Sunday on which clocks go forward in the US.
    const SUNDAY: i64 = 1_772_928_000_000;

    fn offset(since: i64, hours: i32) -> Offset {
        Offset { since_ms: u64::try_from(since).expect("after 1970"), seconds: hours * 3_600 }
    }

    fn open(week: &Week<'_>, clock: &[Offset], at: i64) -> Option<i64> {
        by(week, clock, at, SUNDAY + 9 * DAY_MS)
    }

    fn week(hours: &str, rules: &'static [Rule]) -> Week<'static> {
        Week::of("+12125550123", Hours::parse(hours).expect("hours"), rules)
    }

    #[test]
    fn an_hour_that_is_left_out_never_comes_and_one_that_comes_twice_is_judged_twice() {
        // At 07:00 UTC from 02:00 to 03:00, UTC-5 to UTC-4.
        let spring = [offset(SUNDAY, -5), offset(SUNDAY + 7 * HOUR, -4)];
        let half_past_two = week("02:30-02:45", &[]);
        assert_eq!(
            open(&half_past_two, &spring, SUNDAY + 5 * HOUR),
            Some(SUNDAY + DAY_MS + 6 * HOUR + HOUR / 2)
        );
        // And back at 06:00 UTC from 02:00 to 01:00.
        let autumn = [offset(SUNDAY, -4), offset(SUNDAY + 6 * HOUR, -5)];
        let half_past_one = week("01:30-01:45", &[]);
        let (first, second) = (SUNDAY + 5 * HOUR + HOUR / 2, SUNDAY + 6 * HOUR + HOUR / 2);
        assert_eq!(open(&half_past_one, &autumn, SUNDAY + 4 * HOUR), Some(first));
        assert_eq!(open(&half_past_one, &autumn, first + HOUR / 3), Some(second));
    }

    #[test]
    fn it_is_open_where_every_clock_says_so() {
        let week = week("08:00-21:00", &[]);
        let clocks =
            [vec![offset(SUNDAY, -5)], vec![offset(SUNDAY, -10)], vec![offset(SUNDAY, 10)]];
        let at = |hour: i64| u64::try_from(SUNDAY + hour * HOUR).expect("after 1970");
        // New York 08-21 is 13-02 UTC, Hawaii's 18-07, Guam's 22-11.
        assert_eq!(next(&week, &clocks, at(3), at(200)), Some(at(22)));
        assert_eq!(next(&week, &clocks, at(23), at(200)), Some(at(23)));
        assert_eq!(next(&week, &clocks, at(26), at(200)), Some(at(46)));
        assert_eq!(next(&week, &clocks, at(3), at(22)), None, "the end is not looked at");
    }

    #[test]
    fn clocks_that_have_no_hour_in_common_are_given_up() {
        let week = week("08:00-09:00", &[]);
        let clocks = [vec![offset(SUNDAY, 0)], vec![offset(SUNDAY, 1)]];
        let from = u64::try_from(SUNDAY).expect("after 1970");
        assert_eq!(next(&week, &clocks, from, from + 7 * 86_400_000), None);
    }
}
