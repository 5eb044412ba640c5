//! The days, weeks and months near an instant.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, ZonedDateTime};
use message::{Calendar, LedgerError, Period, Timestamp};

/// When the period before `now`'s, that period, the next one and the one after begin, in the calendar's zone.
///
/// Three periods, since the server that decides has a clock of its own.
pub(super) fn near(calendar: &Calendar, now: Timestamp) -> Result<[Timestamp; 4], LedgerError> {
    let zone = TimeZone::get(&calendar.zone).map_err(|_| {
        LedgerError::Invalid(format!("{:?} is not an IANA time zone", calendar.zone))
    })?;
    begins(&zone, calendar.period, now)
        .ok_or_else(|| LedgerError::Invalid("the instant is outside the calendar".into()))
}

fn begins(zone: &TimeZone, period: Period, now: Timestamp) -> Option<[Timestamp; 4]> {
    let now = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
    let today = now.to_zoned_datetime(zone.clone()).date();
    let this = first_day(today, period)?;
    let next = day_after(this, period)?;
    let days = [first_day(this.yesterday().ok()?, period)?, this, next, day_after(next, period)?];
    let midnight = |day: Date| day.to_zoned_datetime(zone.clone()).ok()?.start_of_day().ok();
    let [a, b, c, d] = days.map(|day| timestamp(&midnight(day)?));
    Some([a?, b?, c?, d?])
}

/// The first day of the period that `day` lies in. Weeks begin on Monday.
fn first_day(day: Date, period: Period) -> Option<Date> {
    match period {
        Period::Day => Some(day),
        Period::Week => {
            day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days()).ok()
        }
        Period::Month => Some(day.first_of_month()),
    }
}

/// The day after the period that begins on `first`.
fn day_after(first: Date, period: Period) -> Option<Date> {
    match period {
        Period::Day => first.tomorrow().ok(),
        Period::Week => first.checked_add(1.week()).ok(),
        Period::Month => first.last_of_month().tomorrow().ok(),
    }
}

fn timestamp(at: &ZonedDateTime) -> Option<Timestamp> {
    u64::try_from(at.timestamp().as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near_at(zone: &str, period: Period, now: &str) -> [String; 4] {
        let now: jiff::Timestamp = now.parse().unwrap();
        let now = Timestamp(u64::try_from(now.as_millisecond()).unwrap());
        near(&Calendar { quota: 1, period, zone: zone.into() }, now)
            .unwrap()
            .map(|at| jiff::Timestamp::from_millisecond(at.0 as i64).unwrap().to_string())
    }

    #[test]
    fn periods_begin_at_the_zones_midnight() {
        let pacific = "America/Los_Angeles";
        for (zone, period, now, begins) in [
            // Clocks go forward on the eighth: a day of 23 hours
            (
                pacific,
                Period::Day,
                "2026-03-08T12:00:00Z",
                [
                    "2026-03-07T08:00:00Z",
                    "2026-03-08T08:00:00Z",
                    "2026-03-09T07:00:00Z",
                    "2026-03-10T07:00:00Z",
                ],
            ),
            (
                pacific,
                Period::Week,
                "2026-03-09T06:59:59.999Z",
                [
                    "2026-02-23T08:00:00Z",
                    "2026-03-02T08:00:00Z",
                    "2026-03-09T07:00:00Z",
                    "2026-03-16T07:00:00Z",
                ],
            ),
            (
                "UTC",
                Period::Month,
                "2024-02-29T23:59:59Z",
                [
                    "2024-01-01T00:00:00Z",
                    "2024-02-01T00:00:00Z",
                    "2024-03-01T00:00:00Z",
                    "2024-04-01T00:00:00Z",
                ],
            ),
            // Midnight does not exist there: the day begins at one
            (
                "America/Santiago",
                Period::Day,
                "2026-09-06T12:00:00Z",
                [
                    "2026-09-05T04:00:00Z",
                    "2026-09-06T04:00:00Z",
                    "2026-09-07T03:00:00Z",
                    "2026-09-08T03:00:00Z",
                ],
            ),
        ] {
            assert_eq!(near_at(zone, period, now), begins, "{zone} {period:?} {now}");
        }
    }

    #[test]
    fn an_unknown_zone_or_a_far_instant_is_invalid() {
        let calendar = |zone: &str| Calendar { quota: 1, period: Period::Day, zone: zone.into() };
        for (zone, now) in [("", 1), ("Mars/Olympus", 1), ("../etc/passwd", 1), ("UTC", u64::MAX)] {
            let refused = near(&calendar(zone), Timestamp(now));
            assert!(matches!(refused, Err(LedgerError::Invalid(_))), "{zone:?}: {refused:?}");
        }
    }
}
