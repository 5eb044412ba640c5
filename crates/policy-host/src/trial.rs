//! A revision on trial beside the one in force: asked about the same messages, compared, and never heeded.

mod report;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::{Admission, Failures, Turn};
use crate::policy::{Opinion, Question, Said};
use crate::revision::Revision;
use crate::{NotPromoted, spans};

pub use report::{Difference, DifferenceKind, TrialReport, TrialRules, TrialStanding, Word};

/// Most differences of one trial that are remembered; older ones are only counted.
const DIFFERENCES: usize = 200;
/// Between two lines of the log about the same trial, at least.
const PAUSE: Duration = Duration::from_secs(10);

/// A candidate, and the revision that it is compared with.
pub(crate) struct Trial {
    pub(crate) candidate: Arc<Revision>,
    in_force: Arc<Revision>,
    rules: TrialRules,
    /// Goes on while neither revision changes.
    tally: Arc<Mutex<Tally>>,
}

struct Tally {
    standing: TrialStanding,
    compared: u64,
    alike: u64,
    differed: [u64; DifferenceKind::ALL.len()],
    /// The oldest first.
    differences: VecDeque<Difference>,
    failures: Failures,
    /// Differences that no line of the log has told yet.
    untold: u64,
    told: Option<Instant>,
}

impl Trial {
    /// The trial of `candidate` beside `in_force`; where `before` is one of the same two, that goes on.
    pub(crate) fn new(
        in_force: Arc<Revision>,
        candidate: Arc<Revision>,
        rules: TrialRules,
        before: Option<&Self>,
    ) -> Self {
        let same = |before: &&Self| {
            Arc::ptr_eq(&before.in_force, &in_force) && Arc::ptr_eq(&before.candidate, &candidate)
        };
        let going_on = before.filter(same).map(|before| Arc::clone(&before.tally));
        Self { candidate, in_force, rules, tally: going_on.unwrap_or_default() }
    }

    /// Whether the candidate is still asked.
    pub(crate) fn goes_on(&self) -> bool {
        self.tally().standing == TrialStanding::OnTrial
    }

    /// Whether the candidate has earned that it comes into force by itself.
    pub(crate) fn is_passed(&self) -> bool {
        let tally = self.tally();
        let enough = self.rules.promote_after.is_some_and(|after| tally.alike >= after);
        enough && tally.standing == TrialStanding::OnTrial
    }

    /// Ends the trial: the candidate comes into force. Not where it was dropped.
    pub(crate) fn end(&self) -> Result<(), NotPromoted> {
        let mut tally = self.tally();
        match tally.standing {
            TrialStanding::Dropped(failure) => Err(NotPromoted::Dropped(failure)),
            TrialStanding::OnTrial | TrialStanding::RolledBack => {
                // Whoever still has this trial after that was in force before, and is again.
                tally.standing = TrialStanding::RolledBack;
                Ok(())
            }
        }
    }

    /// Is over where `before` is, which tried the same candidate; one that failed may do better under other limits.
    pub(crate) fn stays_ended_by(&self, before: &Self) {
        let ended = before.tally().standing;
        match ended {
            TrialStanding::OnTrial => {}
            TrialStanding::RolledBack => self.was_rolled_back(&before.candidate),
            TrialStanding::Dropped(_) if self.candidate.is_like(&before.candidate) => {
                self.end_as(ended);
            }
            TrialStanding::Dropped(_) => {}
        }
    }

    /// Is over where its candidate does what `other` does, which was rolled back from.
    pub(crate) fn was_rolled_back(&self, other: &Revision) {
        if self.candidate.does_what(other) {
            self.end_as(TrialStanding::RolledBack);
        }
    }

    fn end_as(&self, standing: TrialStanding) {
        let mut tally = self.tally();
        if tally.standing == TrialStanding::OnTrial {
            tally.standing = standing;
        }
    }

    /// Whether both try candidates that were loaded of the same, under the same rules.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.candidate.is_like(&other.candidate) && self.rules == other.rules
    }

    /// Remembers what both said about one message. What was not asked at all says nothing of either, and nor does what
    /// neither could decide. Only what both decided is a step towards promotion.
    pub(crate) fn compare(&self, about: &Question<'_>, in_force: &Opinion, candidate: &Opinion) {
        if in_force.was_not_asked() || candidate.was_not_asked() {
            return;
        }
        if let Err(failure) = &candidate.said {
            self.candidate.complain(failure, "a candidate failed");
        }
        if in_force.said.is_err() && candidate.said.is_err() {
            return;
        }
        let kinds = differences(in_force, candidate);
        let mut tally = self.tally();
        if tally.standing != TrialStanding::OnTrial {
            return;
        }
        tally.compared += 1;
        for (kind, count) in DifferenceKind::ALL.iter().zip(&mut tally.differed) {
            *count += u64::from(kinds.contains(kind));
        }
        if kinds.iter().any(|kind| self.rules.watched.contains(kind)) {
            tally.alike = 0;
            self.tell(&mut tally, about, kinds, in_force.word(), candidate.word());
        } else if candidate.said.is_err() {
            // Whatever kinds matter, one that fails has earned nothing.
            tally.alike = 0;
        } else if in_force.said.is_ok() {
            tally.alike += 1;
        }
        let passed = self.rules.promote_after.is_some_and(|after| tally.alike >= after);
        if let (Ok(_), Err(failure)) = (&in_force.said, &candidate.said) {
            self.blame(&mut tally, failure.as_str());
        }
        drop(tally);
        if passed {
            self.candidate.prepared.shared.passed.notify_one();
        }
    }

    pub(crate) fn report(&self) -> TrialReport {
        let tally = self.tally();
        TrialReport {
            standing: tally.standing,
            rules: self.rules.clone(),
            version: Arc::clone(&self.candidate.manifest.version),
            digest: self.candidate.prepared.digest,
            compared: tally.compared,
            alike: tally.alike,
            differed: tally.differed,
            differences: tally.differences.iter().cloned().collect(),
        }
    }

    /// Remembers a difference, as an event at once and as a line of the log now and then.
    fn tell(
        &self,
        tally: &mut Tally,
        about: &Question<'_>,
        kinds: Vec<DifferenceKind>,
        in_force: Word,
        candidate: Word,
    ) {
        let (at, message, app) = (about.now, about.message.id.clone(), about.app.into());
        let difference = Difference { at, message, app, kinds, in_force, candidate };
        let name = &self.candidate.prepared.name;
        spans::differs(name, &difference);
        tally.untold += 1;
        if tally.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            tracing::warn!(
                policy.name = %name,
                message.id = %difference.message.0,
                differences = tally.untold,
                in_force = difference.in_force.verdict,
                candidate = difference.candidate.verdict,
                "a candidate decides otherwise than the policy in force"
            );
            (tally.untold, tally.told) = (0, Some(Instant::now()));
        }
        if tally.differences.len() == DIFFERENCES {
            tally.differences.pop_front();
        }
        tally.differences.push_back(difference);
    }

    /// Counts a failure that the policy in force did not share, and drops the candidate where it is one too many.
    fn blame(&self, tally: &mut Tally, failure: &'static str) {
        let budget = self.rules.budget;
        let turn = tally.failures.heard(budget, Admission::Asked, true, Instant::now());
        if turn == Some(Turn::Tripped) {
            tally.standing = TrialStanding::Dropped(failure);
            tracing::warn!(
                policy.name = %self.candidate.prepared.name,
                error.type = failure,
                failures = budget.failures,
                window_s = budget.window.as_secs(),
                "a candidate failed too often and is dropped"
            );
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            standing: TrialStanding::OnTrial,
            compared: 0,
            alike: 0,
            differed: [0; DifferenceKind::ALL.len()],
            differences: VecDeque::new(),
            failures: Failures::default(),
            untold: 0,
            told: None,
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trial").field(&self.candidate).finish()
    }
}

fn differences(in_force: &Opinion, candidate: &Opinion) -> Vec<DifferenceKind> {
    let (own, other) = (in_force.word(), candidate.word());
    let changes = own == other
        && match (&in_force.said, &candidate.said) {
            (Ok(Said::Amend(own)), Ok(Said::Amend(other))) => own.message != other.message,
            _ => false,
        };
    let kinds = [
        (DifferenceKind::Verdict, own.verdict != other.verdict),
        (DifferenceKind::Code, own.codes != other.codes),
        (DifferenceKind::Changes, changes),
        (DifferenceKind::Notes, in_force.notes() != candidate.notes()),
    ];
    kinds.into_iter().filter_map(|(kind, differs)| differs.then_some(kind)).collect()
}
