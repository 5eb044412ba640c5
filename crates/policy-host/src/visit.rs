//! One visit to a policy: what its store knows, and the bounds that hold while the guest runs.

mod asking;
mod spent;

use std::sync::Arc;
use std::time::{Duration, Instant};

use message::{Charge, Hold, Ledger, LimitKind, LimitRefusal, Pace, Standing};

pub(crate) use self::asking::Asking;
pub(crate) use self::spent::Spent;
use crate::basis::{StateAnswer, StateCall, StateQuestion};
use crate::counters::Counters;
use crate::failure::Cut;
use crate::heard::Heard;
use crate::imports::Ambient;
use crate::memory::MemoryMeter;
use crate::redact::cut;
use crate::{Grants, LimitReport, PolicyName, VisitLimits};

/// Fewest bytes that a log line takes of the allowance, whatever it says: the host writes more than the guest's words.
const LOG_LINE_BYTES: usize = 64;

/// Most bytes of a guest's last words: of the first lines that warned, and of the latest where these are not all.
const FIRST_BYTES: usize = 448;
const LATEST_BYTES: usize = 256;

/// What a store knows while a guest runs in it. A warm instance's store sees one visit after the other.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) policy: PolicyName,
    shadow: PolicyName,
    ledger: Arc<dyn Ledger>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) meter: MemoryMeter,
    /// Absent while no message is at hand: in `describe` and `configure`.
    pub(crate) asking: Option<Asking>,
    pub(crate) spent: Spent,
    pub(crate) ambient: Ambient,
    pub(crate) grants: Grants,
    pub(crate) limits: VisitLimits,
    /// Where what it writes goes too, in rehearsal.
    pub(crate) heard: Option<Arc<Heard>>,
    state_wait: Duration,
    tick: Duration,
    /// When the visit began.
    began: Instant,
}

impl Visit {
    pub(crate) fn new(
        policy: PolicyName,
        limits: VisitLimits,
        grants: Grants,
        (tick, state_wait): (Duration, Duration),
        ledger: Arc<dyn Ledger>,
        counters: Arc<Counters>,
        heard: Option<Arc<Heard>>,
    ) -> Self {
        let meter = MemoryMeter::new(limits.memory);
        let spent = Spent::nothing(&ledger);
        let shadow = policy.shadow();
        Self {
            policy,
            shadow,
            ledger,
            counters,
            meter,
            asking: None,
            spent,
            ambient: Ambient::default(),
            grants,
            limits,
            heard,
            state_wait,
            tick,
            began: Instant::now(),
        }
    }

    /// Whom to ask for `asking`, and who owns what is remembered for it.
    pub(crate) fn ledger(&self, asking: &Asking) -> (Arc<dyn Ledger>, PolicyName) {
        let ledger = match &asking.foresight {
            Some(foresight) => Arc::clone(foresight) as Arc<dyn Ledger>,
            None => Arc::clone(&self.ledger),
        };
        let owner = if asking.heeded { &self.policy } else { &self.shadow };
        (ledger, owner.clone())
    }

    /// Begins the next visit with everything unspent.
    pub(crate) fn begin(&mut self, asking: Option<Asking>) {
        self.began = Instant::now();
        self.asking = asking;
        self.spent = Spent::nothing(&self.ledger);
        self.ambient = Ambient::default();
    }

    /// Ends the visit and says what it used.
    pub(crate) fn end(&mut self) -> Spent {
        self.asking = None;
        // The system may have taken the thread away: then fewer ticks than time were run through.
        let ticks = u32::try_from(self.spent.ticks).unwrap_or(u32::MAX);
        let counted = self.tick.saturating_mul(ticks.saturating_add(1));
        self.spent.guest = self.began.elapsed().saturating_sub(self.spent.waited).min(counted);
        self.spent.memory = self.meter.bytes();
        std::mem::replace(&mut self.spent, Spent::nothing(&self.ledger))
    }

    /// How long the visit may still wait for the ledger.
    pub(crate) fn patience(&self) -> Duration {
        self.state_wait.saturating_sub(self.spent.waited)
    }

    /// Counts one tick that the guest ran through; `false` once its time is over.
    ///
    /// Ticks of running count, not the clock: a guest that yielded, or whose thread the system took away, is not to
    /// blame for the time that passed. The first tick comes at any moment of its period, hence one more is granted.
    pub(crate) fn tick(&mut self) -> bool {
        self.spent.ticks += 1;
        self.spent.ticks <= self.limits.time.as_nanos().div_ceil(self.tick.as_nanos().max(1))
    }

    /// Counts one call of the host.
    pub(crate) fn count_call(&mut self) -> Result<(), Cut> {
        self.spent.host_calls += 1;
        match self.spent.host_calls <= self.limits.host_calls {
            true => Ok(()),
            false => Err(Cut::HostCalls),
        }
    }

    /// Takes a line of `bytes` from the log's allowance, at least 64; `false`, and the line dropped, where it does not
    /// fit.
    pub(crate) fn take_log(&mut self, bytes: usize) -> bool {
        let sum = self.spent.log_bytes.saturating_add(bytes.max(LOG_LINE_BYTES));
        let fits = sum <= self.limits.log_bytes;
        match fits {
            true => self.spent.log_bytes = sum,
            false => self.spent.log_dropped = self.spent.log_dropped.saturating_add(1),
        }
        fits
    }

    /// Remembers a line that warned.
    pub(crate) fn warned(&mut self, line: &str) {
        let (first, line) = (&mut self.spent.first_words, line.trim());
        if self.spent.latest_words.is_empty() && first.len() + line.len() < FIRST_BYTES {
            if !first.is_empty() {
                first.push(' ');
            }
            first.push_str(line);
        } else {
            self.spent.latest_words = cut(line, LATEST_BYTES).to_owned();
        }
    }

    /// What is left of a guest that trapped, in one line; empty where it said nothing.
    pub(crate) fn last_words(&self) -> String {
        let Spent { first_words, latest_words, unheard, .. } = &self.spent;
        match (&**first_words, &**latest_words) {
            ("", "") if *unheard => "what is heard only with the grant \"log\"".to_owned(),
            (first, "") => first.to_owned(),
            ("", latest) => latest.to_owned(),
            (first, latest) => format!("{first} … {latest}"),
        }
    }

    /// Remembers a call of `state`, where that is wanted.
    pub(crate) fn asked(&mut self, call: impl FnOnce() -> (StateQuestion, StateAnswer)) {
        if self.asking.as_ref().is_some_and(|asking| asking.record) {
            let (asked, answer) = call();
            self.spent.calls.push(StateCall { asked, answer });
        }
    }

    /// Remembers charges that were made.
    pub(crate) fn charged(
        &mut self,
        charges: Vec<Charge>,
        standings: &[Standing],
        holds: Vec<Hold>,
    ) {
        self.spent.holds.extend(holds);
        for (charge, standing) in charges.into_iter().zip(standings) {
            self.spent.reports.push(LimitReport {
                policy: self.policy.clone(),
                limit: standing.limit.clone(),
                key: charge.key.clone(),
                kind: charge.kind.clone(),
                remaining: Some(standing.remaining),
                reset: standing.reset,
                delay: standing.delay,
                pace: pace(&self.policy, charge),
                refused: false,
            });
        }
    }

    /// Remembers a limit that refused.
    pub(crate) fn refused(&mut self, charge: &Charge, refusal: &LimitRefusal) {
        self.spent.reports.push(LimitReport {
            policy: self.policy.clone(),
            limit: refusal.limit.clone(),
            key: charge.key.clone(),
            kind: charge.kind.clone(),
            remaining: (charge.cost == 1).then_some(0),
            reset: refusal.wait,
            delay: Duration::ZERO,
            pace: None,
            refused: true,
        });
    }
}

/// How a charge that queues is kept when the message is sent.
fn pace(policy: &PolicyName, charge: Charge) -> Option<Pace> {
    let Charge { limit, key, kind, cost, queue } = charge;
    match kind {
        LimitKind::Gcra(gcra) if queue && cost > 0 => {
            Some(Pace { owner: policy.as_str().to_owned(), limit, key, gcra, cost })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::MemoryLedger;

    use super::{LOG_LINE_BYTES, Visit};
    use crate::{Grants, PolicyName, VisitLimits};

    /// How many lines of `bytes` are written, and how many dropped, of a thousand.
    fn lines(bytes: usize) -> (usize, u32) {
        let limits = VisitLimits { log_bytes: 4_096, ..VisitLimits::default() };
        let (times, ledger) = (Default::default(), Arc::new(MemoryLedger::default()));
        let (name, grants) = (PolicyName::new("p"), Grants::default());
        let mut visit = Visit::new(name, limits, grants, times, ledger, Arc::default(), None);
        let written = (0..1_000).filter(|_| visit.take_log(bytes)).count();
        (written, visit.spent.log_dropped)
    }

    #[test]
    fn a_log_line_takes_its_bytes_and_a_short_or_empty_one_takes_sixty_four() {
        for short in [0, 1, LOG_LINE_BYTES] {
            assert_eq!(lines(short), (64, 936), "lines of {short} bytes");
        }
        assert_eq!(lines(1_024), (4, 996));
        assert_eq!(lines(4_097), (0, 1_000));
    }
}
