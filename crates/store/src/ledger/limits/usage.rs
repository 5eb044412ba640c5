//! What has been used of one limit, whatever its kind.

use std::time::Duration;

use message::{Charge, LedgerError, LimitKind, LimitRefusal, Settlement, Standing, Timestamp};

use super::calendar::Tally;
use super::gcra::Pace;
use super::window::Log;
use crate::expiring::{Kept, earlier};
use crate::holds::{HoldKind, RestoredHold};

/// What has been used of one limit for one key. It knows no quota: that comes with each charge and may change.
#[derive(Clone, Debug)]
pub(super) enum Usage {
    Window(Log),
    Gcra(Pace),
    Calendar(Tally),
}

/// Why a charge cannot be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It could pass after this long, if nothing else is charged meanwhile.
    Until(Duration),
    /// It is above what the limit can ever hold.
    Never,
}

impl Usage {
    /// Nothing used yet of the limit that `charge` is for.
    pub(super) fn none(charge: &Charge, now: Timestamp) -> Result<Self, LedgerError> {
        Ok(match &charge.kind {
            LimitKind::Window(_) => Self::Window(Log::default()),
            LimitKind::Gcra(_) => Self::Gcra(Pace::default()),
            LimitKind::Calendar(calendar) => Self::Calendar(Tally::none(calendar, now)?),
        })
    }

    /// Lets go of what `now` has left behind; `false` where the limit has become one of another kind.
    pub(super) fn advance(&mut self, charge: &Charge, now: Timestamp) -> Result<bool, LedgerError> {
        match (self, &charge.kind) {
            (Self::Window(log), LimitKind::Window(window)) => log.advance(*window, now),
            (Self::Gcra(_), LimitKind::Gcra(_)) => {}
            (Self::Calendar(tally), LimitKind::Calendar(calendar)) => {
                return tally.advance(calendar, now);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Why `charge` cannot be made now, if so.
    pub(super) fn refusal(&self, charge: &Charge, now: Timestamp) -> Option<LimitRefusal> {
        let refused = match (self, &charge.kind) {
            (Self::Window(log), LimitKind::Window(window)) => {
                log.refusal(*window, charge.cost, now)
            }
            (Self::Gcra(_), LimitKind::Gcra(_)) if charge.queue => None,
            (Self::Gcra(pace), LimitKind::Gcra(gcra)) => pace.refusal(*gcra, charge.cost, now),
            (Self::Calendar(tally), LimitKind::Calendar(calendar)) => {
                tally.refusal(calendar.quota, charge.cost, now)
            }
            _ => None,
        }?;
        let (wait, never) = match refused {
            Refused::Until(wait) => (wait, false),
            Refused::Never => (Duration::ZERO, true),
        };
        Some(LimitRefusal { limit: charge.limit.clone(), wait, never })
    }

    /// Makes a charge that was not refused.
    pub(super) fn charge(&mut self, charge: &Charge, token: u64, now: Timestamp) -> Standing {
        let limit = charge.limit.clone();
        let (remaining, reset, delay) = match (self, &charge.kind) {
            (Self::Window(log), LimitKind::Window(window)) => {
                log.charge(charge.cost, token, now);
                (log.remaining(window.quota), log.reset(*window, now), Duration::ZERO)
            }
            (Self::Gcra(pace), LimitKind::Gcra(gcra)) => {
                let delay = pace.charge(*gcra, charge.cost, token, now);
                (pace.remaining(*gcra, now), pace.reset(now), delay)
            }
            (Self::Calendar(tally), LimitKind::Calendar(calendar)) => {
                tally.charge(charge.cost, token);
                (tally.remaining(calendar.quota), tally.reset(now), Duration::ZERO)
            }
            _ => (0, Duration::ZERO, Duration::ZERO),
        };
        Standing { limit, remaining, reset, delay }
    }

    /// Ends a hold, if it is this usage's and still open.
    pub(super) fn settle(&mut self, token: u64, settlement: Settlement) {
        match self {
            Self::Window(log) => log.settle(token, settlement),
            Self::Gcra(pace) => pace.settle(token, settlement),
            Self::Calendar(tally) => tally.settle(token, settlement),
        }
    }

    /// What is to be written down of an open charge, and when it was made. From now on it counts as written down.
    pub(super) fn saved(&mut self, token: u64) -> Option<(HoldKind, Timestamp)> {
        match self {
            Self::Window(log) => log.entry(token).map(|(at, cost)| (HoldKind::Window { cost }, at)),
            Self::Gcra(pace) => pace.saved(token),
            Self::Calendar(tally) => tally.saved(token),
        }
    }

    /// Whether a charge that was written down is of this kind: of the same period too, where it is a calendar's.
    pub(super) fn is_of_kind_of(&self, restored: &RestoredHold) -> bool {
        match (self, &restored.saved.kind) {
            (Self::Window(_), HoldKind::Window { .. }) | (Self::Gcra(_), HoldKind::Gcra { .. }) => {
                true
            }
            (Self::Calendar(tally), HoldKind::Calendar { zone, period, .. }) => {
                tally.is_of(zone, period, restored.saved.at)
            }
            _ => false,
        }
    }

    /// An empty usage for a charge that was written down; none where it is of no kind that counts.
    pub(super) fn of(restored: &RestoredHold) -> Option<Self> {
        match &restored.saved.kind {
            HoldKind::Window { .. } => Some(Self::Window(Log::default())),
            HoldKind::Gcra { .. } => Some(Self::Gcra(Pace::default())),
            HoldKind::Calendar { zone, period, .. } => Some(Self::Calendar(Tally::restored(
                zone,
                period,
                restored.saved.at,
                restored.saved.ends,
            ))),
            HoldKind::Reservation | HoldKind::Elsewhere => None,
        }
    }

    /// Takes up a charge of this kind that was written down.
    pub(super) fn restore(&mut self, restored: &RestoredHold) {
        let (at, token, open) = (restored.saved.at, restored.saved.hold.token, restored.open);
        match (self, &restored.saved.kind) {
            (Self::Window(log), HoldKind::Window { cost }) => log.restore(at, token, *cost, open),
            (Self::Gcra(pace), HoldKind::Gcra { amount, level }) => {
                pace.restore(at, token, *amount, *level, open);
            }
            (Self::Calendar(tally), HoldKind::Calendar { cost, .. }) => {
                tally.restore(token, *cost, open);
            }
            _ => {}
        }
    }

    /// When nothing of it counts any more.
    pub(super) fn end(&self, charge: &Charge) -> Timestamp {
        match (self, &charge.kind) {
            (Self::Window(log), LimitKind::Window(window)) => log.end(*window),
            (Self::Gcra(pace), _) => pace.end(),
            (Self::Calendar(tally), _) => tally.end(),
            (Self::Window(_), _) => Timestamp(0),
        }
    }
}

impl Kept for Usage {
    fn weight(&self) -> usize {
        1 + match self {
            Self::Window(log) => log.len(),
            Self::Gcra(pace) => pace.holds(),
            Self::Calendar(tally) => tally.holds(),
        }
    }

    fn set_back(&mut self, end: Timestamp, by: Duration) -> Timestamp {
        match self {
            Self::Window(log) => log.set_back(by),
            Self::Gcra(pace) => pace.set_back(by),
            // A period ends at its midnight, whatever the clock did.
            Self::Calendar(_) => return end,
        }
        earlier(end, by)
    }
}
