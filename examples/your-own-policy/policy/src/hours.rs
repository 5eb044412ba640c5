use policy_sdk::{Problem, problem};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Farthest that any zone's clock has been from UTC, in minutes: fourteen hours.
const FARTHEST_MIN: i32 = 14 * 60;

/// The office's day, on a clock that is some way from UTC.
#[derive(Debug)]
pub(crate) struct Hours {
    opens_ms: i64,
    closes_ms: i64,
    ahead_ms: i64,
}

impl Hours {
    /// # Errors
    ///
    /// Every bound that does not fit.
    pub(crate) fn new(opens: u8, closes: u8, utc_offset_min: i32) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if closes > 24 {
            problems.push(problem("/closes", "is later than 24"));
        }
        if opens >= closes {
            problems.push(problem(
                "/opens",
                "is not before `closes`, so that the office would never open",
            ));
        }
        if utc_offset_min.abs() > FARTHEST_MIN {
            problems.push(problem("/utc_offset_min", "is not from -840 to 840"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            opens_ms: i64::from(opens) * HOUR_MS,
            closes_ms: i64::from(closes) * HOUR_MS,
            ahead_ms: i64::from(utc_offset_min) * 60_000,
        })
    }

    /// `instant_ms`, or the next opening after it; in milliseconds since 1970.
    pub(crate) fn open_from(&self, instant_ms: u64) -> u64 {
        let Ok(instant) = i64::try_from(instant_ms) else { return instant_ms };
        let of_day = (instant + self.ahead_ms).rem_euclid(DAY_MS);
        let wait = if of_day < self.opens_ms {
            self.opens_ms - of_day
        } else if of_day < self.closes_ms {
            0
        } else {
            DAY_MS - of_day + self.opens_ms
        };
        instant_ms.saturating_add(wait.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::Hours;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn the_office_is_open_from_the_first_hour_to_the_last() {
        let hours = Hours::new(9, 18, 0).expect("hours that fit");
        for (instant_ms, open_ms) in [
            (9 * HOUR_MS - 1, 9 * HOUR_MS),
            (9 * HOUR_MS, 9 * HOUR_MS),
            (18 * HOUR_MS - 1, 18 * HOUR_MS - 1),
            (18 * HOUR_MS, 33 * HOUR_MS),
            (0, 9 * HOUR_MS),
        ] {
            assert_eq!(hours.open_from(instant_ms), open_ms, "from {instant_ms} ms");
        }
    }

    #[test]
    fn the_offices_clock_counts() {
        let east = Hours::new(9, 18, 330).expect("hours that fit");
        assert_eq!(east.open_from(3 * HOUR_MS), 3 * HOUR_MS + HOUR_MS / 2);
        let west = Hours::new(9, 18, -300).expect("hours that fit");
        assert_eq!(west.open_from(22 * HOUR_MS), 22 * HOUR_MS);
        assert_eq!(west.open_from(23 * HOUR_MS), 38 * HOUR_MS);
    }

    #[test]
    fn an_office_open_all_day_never_waits() {
        let hours = Hours::new(0, 24, 0).expect("hours that fit");
        for hour in 0..48 {
            assert_eq!(hours.open_from(hour * HOUR_MS), hour * HOUR_MS);
        }
    }
}
