use crate::state::{Calendar, Charge, Gcra, LimitKind, Period, Refusal, Standing, Window};

const DAY_MS: u64 = 86_400_000;

/// What was charged against one limit and key.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// For windows: when, and how much.
    log: Vec<(u64, u32)>,
    /// For even pacing: the theoretical arrival time, in nanoseconds since 1970.
    tat_ns: u128,
    /// For calendars: the period's beginning, and how much.
    period: (u64, u32),
}

/// What a charge came to, before it is given a name.
enum Answer {
    Charged { remaining: u32, reset_ms: u64, delay_ms: u64 },
    Wait(u64),
    Never,
}

impl Usage {
    pub(super) fn charge(&mut self, charge: &Charge, now_ms: u64) -> Result<Standing, Refusal> {
        let answer = match &charge.kind {
            LimitKind::Window(window) => self.window(window, charge.cost, now_ms),
            LimitKind::Gcra(gcra) => self.gcra(gcra, charge.cost, charge.queue, now_ms),
            LimitKind::Calendar(calendar) => self.calendar(calendar, charge.cost, now_ms),
        };
        let limit = charge.limit.clone();
        match answer {
            Answer::Charged { remaining, reset_ms, delay_ms } => {
                Ok(Standing { limit, remaining, reset_ms, delay_ms })
            }
            Answer::Wait(wait_ms) => Err(Refusal { limit, wait_ms, never: false }),
            Answer::Never => Err(Refusal { limit, wait_ms: 0, never: true }),
        }
    }

    /// An entry made at `t` has left at `t + per`.
    fn window(&mut self, window: &Window, cost: u32, now_ms: u64) -> Answer {
        if cost > window.quota {
            return Answer::Never;
        }
        self.log.retain(|(made, _)| made + window.per_ms > now_ms);
        let mut used: u32 = self.log.iter().map(|(_, cost)| cost).sum();
        if used + cost <= window.quota {
            self.log.push((now_ms, cost));
            let oldest = self.log.first().map_or(now_ms, |(made, _)| *made);
            let remaining = window.quota - used - cost;
            return Answer::Charged {
                remaining,
                reset_ms: oldest + window.per_ms - now_ms,
                delay_ms: 0,
            };
        }
        for (made, freed) in &self.log {
            used -= freed;
            if used + cost <= window.quota {
                return Answer::Wait(made + window.per_ms - now_ms);
            }
        }
        Answer::Wait(window.per_ms)
    }

    /// The generic cell rate algorithm: `cost` moves the theoretical arrival time by `cost` intervals, and may take it
    /// at most `burst` intervals ahead of now. A queueing charge takes its slot however far ahead.
    fn gcra(&mut self, gcra: &Gcra, cost: u32, queue: bool, now_ms: u64) -> Answer {
        if cost > gcra.burst && !queue {
            return Answer::Never;
        }
        let interval = u128::from(gcra.per_ms) * 1_000_000 / u128::from(gcra.quota.max(1));
        let now = u128::from(now_ms) * 1_000_000;
        let room = u128::from(gcra.burst) * interval;
        let free = self.tat_ns.max(now);
        // What costs more than the burst is due when the burst is full again.
        let due = free + u128::from(cost.min(gcra.burst)) * interval;
        let ahead = (due - now).saturating_sub(room);
        if ahead > 0 && !queue {
            return Answer::Wait(millis(ahead));
        }
        let tat = free + u128::from(cost) * interval;
        self.tat_ns = tat;
        let left = room.saturating_sub(tat - now) / interval.max(1);
        Answer::Charged {
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset_ms: millis(tat - now),
            delay_ms: millis(ahead),
        }
    }

    fn calendar(&mut self, calendar: &Calendar, cost: u32, now_ms: u64) -> Answer {
        if cost > calendar.quota {
            return Answer::Never;
        }
        let (begin, end) = period(calendar.period, now_ms);
        let used = if self.period.0 == begin { self.period.1 } else { 0 };
        if used + cost > calendar.quota {
            return Answer::Wait(end - now_ms);
        }
        self.period = (begin, used + cost);
        Answer::Charged {
            remaining: calendar.quota - used - cost,
            reset_ms: end - now_ms,
            delay_ms: 0,
        }
    }
}

/// Rounded up, so that a wait is never too short.
fn millis(nanoseconds: u128) -> u64 {
    u64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Beginning and end of the period around `now_ms`, in UTC.
fn period(period: Period, now_ms: u64) -> (u64, u64) {
    let day = now_ms / DAY_MS;
    let (first, days) = match period {
        Period::Day => (day, 1),
        // 1970-01-01 was a Thursday, and weeks begin on Monday.
        Period::Week => (day.saturating_sub((day + 3) % 7), 7),
        Period::Month => month(day),
    };
    (first * DAY_MS, (first + days) * DAY_MS)
}

/// The first day and the length of the month around `day`, counted in days since 1970.
fn month(day: u64) -> (u64, u64) {
    let (mut year, mut first) = (1970, 0);
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if leap { 29 } else { 28 };
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if day < first + length {
                return (first, length);
            }
            first += length;
        }
        year += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Usage, period};
    use crate::state::{Calendar, Charge, Gcra, LimitKind, Period, Window};

    fn charge(kind: LimitKind, cost: u32, queue: bool) -> Charge {
        Charge { limit: "limit".into(), key: "key".into(), kind, cost, queue }
    }

    /// What `usage` answers: what is left, or how long to wait.
    fn ask(usage: &mut Usage, charge: &Charge, now_ms: u64) -> Result<u32, (u64, bool)> {
        usage
            .charge(charge, now_ms)
            .map(|standing| standing.remaining)
            .map_err(|refusal| (refusal.wait_ms, refusal.never))
    }

    #[test]
    fn a_window_is_half_open() {
        let mut usage = Usage::default();
        let two = charge(LimitKind::Window(Window { quota: 2, per_ms: 60_000 }), 1, false);
        assert_eq!(ask(&mut usage, &two, 0), Ok(1));
        assert_eq!(ask(&mut usage, &two, 10_000), Ok(0));
        assert_eq!(ask(&mut usage, &two, 59_000), Err((1_000, false)));
        assert_eq!(ask(&mut usage, &two, 60_000), Ok(0));
    }

    #[test]
    fn even_pacing_refills_one_slot_an_interval() {
        let mut usage = Usage::default();
        let ten = charge(LimitKind::Gcra(Gcra { quota: 10, per_ms: 60_000, burst: 10 }), 1, false);
        for left in (0..10).rev() {
            assert_eq!(ask(&mut usage, &ten, 1_000), Ok(left));
        }
        assert_eq!(ask(&mut usage, &ten, 6_000), Err((1_000, false)));
        assert_eq!(ask(&mut usage, &ten, 7_000), Ok(0));
    }

    #[test]
    fn a_queueing_charge_takes_the_next_slot_and_says_how_far_it_is() {
        let mut usage = Usage::default();
        let kind = LimitKind::Gcra(Gcra { quota: 1, per_ms: 1_000, burst: 1 });
        let delays: Vec<u64> = (0..3)
            .map(|_| usage.charge(&charge(kind.clone(), 1, true), 5_000).expect("a slot").delay_ms)
            .collect();
        assert_eq!(delays, [0, 1_000, 2_000]);
    }

    #[test]
    fn a_cost_above_what_a_limit_holds_can_never_pass() {
        let kinds = [
            LimitKind::Window(Window { quota: 2, per_ms: 1_000 }),
            LimitKind::Gcra(Gcra { quota: 2, per_ms: 1_000, burst: 2 }),
            LimitKind::Calendar(Calendar { quota: 2, period: Period::Day, zone: "UTC".into() }),
        ];
        for kind in kinds {
            let answer = ask(&mut Usage::default(), &charge(kind.clone(), 3, false), 0);
            assert_eq!(answer, Err((0, true)), "{kind:?}");
        }
    }

    #[test]
    fn a_calendar_counts_from_midnight_to_midnight() {
        let mut usage = Usage::default();
        let kind =
            LimitKind::Calendar(Calendar { quota: 1, period: Period::Day, zone: "UTC".into() });
        let one = charge(kind, 1, false);
        assert_eq!(ask(&mut usage, &one, DAY_MS), Ok(0));
        assert_eq!(ask(&mut usage, &one, 2 * DAY_MS - 1), Err((1, false)));
        assert_eq!(ask(&mut usage, &one, 2 * DAY_MS), Ok(0));
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let days = |span: (u64, u64)| (span.0 / DAY_MS, span.1 / DAY_MS);
        // Day 20,514 is 2026-03-02, a Monday; 2026-03-01 is day 20,513.
        assert_eq!(days(period(Period::Week, 20_516 * DAY_MS)), (20_514, 20_521));
        assert_eq!(days(period(Period::Month, 20_516 * DAY_MS)), (20_513, 20_544));
    }
}
