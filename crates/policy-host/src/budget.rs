//! How often a policy may fail before it is asked no more, so that one that always fails costs nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in so long: a policy that has them is not asked, and its [`OnFailure`](crate::OnFailure) decides.
/// After as long again one message tries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBudget {
    /// Failures that are too many; at least one.
    pub failures: u32,
    /// The time that they are counted in, and that the policy is not asked for then.
    pub window: Duration,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetReport {
    /// What may be spent.
    pub budget: ErrorBudget,
    /// Failures in the window by now.
    pub failures: usize,
    /// Until the policy is asked again; none while it is asked.
    pub tripped_for: Option<Duration>,
    /// How often it was spent since the revision came into force.
    pub trips: u64,
}

/// What one revision has spent of its budget.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    /// When the failures in the window were, the oldest first.
    recent: VecDeque<Instant>,
    /// Not asked before.
    tripped_until: Option<Instant>,
    trips: u64,
}

/// Whether a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Asked,
    /// Its budget is spent, and this message finds out whether it can decide again.
    Tried,
    Spared,
}

/// What an answer has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Tripped,
    Recovered,
}

impl Default for ErrorBudget {
    /// Ten failures in a minute.
    fn default() -> Self {
        Self { failures: 10, window: Duration::from_secs(60) }
    }
}

impl Failures {
    /// Whether the policy is asked now. Of the messages that come when its time is over, one tries it.
    pub(crate) fn admit(&self, budget: ErrorBudget, now: Instant) -> Admission {
        let mut spent = self.spent();
        match spent.tripped_until {
            None => Admission::Asked,
            Some(until) if now < until => Admission::Spared,
            Some(_over) => {
                spent.tripped_until = Some(now + budget.window);
                Admission::Tried
            }
        }
    }

    /// Whether the policy would be spared now.
    pub(crate) fn is_spent(&self, now: Instant) -> bool {
        self.spent().tripped_until.is_some_and(|until| now < until)
    }

    /// Takes in how a message that was admitted went.
    pub(crate) fn heard(
        &self,
        budget: ErrorBudget,
        admission: Admission,
        failed: bool,
        now: Instant,
    ) -> Option<Turn> {
        let mut spent = self.spent();
        if spent.tripped_until.is_some() {
            // What was asked before it tripped says nothing of whether it has recovered.
            let recovered = admission == Admission::Tried && !failed;
            return recovered.then(|| {
                spent.tripped_until = None;
                Turn::Recovered
            });
        }
        if !failed {
            return None;
        }
        spent.forget_before(budget, now);
        spent.recent.push_back(now);
        if spent.recent.len() < budget.failures as usize {
            return None;
        }
        spent.recent.clear();
        spent.tripped_until = Some(now + budget.window);
        spent.trips += 1;
        Some(Turn::Tripped)
    }

    /// Begins anew: somebody has changed something.
    pub(crate) fn forget(&self) {
        *self.spent() = Spent::default();
    }

    pub(crate) fn report(&self, budget: ErrorBudget, now: Instant) -> BudgetReport {
        let mut spent = self.spent();
        spent.forget_before(budget, now);
        BudgetReport {
            budget,
            failures: spent.recent.len(),
            tripped_for: spent.tripped_until.map(|until| until.saturating_duration_since(now)),
            trips: spent.trips,
        }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn forget_before(&mut self, budget: ErrorBudget, now: Instant) {
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= budget.window;
        while self.recent.front().is_some_and(is_over) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Admission, ErrorBudget, Failures, Turn};

    const WINDOW: Duration = Duration::from_secs(60);
    const BUDGET: ErrorBudget = ErrorBudget { failures: 3, window: WINDOW };

    /// A message at each of these seconds, and whether the policy fails: what became of each.
    fn play(
        failures: &Failures,
        start: Instant,
        played: &[(u64, bool)],
    ) -> Vec<(Admission, Option<Turn>)> {
        let each = |&(second, failed): &(u64, bool)| {
            let now = start + Duration::from_secs(second);
            match failures.admit(BUDGET, now) {
                Admission::Spared => (Admission::Spared, None),
                admission => (admission, failures.heard(BUDGET, admission, failed, now)),
            }
        };
        played.iter().map(each).collect()
    }

    #[test]
    fn so_many_failures_in_the_window_trip_and_fewer_or_slower_ones_do_not() {
        let start = Instant::now();
        let well = (Admission::Asked, None);
        let slow = [(0, true), (1, false), (30, true), (60, true), (61, true), (90, true)];
        let played = play(&Failures::default(), start, &slow);
        assert_eq!(played[..4], [well; 4], "the first failure has left the window");
        assert_eq!(played[4], (Admission::Asked, Some(Turn::Tripped)), "three in 31 seconds");
        assert_eq!(played[5].0, Admission::Spared);
    }

    #[test]
    fn after_the_window_one_message_tries_and_its_end_decides() {
        let (failures, start) = (Failures::default(), Instant::now());
        play(&failures, start, &[(0, true), (0, true), (0, true)]);
        let at = |second| start + Duration::from_secs(second);
        assert!(failures.is_spent(at(59)));
        assert_eq!(failures.report(BUDGET, at(45)).tripped_for, Some(Duration::from_secs(15)));

        assert_eq!(failures.admit(BUDGET, at(60)), Admission::Tried);
        assert_eq!(failures.admit(BUDGET, at(60)), Admission::Spared, "one is enough");
        assert_eq!(failures.heard(BUDGET, Admission::Tried, true, at(61)), None);
        assert!(failures.is_spent(at(119)), "it has not recovered");

        assert_eq!(
            play(&failures, start, &[(120, false)]),
            [(Admission::Tried, Some(Turn::Recovered))]
        );
        assert_eq!(play(&failures, start, &[(121, true)]), [(Admission::Asked, None)]);
        let report = failures.report(BUDGET, at(122));
        assert_eq!((report.failures, report.tripped_for, report.trips), (1, None, 1));
    }

    #[test]
    fn what_was_asked_before_it_tripped_neither_mends_nor_trips_it_again() {
        let (failures, start) = (Failures::default(), Instant::now());
        play(&failures, start, &[(0, true), (0, true), (0, true)]);
        for failed in [false, true] {
            assert_eq!(failures.heard(BUDGET, Admission::Asked, failed, start), None);
        }
        assert!(failures.is_spent(start));
        assert_eq!(failures.report(BUDGET, start).trips, 1);
        failures.forget();
        assert_eq!(failures.admit(BUDGET, start), Admission::Asked);
    }
}
