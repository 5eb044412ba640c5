//! Messages that Plivo may have without our knowing which of its are ours, counted by account and number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::{MessageId, Timestamp};
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
#[derive(Clone, Debug)]
struct GivenUp {
    /// Whose call it was; that message may be sent again.
    by: MessageId,
    began: Timestamp,
    at: Timestamp,
    /// Plivo's list has nothing of it that is newer.
    newest: Timestamp,
}

/// What a list may show of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Calls of the message that is looked for: any that is there shows that it was sent.
    pub(super) own: usize,
    /// Other messages.
    pub(super) others: usize,
}

impl Unsettled {
    pub(super) fn enter(&self, to: String) -> OneUnsettled {
        self.all().entry(to.clone()).or_default().open += 1;
        OneUnsettled { all: self.clone(), to }
    }

    /// What a list to this number may show that begins at `since`, where `id` is looked for, which is entered.
    pub(super) fn shown(&self, to: &str, since: Timestamp, id: &MessageId) -> Shown {
        let all = self.all();
        let Some(calls) = all.get(to) else { return Shown { own: 1, others: 0 } };
        let given_up = calls.given_up.iter().filter(|given_up| given_up.newest >= since);
        let (own, others): (Vec<_>, Vec<_>) = given_up.partition(|given_up| given_up.by == *id);
        Shown { own: 1 + own.len(), others: calls.open.saturating_sub(1) + others.len() }
    }

    /// When the first of the calls of `id` to this number began that were given up.
    pub(super) fn first(&self, to: &str, id: &MessageId) -> Option<Timestamp> {
        let all = self.all();
        let own = all.get(to)?.given_up.iter().filter(|given_up| given_up.by == *id);
        own.map(|given_up| given_up.began).min()
    }

    /// Nothing under the lock panics halfway through a change, so the lock outlives a panic.
    fn all(&self) -> MutexGuard<'_, HashMap<String, Calls>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OneUnsettled {
    /// It is given up at `at`: it may be at Plivo all the same, as something between these two instants of Plivo's, and
    /// must not be taken for another message than `by`.
    pub(super) fn give_up(
        self,
        by: MessageId,
        (began, newest): (Timestamp, Timestamp),
        at: Timestamp,
    ) {
        let mut all = self.all.all();
        let given_up = GivenUp { by, began, at, newest };
        all.entry(self.to.clone()).or_default().given_up.push(given_up);
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

    fn id(name: &str) -> MessageId {
        MessageId(name.into())
    }

    fn count(all: &Unsettled, to: &str, since: u64) -> usize {
        let Shown { own, others } = all.shown(to, Timestamp(since), &id("another"));
        own + others
    }

    #[test]
    fn what_is_unsettled_is_counted_by_number_and_forgotten() {
        let (all, number) = (Unsettled::default(), "mark".to_owned());
        let (one, two) = (all.enter(number.clone()), all.enter(number.clone()));
        let other = all.enter("another".to_owned());
        assert_eq!(count(&all, &number, 0), 2);
        drop(one);
        drop(two);
        drop(other);
        assert_eq!(count(&all, &number, 0), 1, "whoever looks");
        assert!(all.all().is_empty());
    }

    #[test]
    fn what_was_given_up_counts_for_lists_that_may_show_it() {
        let (all, number) = (Unsettled::default(), "mark".to_owned());
        all.enter(number.clone()).give_up(
            id("a"),
            (Timestamp(4_000), Timestamp(5_000)),
            Timestamp(60_000),
        );
        let _looks = all.enter(number.clone());
        for (since, wanted) in [(0, 2), (5_000, 2), (5_001, 1)] {
            assert_eq!(count(&all, &number, since), wanted, "since {since}");
        }
    }

    #[test]
    fn a_call_that_was_given_up_is_its_messages_own_and_of_no_other() {
        let (all, number) = (Unsettled::default(), "mark".to_owned());
        let at = Timestamp(60_000);
        all.enter(number.clone()).give_up(id("a"), (Timestamp(9), at), at);
        all.enter(number.clone()).give_up(id("a"), (Timestamp(7), at), at);
        let _looks = all.enter(number.clone());
        let shown = |name| all.shown(&number, Timestamp(0), &id(name));
        assert_eq!(shown("a"), Shown { own: 3, others: 0 });
        assert_eq!(shown("b"), Shown { own: 1, others: 2 });
        let first = ["a", "b"].map(|name| all.first(&number, &id(name)));
        assert_eq!(first, [Some(Timestamp(7)), None]);
    }

    #[test]
    fn what_was_given_up_is_forgotten_when_nobody_can_be_in_doubt_any_more() {
        let all = Unsettled::default();
        let (early, late) = ("mark".to_owned(), "another".to_owned());
        let (first, second) = (Timestamp(1), Timestamp(1).after(LONGEST_DOUBT));
        all.enter(early.clone()).give_up(id("a"), (first, first), first);
        all.enter(late.clone()).give_up(id("a"), (second, second), second);
        assert!(all.all().contains_key(&early), "just as long as somebody may be in doubt");
        all.enter(late.clone()).give_up(
            id("a"),
            (second, second),
            second.after(Duration::from_millis(1)),
        );
        assert!(!all.all().contains_key(&early) && all.all().len() == 1);
    }
}
