//! Messages that Plivo may have without our knowing which of its are ours, counted by account and number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::Timestamp;
use store::LONGEST_DOUBT;

/// The messages of each account to each number that have a call under way, that are in doubt, or that were given up in doubt. Numbers
/// are known by the store's marks, since what earlier processes gave up may have left no more. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled(Arc<Mutex<HashMap<String, Calls>>>);

/// What tells messages apart that a list of Plivo's may show: the mark of the account, and that of the number.
pub(super) fn twins(account: &str, number: &str) -> String {
    format!("{account} {number}")
}

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(super) struct OneUnsettled {
    all: Unsettled,
    to: String,
}

#[derive(Debug, Default)]
struct Calls {
    open: usize,
    given_up: Vec<GivenUp>,
}

/// Nobody will find out any more whether Plivo has it.
#[derive(Clone, Copy, Debug)]
struct GivenUp {
    at: Timestamp,
    /// Plivo's list has nothing of it that is newer.
    newest: Timestamp,
}

impl Unsettled {
    pub(super) fn enter(&self, to: String) -> OneUnsettled {
        self.all().entry(to.clone()).or_default().open += 1;
        OneUnsettled { all: self.clone(), to }
    }

    /// How many messages to this number a list may show that begins at `since`.
    pub(super) fn count(&self, to: &str, since: Timestamp) -> usize {
        self.all().get(to).map_or(0, |calls| {
            let given_up = calls.given_up.iter().filter(|given_up| given_up.newest >= since);
            calls.open + given_up.count()
        })
    }

    /// Nothing under the lock panics halfway through a change, so the lock outlives a panic.
    fn all(&self) -> MutexGuard<'_, HashMap<String, Calls>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OneUnsettled {
    /// It is given up at `at`: it may be at Plivo all the same, as something no newer than `newest`, and must not be
    /// taken for another message.
    pub(super) fn give_up(self, newest: Timestamp, at: Timestamp) {
        let mut all = self.all.all();
        all.entry(self.to.clone()).or_default().given_up.push(GivenUp { at, newest });
        all.retain(|_, calls| {
            calls.given_up.retain(|given_up| given_up.at.after(LONGEST_DOUBT) >= at);
            calls.open > 0 || !calls.given_up.is_empty()
        });
    }
}

impl Drop for OneUnsettled {
    fn drop(&mut self) {
        let mut all = self.all.all();
        if let Some(calls) = all.get_mut(&self.to) {
            calls.open -= 1;
            if calls.open == 0 && calls.given_up.is_empty() {
                all.remove(&self.to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_unsettled_is_counted_by_number_and_forgotten() {
        let (all, number) = (Unsettled::default(), "mark".to_owned());
        let (one, two) = (all.enter(number.clone()), all.enter(number.clone()));
        let other = all.enter("another".to_owned());
        assert_eq!(all.count(&number, Timestamp(0)), 2);
        drop(one);
        drop(two);
        drop(other);
        assert_eq!(all.count(&number, Timestamp(0)), 0);
        assert!(all.all().is_empty());
    }

    #[test]
    fn what_was_given_up_counts_for_lists_that_may_show_it() {
        let (all, number) = (Unsettled::default(), "mark".to_owned());
        all.enter(number.clone()).give_up(Timestamp(5_000), Timestamp(60_000));
        for (since, count) in [(0, 1), (5_000, 1), (5_001, 0)] {
            assert_eq!(all.count(&number, Timestamp(since)), count, "since {since}");
        }
        let _open = all.enter(number.clone());
        assert_eq!(all.count(&number, Timestamp(5_001)), 1);
    }

    #[test]
    fn what_was_given_up_is_forgotten_when_nobody_can_be_in_doubt_any_more() {
        let all = Unsettled::default();
        let (early, late) = ("mark".to_owned(), "another".to_owned());
        let (first, second) = (Timestamp(1), Timestamp(1).after(LONGEST_DOUBT));
        all.enter(early.clone()).give_up(first, first);
        all.enter(late.clone()).give_up(second, second);
        assert_eq!(all.count(&early, Timestamp(0)), 1, "just as long as somebody may be in doubt");
        all.enter(late.clone()).give_up(second, second.after(Duration::from_millis(1)));
        assert_eq!((all.count(&early, Timestamp(0)), all.all().len()), (0, 1));
    }
}
