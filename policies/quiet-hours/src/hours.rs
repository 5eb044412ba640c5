//! Hours of a day, days of a week, and dates, as settings and the table of states write them.

pub(crate) const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Names of the days as they are written, from Monday.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A part of each day, in milliseconds after midnight on the clock there. The end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) opens_ms: i64,
    pub(crate) closes_ms: i64,
}

/// Days of the week, Monday in the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days(u8);

impl Hours {
    /// Never.
    pub(crate) const CLOSED: Self = Self { opens_ms: 0, closes_ms: 0 };

    /// Reads `08:00-21:00`, or `closed`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "closed" {
            return Some(Self::CLOSED);
        }
        let (opens, closes) = text.split_once('-')?;
        let hours = Self { opens_ms: time(opens)?, closes_ms: time(closes)? };
        (hours.opens_ms < hours.closes_ms).then_some(hours)
    }

    /// What is in both.
    pub(crate) fn within(self, other: Self) -> Self {
        let opens_ms = self.opens_ms.max(other.opens_ms);
        let closes_ms = self.closes_ms.min(other.closes_ms);
        if opens_ms < closes_ms { Self { opens_ms, closes_ms } } else { Self::CLOSED }
    }
}

impl Days {
    /// Reads `sun`, or `mon-fri`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let nth = |name: &str| DAYS.iter().position(|day| *day == name);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (nth(first)?, nth(last)?);
        (first <= last).then(|| Self((first..=last).fold(0, |days, day| days | 1 << day)))
    }

    /// Whether `date`, in days since 1970, is one of them.
    pub(crate) fn has(self, date: i64) -> bool {
        // 1970-01-01 was a Thursday.
        self.0 >> (date + 3).rem_euclid(7) & 1 == 1
    }
}

/// Reads `2026-11-01` as days since 1970.
pub(crate) fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=days).contains(&day) {
        return None;
    }
    // Years that begin in March, so that a leap day is the last. Howard Hinnant, "days_from_civil".
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

/// Reads `08:30`; `24:00` is the end of the day.
fn time(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    if (hour.len(), minute.len()) != (2, 2) {
        return None;
    }
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= 1_440).then_some(minutes * MINUTE_MS)
}

/// A number without a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Days, Hours, date};

    #[test]
    fn hours_are_read_as_they_are_written() {
        let hours = Hours::parse("08:30-24:00").expect("hours");
        assert_eq!((hours.opens_ms, hours.closes_ms), (30_600_000, DAY_MS));
        assert_eq!(Hours::parse("closed"), Some(Hours::CLOSED));
        for text in [
            "",
            "8:00-21:00",
            "08:00",
            "21:00-08:00",
            "08:00-08:00",
            "08:60-21:00",
            "08:00-24:01",
            "-1:00-02:00",
            "+8:00-21:00",
            "08:00-+9:00",
        ] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_two_rules_allow_is_what_both_do() {
        let hours = |text| Hours::parse(text).expect("hours");
        assert_eq!(hours("08:00-20:00").within(hours("09:00-21:00")), hours("09:00-20:00"));
        assert_eq!(hours("08:00-12:00").within(hours("12:00-21:00")), Hours::CLOSED);
        assert_eq!(hours("08:00-12:00").within(Hours::CLOSED), Hours::CLOSED);
    }

    #[test]
    fn dates_count_from_1970_over_leap_years() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-11-01", 20_758),
        ] {
            assert_eq!(date(text), Some(days), "{text}");
        }
        for text in [
            "",
            "2026-13-01",
            "2026-00-10",
            "2026-1-1",
            "26-01-01",
            "2026-01-32",
            "2026-01-01-01",
            "2026-02-29",
            "2100-02-29",
            "2026-04-31",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn days_of_the_week_are_told_by_the_date() {
        let (sunday, weekdays) =
            (Days::parse("sun").expect("days"), Days::parse("mon-fri").expect("days"));
        // 2026-11-01 was a Sunday.
        let week: Vec<(bool, bool)> =
            (20_758..20_765).map(|day| (sunday.has(day), weekdays.has(day))).collect();
        let (open, shut) = ((false, true), (false, false));
        assert_eq!(week, [(true, false), open, open, open, open, open, shut]);
        for text in ["", "sunday", "fri-mon", "mon-", "Mon"] {
            assert_eq!(Days::parse(text), None, "{text}");
        }
    }
}
