//! The generic cell rate algorithm: one number, the theoretical arrival time (TAT).

use std::time::Duration;

use message::{Gcra, Settlement, Timestamp};

use super::open::{Made, OpenCharges};
use super::usage::Refused;
use crate::holds::HoldKind;

const NANOS_PER_MS: u128 = 1_000_000;

/// How far ahead of the clock a limit is charged. All instants are in nanoseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// When the next cost would arrive if all came evenly.
    tat: u128,
    open: OpenCharges,
}

impl Pace {
    pub(super) fn refusal(&self, gcra: Gcra, cost: u32, now: Timestamp) -> Option<Refused> {
        if cost > gcra.burst {
            return Some(Refused::Never);
        }
        let due = self.tat.max(nanos(now)) + span(gcra, cost);
        let wait = due.saturating_sub(span(gcra, gcra.burst)).saturating_sub(nanos(now));
        (cost > 0 && wait > 0).then(|| Refused::Until(rounded_up(wait)))
    }

    /// Charges the full cost and says how long until it is due: at once, unless the charge queues.
    pub(super) fn charge(&mut self, gcra: Gcra, cost: u32, token: u64, now: Timestamp) -> Duration {
        if cost == 0 {
            return Duration::ZERO;
        }
        let (at, now) = (now, nanos(now));
        let free = self.tat.max(now);
        let due = (free + span(gcra, cost.min(gcra.burst))).saturating_sub(span(gcra, gcra.burst));
        let made = Made { at, amount: span(gcra, cost), level: free + span(gcra, cost) };
        self.add(token, made, true);
        rounded_up(due.saturating_sub(now))
    }

    fn add(&mut self, token: u64, made: Made, open: bool) {
        // Where the clock has caught up with earlier charges, giving those back frees nothing more.
        self.open.lower_to(self.tat.saturating_sub(nanos(made.at)));
        if open {
            self.open.add(token, made);
        }
        self.tat = (self.tat.max(nanos(made.at)) + made.amount).max(made.level);
    }

    pub(super) fn settle(&mut self, token: u64, settlement: Settlement) {
        match (self.open.close(token), settlement) {
            (Some(amount), Settlement::GiveBack) => self.tat = self.tat.saturating_sub(amount),
            (_, Settlement::Keep) | (None, Settlement::GiveBack) => {}
        }
    }

    pub(super) fn saved(&mut self, token: u64) -> Option<(HoldKind, Timestamp)> {
        let whole = |nanos: u128| i64::try_from(nanos).unwrap_or(i64::MAX);
        let Made { at, amount, level } = self.open.write(token)?;
        Some((HoldKind::Gcra { amount: whole(amount), level: whole(level) }, at))
    }

    /// Charges again what was written down, as it was: only the charges between that were given back are left out.
    pub(super) fn restore(
        &mut self,
        at: Timestamp,
        token: u64,
        amount: i64,
        level: i64,
        open: bool,
    ) {
        let whole = |nanos: i64| u128::try_from(nanos).unwrap_or(0);
        self.add(token, Made { at, amount: whole(amount), level: whole(level) }, open);
        self.open.write(token);
    }

    /// Cost that would pass at once.
    pub(super) fn remaining(&self, gcra: Gcra, now: Timestamp) -> u32 {
        let ahead = self.tat.saturating_sub(nanos(now));
        let room = span(gcra, gcra.burst).saturating_sub(ahead);
        u32::try_from(room / span(gcra, 1)).unwrap_or(u32::MAX)
    }

    /// Until the full burst is back.
    pub(super) fn reset(&self, now: Timestamp) -> Duration {
        rounded_up(self.tat.saturating_sub(nanos(now)))
    }

    pub(super) fn end(&self) -> Timestamp {
        Timestamp(u64::try_from(self.tat.div_ceil(NANOS_PER_MS)).unwrap_or(u64::MAX))
    }

    pub(super) fn holds(&self) -> usize {
        self.open.len()
    }

    pub(super) fn set_back(&mut self, by: Duration) {
        self.tat = self.tat.saturating_sub(by.as_nanos());
    }
}

fn nanos(at: Timestamp) -> u128 {
    u128::from(at.0) * NANOS_PER_MS
}

/// How far `cost` moves the TAT. Rounded up, so that a quota that does not divide its period is never exceeded.
fn span(gcra: Gcra, cost: u32) -> u128 {
    gcra.per.as_nanos().div_ceil(u128::from(gcra.quota)) * u128::from(cost)
}

/// Whole milliseconds, never too early.
fn rounded_up(nanos: u128) -> Duration {
    Duration::from_millis(u64::try_from(nanos.div_ceil(NANOS_PER_MS)).unwrap_or(u64::MAX))
}
