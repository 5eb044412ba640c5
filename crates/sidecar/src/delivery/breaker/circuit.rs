//! One breaker, without locks, guards or a clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::{Heard, Reason, Settings, Standing, State};
use crate::delivery::rolling::Rolling;

/// Time between two looks at an account without credit: somebody has to pay, which no backoff hastens.
pub(super) const NO_CREDIT: Duration = Duration::from_secs(30);
/// The last round of messages before it closes. Rounds are of 1, 2, 4, 8 and 16.
const LAST_ROUND: u32 = 16;
/// Most that chance takes off an open time, so that many sidecars do not come back at once.
const JITTER: f64 = 0.25;

/// One breaker.
#[derive(Debug)]
pub(super) struct Circuit {
    at: At,
    /// Counts the changes, so that a call that began before one does not count after it.
    phase: u64,
    /// How often it opened since it was last closed.
    openings: u32,
}

/// Where it stands.
#[derive(Debug)]
enum At {
    /// Everybody may. Calls, then failures, of the last while; failures in a row.
    Closed { counts: Rolling, in_a_row: u32 },
    /// Nobody may before `until`; then one probes.
    Open { why: Why, until: Instant },
    /// One probes; the others wait.
    Probing { why: Why, until: Instant },
    /// Messages go in rounds, each as large as two of those before, since `began`.
    Ramping { why: Why, began: Instant, round: u32, out: u32, served: u32 },
    /// Nobody may before somebody mends it.
    Latched { why: Why },
}

/// What is wrong, since it was last closed.
#[derive(Clone, Copy, Debug)]
struct Why {
    reason: Reason,
    since: Instant,
}

/// Whether a caller may go, before it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    Probe,
    Wait { until: Option<Instant>, reason: Reason },
}

impl Circuit {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { at: At::closed(settings), phase: 0, openings: 0 }
    }

    pub(super) fn phase(&self) -> u64 {
        self.phase
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.at, At::Closed { .. })
    }

    /// Closes it where it has ramped for as long as failures count: a sender of a few messages a day would be held back by
    /// each failure for ever longer, however far they lie apart.
    pub(super) fn calm(&mut self, now: Instant, settings: &Settings) {
        if let At::Ramping { began, .. } = self.at
            && now.saturating_duration_since(began) >= settings.window
        {
            self.close(settings);
        }
    }

    /// Open, until a probe, where it was closed: for all that is known Plivo does not take messages. The probe is due at
    /// once, but where somebody has to pay first.
    pub(super) fn suspect(&mut self, reason: Reason, now: Instant) {
        if self.is_closed() {
            let wait = if reason == Reason::Credit { NO_CREDIT } else { Duration::ZERO };
            self.change_to(At::Open { why: Why { reason, since: now }, until: now + wait });
        }
    }

    /// Closed, and with nothing to remember.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        match &mut self.at {
            At::Closed { counts, in_a_row } => *in_a_row == 0 && counts.sums(now)[1] == 0,
            _ => false,
        }
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let wait = |why: &Why, until| Verdict::Wait { until, reason: why.reason };
        match &self.at {
            At::Closed { .. } => Verdict::Go,
            At::Open { until, .. } if *until <= now => Verdict::Probe,
            At::Open { why, until } => wait(why, Some(*until)),
            At::Ramping { round, out, served, .. } if out + served < *round => Verdict::Go,
            At::Ramping { why, .. } | At::Probing { why, .. } | At::Latched { why } => {
                wait(why, None)
            }
        }
    }

    /// One message goes, as the verdict said.
    pub(super) fn go(&mut self) {
        if let At::Ramping { out, .. } = &mut self.at {
            *out += 1;
        }
    }

    /// One caller probes, as the verdict said.
    pub(super) fn probe(&mut self) {
        if let At::Open { why, until } = self.at {
            self.change_to(At::Probing { why, until });
        }
    }

    /// A call or probe of `phase` ended without a verdict: another may take its place.
    pub(super) fn give_back(&mut self, phase: u64) {
        match &mut self.at {
            _ if phase != self.phase => {}
            At::Ramping { out, .. } => *out = out.saturating_sub(1),
            At::Probing { why, until } => {
                let (why, until) = (*why, *until);
                self.change_to(At::Open { why, until });
            }
            _ => {}
        }
    }

    /// A call or probe of `phase` ended so. `random` is evenly spread over `0.0..1.0`.
    pub(super) fn report(
        &mut self,
        phase: u64,
        heard: Heard,
        now: Instant,
        random: f64,
        settings: &Settings,
    ) {
        self.calm(now, settings);
        // The trouble goes on for as long as it did not close between.
        let since = self.standing().since.unwrap_or(now);
        let why = |reason| Why { reason, since };
        match heard {
            // These are facts about the account, whenever the call began.
            _ if matches!(self.at, At::Latched { .. }) => {}
            Heard::Credentials => self.change_to(At::Latched { why: why(Reason::Credentials) }),
            Heard::Untrusted => self.change_to(At::Latched { why: why(Reason::Certificate) }),
            Heard::NoCredit if matches!(self.at, At::Closed { .. } | At::Ramping { .. }) => {
                self.change_to(At::Open { why: why(Reason::Credit), until: now + NO_CREDIT });
            }
            _ if phase != self.phase => {}
            Heard::Paced | Heard::NoCredit => match self.at {
                At::Probing { .. } => self.ramp(now),
                _ => self.give_back(phase),
            },
            Heard::Served => self.served(now, settings),
            Heard::Unreached | Heard::Failed => {
                if self.fails(now, settings) {
                    self.openings = self.openings.saturating_add(1);
                    let until = now + settings.open_for(self.openings, random);
                    let unreached = heard == Heard::Unreached;
                    let reason = if unreached { Reason::Unreachable } else { Reason::Failing };
                    self.change_to(At::Open { why: why(reason), until });
                }
            }
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let (state, why, until) = match &self.at {
            At::Closed { .. } => (State::Closed, None, None),
            At::Open { why, until } => (State::Open, Some(why), Some(*until)),
            At::Probing { why, .. } => (State::Probing, Some(why), None),
            At::Ramping { why, .. } => (State::Ramping, Some(why), None),
            At::Latched { why } => (State::Latched, Some(why), None),
        };
        let (since, reason) = (why.map(|why| why.since), why.map(|why| why.reason));
        Standing { state, since, until, reason }
    }

    fn served(&mut self, now: Instant, settings: &Settings) {
        match &mut self.at {
            At::Closed { counts, in_a_row } => {
                counts.add([1, 0], now);
                *in_a_row = 0;
            }
            At::Probing { .. } => self.ramp(now),
            At::Ramping { round, out, served, .. } => {
                *out = out.saturating_sub(1);
                *served += 1;
                if *served < *round {
                    return;
                }
                (*round, *served) = (*round * 2, 0);
                if *round > LAST_ROUND {
                    self.close(settings);
                }
            }
            At::Open { .. } | At::Latched { .. } => {}
        }
    }

    /// Counts a failure. Whether it opens the breaker.
    fn fails(&mut self, now: Instant, settings: &Settings) -> bool {
        match &mut self.at {
            At::Closed { counts, in_a_row } => {
                counts.add([1, 1], now);
                *in_a_row = in_a_row.saturating_add(1);
                let [calls, failures] = counts.sums(now);
                let share = u64::from(failures) * 100
                    >= u64::from(settings.ratio_percent) * u64::from(calls);
                *in_a_row >= settings.failures || (calls >= settings.min_calls && share)
            }
            At::Probing { .. } | At::Ramping { .. } => true,
            At::Open { .. } | At::Latched { .. } => false,
        }
    }

    fn ramp(&mut self, now: Instant) {
        if let At::Probing { why, .. } = self.at {
            self.change_to(At::Ramping { why, began: now, round: 1, out: 0, served: 0 });
        }
    }

    fn close(&mut self, settings: &Settings) {
        self.openings = 0;
        self.change_to(At::closed(settings));
    }

    fn change_to(&mut self, at: At) {
        self.at = at;
        self.phase += 1;
    }
}

impl At {
    fn closed(settings: &Settings) -> Self {
        Self::Closed { counts: Rolling::over(settings.window), in_a_row: 0 }
    }
}

impl Settings {
    /// How long it stays open the `nth` time in succession, from 1: doubled each time up to the longest, less chance.
    fn open_for(&self, nth: u32, random: f64) -> Duration {
        let doubled = self.open.saturating_mul(1 << nth.saturating_sub(1).min(16));
        doubled.min(self.open_max).mul_f64(1.0 - JITTER * random.clamp(0.0, 1.0))
    }
}
