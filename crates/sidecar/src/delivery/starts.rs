//! Messages whose time is yet to come.
//!
//! Timers of one instant fire in no order. Whoever's fires first lets in all whose time has come, the earliest first and
//! those of one instant in the order of their acceptance.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::Timestamp;
use tokio::sync::oneshot;

use super::reach;
use super::turns::Place;

/// How a message comes to its place behind those that were accepted before it.
pub(super) enum Entrance {
    /// It has its place already.
    Now(Place),
    /// It takes one when its time has come.
    Later(Start),
}

/// Who waits for a time of its own; clones share it.
#[derive(Clone, Default)]
pub(super) struct Starts {
    calendar: Arc<Mutex<Calendar>>,
}

#[derive(Default)]
struct Calendar {
    /// Counted over all, in the order of acceptance.
    arrivals: u64,
    waiting: BTreeMap<Due, Entry>,
}

/// An instant, then the order of acceptance.
type Due = (Timestamp, u64);

/// One that is to take a place.
struct Entry {
    take_place: Box<dyn FnOnce() -> Place + Send>,
    taken: oneshot::Sender<Place>,
}

/// A message's wait for its time, which ends when it is dropped.
#[must_use = "dropped, it takes no place when its time comes"]
pub(super) struct Start {
    starts: Starts,
    due: Due,
    place: oneshot::Receiver<Place>,
}

impl Starts {
    /// Has a message take its place at this instant, in its turn. Tell it of messages in the order of their acceptance.
    pub(super) fn put_off(
        &self,
        until: Timestamp,
        take_place: impl FnOnce() -> Place + Send + 'static,
    ) -> Start {
        let (taken, place) = oneshot::channel();
        let mut calendar = self.calendar();
        calendar.arrivals += 1;
        let due = (until, calendar.arrivals);
        calendar.waiting.insert(due, Entry { take_place: Box::new(take_place), taken });
        drop(calendar);
        Start { starts: self.clone(), due, place }
    }

    /// All whose time has come by this instant take their places.
    pub(super) fn let_in(&self, by: Timestamp) {
        // Under the lock, or another's timer could let in later ones meanwhile.
        let mut calendar = self.calendar();
        while let Some(first) = calendar.waiting.first_entry().filter(|first| first.key().0 <= by) {
            let Entry { take_place, taken } = first.remove();
            drop(taken.send(take_place()));
        }
    }

    /// Nothing under the lock panics halfway through a change, so the lock outlives whoever did.
    fn calendar(&self) -> MutexGuard<'_, Calendar> {
        self.calendar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Start {
    /// When it may go.
    pub(super) fn at(&self) -> Timestamp {
        self.due.0
    }

    /// Waits until its time has come; its place then.
    pub(super) async fn come(&mut self) -> Place {
        tokio::select! {
            () = reach(self.due.0) => self.starts.let_in(self.due.0),
            place = &mut self.place => return place.expect(ONLY_ITS_DROP),
        }
        (&mut self.place).await.expect(ONLY_ITS_DROP)
    }
}

const ONLY_ITS_DROP: &str = "only its own drop takes it out without a place";

impl Drop for Start {
    fn drop(&mut self) {
        self.starts.calendar().waiting.remove(&self.due);
    }
}

impl fmt::Debug for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Starts({} waiting)", self.calendar().waiting.len())
    }
}

#[cfg(test)]
mod tests;
