//! Quotas by the calendar of a time zone.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, ZonedDateTime};
use message::{Calendar, LedgerError, Period, Settlement, Timestamp};

use super::open::{Made, OpenCharges};
use super::usage::Refused;
use crate::holds::HoldKind;

/// What has been used of one period.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    zone: String,
    period: Period,
    bounds: Bounds,
    used: u64,
    open: OpenCharges,
}

/// From the first instant of a period to the first instant of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    start: Timestamp,
    end: Timestamp,
}

impl Tally {
    pub(super) fn none(calendar: &Calendar, now: Timestamp) -> Result<Self, LedgerError> {
        let bounds = bounds(calendar, now)?;
        let open = OpenCharges::default();
        Ok(Self { zone: calendar.zone.clone(), period: calendar.period, bounds, used: 0, open })
    }

    /// Begins the next period where this one is over; `false` where the limit has another zone or period by now.
    pub(super) fn advance(
        &mut self,
        calendar: &Calendar,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        if self.zone != calendar.zone || self.period != calendar.period {
            return Ok(false);
        }
        if now >= self.bounds.end {
            *self = Self::none(calendar, now)?;
        } else if now < self.bounds.start {
            // The clock was set back over midnight: what was used stays used.
            self.bounds = bounds(calendar, now)?;
        }
        Ok(true)
    }

    pub(super) fn refusal(&self, quota: u32, cost: u32, now: Timestamp) -> Option<Refused> {
        if cost > quota {
            return Some(Refused::Never);
        }
        let over = cost > 0 && self.used + u64::from(cost) > u64::from(quota);
        over.then(|| Refused::Until(self.reset(now)))
    }

    pub(super) fn charge(&mut self, cost: u32, token: u64) {
        self.used += u64::from(cost);
        let amount = u128::from(cost);
        self.open.add(token, Made { at: self.bounds.start, amount, level: 0 });
    }

    pub(super) fn settle(&mut self, token: u64, settlement: Settlement) {
        let closed = self.open.close(token).and_then(|cost| u64::try_from(cost).ok());
        match settlement {
            Settlement::Keep => {}
            Settlement::GiveBack => self.used = self.used.saturating_sub(closed.unwrap_or(0)),
        }
    }

    pub(super) fn saved(&mut self, token: u64) -> Option<(HoldKind, Timestamp)> {
        let cost = u32::try_from(self.open.write(token)?.amount).unwrap_or(u32::MAX);
        let (zone, period) = (self.zone.clone(), word(self.period));
        Some((HoldKind::Calendar { zone, period, cost }, self.bounds.start))
    }

    /// Nothing used yet of a period that was written down.
    pub(super) fn restored(zone: &str, period: &str, start: Timestamp, end: Timestamp) -> Self {
        let named = [Period::Day, Period::Week].into_iter().find(|known| word(*known) == period);
        let (bounds, open) = (Bounds { start, end }, OpenCharges::default());
        let period = named.unwrap_or(Period::Month);
        Self { zone: zone.to_owned(), period, bounds, used: 0, open }
    }

    pub(super) fn is_of(&self, zone: &str, period: &str, start: Timestamp) -> bool {
        (self.zone.as_str(), word(self.period), self.bounds.start) == (zone, period, start)
    }

    pub(super) fn restore(&mut self, token: u64, cost: u32, open: bool) {
        self.charge(cost, token);
        if open {
            self.open.write(token);
        } else {
            self.open.close(token);
        }
    }

    pub(super) fn remaining(&self, quota: u32) -> u32 {
        u32::try_from(u64::from(quota).saturating_sub(self.used)).unwrap_or(u32::MAX)
    }

    /// Until the next period begins.
    pub(super) fn reset(&self, now: Timestamp) -> Duration {
        self.bounds.end.since(now)
    }

    pub(super) fn end(&self) -> Timestamp {
        self.bounds.end
    }

    pub(super) fn holds(&self) -> usize {
        self.open.len()
    }
}

/// The period's name in what is written down.
fn word(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}

/// The period of `calendar` that `now` lies in.
fn bounds(calendar: &Calendar, now: Timestamp) -> Result<Bounds, LedgerError> {
    let unknown = || LedgerError::Invalid(format!("{:?} is not an IANA time zone", calendar.zone));
    let far = || LedgerError::Invalid("the instant is outside the calendar".into());
    let zone = TimeZone::get(&calendar.zone).map_err(|_| unknown())?;
    let instant =
        i64::try_from(now.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let today = instant.ok_or_else(far)?.to_zoned_datetime(zone.clone()).date();
    let (first, next) = period_of(today, calendar.period).map_err(|_| far())?;
    let begins =
        |date: Date| date.to_zoned_datetime(zone.clone()).and_then(|day| day.start_of_day());
    let (start, end) = (begins(first).map_err(|_| far())?, begins(next).map_err(|_| far())?);
    Ok(Bounds { start: timestamp(&start), end: timestamp(&end) })
}

/// The first day of the period that `day` lies in, and of the one after it.
fn period_of(day: Date, period: Period) -> Result<(Date, Date), jiff::Error> {
    let since_monday = i64::from(day.weekday().to_monday_zero_offset());
    Ok(match period {
        Period::Day => (day, day.tomorrow()?),
        Period::Week => {
            let monday = day.checked_sub(since_monday.days())?;
            (monday, monday.checked_add(1.week())?)
        }
        Period::Month => (day.first_of_month(), day.last_of_month().tomorrow()?),
    })
}

fn timestamp(at: &ZonedDateTime) -> Timestamp {
    Timestamp(u64::try_from(at.timestamp().as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(at: &str) -> Timestamp {
        let at: jiff::Timestamp = at.parse().unwrap();
        Timestamp(u64::try_from(at.as_millisecond()).unwrap())
    }

    fn bounds_at(zone: &str, period: Period, now: &str) -> (String, String) {
        let calendar = Calendar { quota: 1, period, zone: zone.into() };
        let Bounds { start, end } = bounds(&calendar, ms(now)).unwrap();
        let text =
            |at: Timestamp| jiff::Timestamp::from_millisecond(at.0 as i64).unwrap().to_string();
        (text(start), text(end))
    }

    #[test]
    fn periods_begin_at_the_zones_midnight() {
        let pacific = "America/Los_Angeles";
        for (zone, period, now, start, end) in [
            // 23 hours, since clocks go forward
            (
                pacific,
                Period::Day,
                "2026-03-08T08:00:00Z",
                "2026-03-08T08:00:00Z",
                "2026-03-09T07:00:00Z",
            ),
            (
                pacific,
                Period::Day,
                "2026-03-08T07:59:59.999Z",
                "2026-03-07T08:00:00Z",
                "2026-03-08T08:00:00Z",
            ),
            // 25 hours
            (
                pacific,
                Period::Day,
                "2026-11-01T12:00:00Z",
                "2026-11-01T07:00:00Z",
                "2026-11-02T08:00:00Z",
            ),
            // Monday to Monday, over the change
            (
                pacific,
                Period::Week,
                "2026-03-08T12:00:00Z",
                "2026-03-02T08:00:00Z",
                "2026-03-09T07:00:00Z",
            ),
            (
                "UTC",
                Period::Week,
                "2026-03-09T00:00:00Z",
                "2026-03-09T00:00:00Z",
                "2026-03-16T00:00:00Z",
            ),
            (
                "UTC",
                Period::Month,
                "2024-02-29T23:59:59Z",
                "2024-02-01T00:00:00Z",
                "2024-03-01T00:00:00Z",
            ),
            (
                pacific,
                Period::Month,
                "2026-12-31T23:00:00Z",
                "2026-12-01T08:00:00Z",
                "2027-01-01T08:00:00Z",
            ),
            // midnight does not exist: the day begins at one
            (
                "America/Santiago",
                Period::Day,
                "2026-09-06T12:00:00Z",
                "2026-09-06T04:00:00Z",
                "2026-09-07T03:00:00Z",
            ),
            (
                "Asia/Kathmandu",
                Period::Day,
                "2026-06-01T18:15:00Z",
                "2026-06-01T18:15:00Z",
                "2026-06-02T18:15:00Z",
            ),
        ] {
            let expected = (start.to_owned(), end.to_owned());
            assert_eq!(bounds_at(zone, period, now), expected, "{zone} {period:?} {now}");
        }
    }

    #[test]
    fn an_unknown_zone_or_a_far_instant_is_invalid() {
        let calendar = |zone: &str| Calendar { quota: 1, period: Period::Day, zone: zone.into() };
        for zone in ["", "Mars/Olympus", "PST8PDTX", "../etc/passwd"] {
            let refused = bounds(&calendar(zone), Timestamp(0));
            assert!(matches!(refused, Err(LedgerError::Invalid(_))), "{zone:?}: {refused:?}");
        }
        let refused = bounds(&calendar("UTC"), Timestamp(u64::MAX));
        assert!(matches!(refused, Err(LedgerError::Invalid(_))), "{refused:?}");
    }
}
