//! What reloads have come to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::reasons;

/// How many came into force, and the refusal that stands; `/readyz` and `/policies` show it.
#[derive(Debug, Default)]
pub(crate) struct ReloadStatus {
    state: Mutex<State>,
}

/// The refusal that stands until a reload succeeds, or is refused for something else.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// When it was first refused for these reasons.
    pub(crate) at: jiff::Timestamp,
    /// Attempts refused for them since.
    pub(crate) times: u64,
    /// Every reason, with file, line and key; numbers in them are masked, since whoever may ask is shown them.
    pub(crate) faults: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    applied: u64,
    refused: Option<Refused>,
}

impl ReloadStatus {
    pub(crate) fn applied(&self) -> u64 {
        self.lock().applied
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was refused stands no more: what follows it is about to come into force.
    pub(super) fn forget_refusal(&self) {
        self.lock().refused = None;
    }

    pub(super) fn succeed(&self) {
        let mut state = self.lock();
        state.applied += 1;
        state.refused = None;
    }

    pub(super) fn refuse(&self, faults: &[String]) {
        let faults: Vec<String> = faults.iter().map(|fault| reasons::masked(fault)).collect();
        let mut state = self.lock();
        match &mut state.refused {
            Some(refused) if refused.faults == faults => refused.times += 1,
            other => *other = Some(Refused { at: jiff::Timestamp::now(), times: 1, faults }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReloadStatus;

    #[test]
    fn a_refusal_is_counted_from_the_first_time_that_it_had_these_reasons() {
        let status = ReloadStatus::default();
        let refuse = |faults: &[&str]| {
            status.refuse(&faults.iter().map(|fault| (*fault).to_owned()).collect::<Vec<_>>());
            status.refused().map(|refused| (refused.at, refused.times))
        };
        let first = refuse(&["a"]);
        let again = refuse(&["a"]);
        assert_eq!(again, first.map(|(at, _)| (at, 2)));

        let other = refuse(&["a", "b"]);
        let same_time = again.map(|(at, _)| at) == other.map(|(at, _)| at);
        assert!(!same_time && other.is_some_and(|(_, times)| times == 1), "{again:?}, {other:?}");

        status.succeed();
        assert!(status.refused().is_none());
        assert_eq!(refuse(&["a", "b"]).map(|(_, times)| times), Some(1));
    }

    #[test]
    fn a_number_in_a_fault_is_masked_for_whoever_shows_it() {
        let status = ReloadStatus::default();
        let faults = ["plivo.+14155550123: is not a known key", "settings.14155550177: is none"];
        status.refuse(&faults.map(str::to_owned));
        let faults = status.refused().map(|refused| refused.faults);
        let told = ["plivo.+1415•••0123: is not a known key", "settings.141•: is none"];
        assert_eq!(faults, Some(told.map(str::to_owned).to_vec()));
    }
}
