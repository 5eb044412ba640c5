//! How many messages may be ours at once, and how many of them one app's.
//!
//! Those that wait for a time of their own have seats apart from those under way, so that a campaign for tomorrow keeps
//! nobody from sending today.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the messages that are being decided about, or are ours and have not come to their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Arc<Mutex<[Taken; 2]>>);

/// Where a message sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    UnderWay,
    /// It may not go before a time of its own.
    Scheduled,
}

/// Most seats of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) all: usize,
    /// Most of one app.
    pub(crate) of_one: usize,
}

/// One message's seat in the [`Room`], given back when it is dropped.
#[derive(Debug)]
#[must_use = "dropping a seat gives it to another message"]
pub(crate) struct Seat {
    room: Room,
    app: Arc<str>,
    side: Side,
}

/// The seats of one side that are taken. An app stands here exactly while it has one.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_app: HashMap<Arc<str>, usize>,
}

impl Room {
    /// A seat for a message that may still be refused; none where as many are taken as may.
    pub(crate) fn seat(&self, app: &str, side: Side, most: Most) -> Option<Seat> {
        let app = Arc::from(app);
        self.taken()[side as usize].add(&app, Some(most)).then(|| Seat {
            room: self.clone(),
            app,
            side,
        })
    }

    /// A seat for a message that is ours already, however many are taken.
    pub(crate) fn seat_of_ours(&self, app: &str, side: Side) -> Seat {
        let app = Arc::from(app);
        self.taken()[side as usize].add(&app, None);
        Seat { room: self.clone(), app, side }
    }

    /// Nothing under the lock can panic halfway through a change, so the lock outlives a panic.
    fn taken(&self) -> MutexGuard<'_, [Taken; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Moves to the other side; `false`, and nothing moved, where as many are taken there as may.
    pub(crate) fn move_to(&mut self, side: Side, most: Option<Most>) -> bool {
        if side == self.side {
            return true;
        }
        let mut taken = self.room.taken();
        let moves = taken[side as usize].add(&self.app, most);
        if moves {
            taken[self.side as usize].remove(&self.app);
            self.side = side;
        }
        moves
    }
}

impl Taken {
    fn add(&mut self, app: &Arc<str>, most: Option<Most>) -> bool {
        let own = self.by_app.get(app).copied().unwrap_or(0);
        let fits = most.is_none_or(|most| self.all < most.all && own < most.of_one);
        if fits {
            self.all += 1;
            self.by_app.insert(Arc::clone(app), own + 1);
        }
        fits
    }

    fn remove(&mut self, app: &Arc<str>) {
        self.all -= 1;
        if let Some(own) = self.by_app.get_mut(app) {
            *own -= 1;
            if *own == 0 {
                self.by_app.remove(app);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.taken()[self.side as usize].remove(&self.app);
    }
}

#[cfg(test)]
mod tests {
    use super::{Most, Room, Seat, Side};
    use Side::{Scheduled, UnderWay};

    const fn most(all: usize, of_one: usize) -> Most {
        Most { all, of_one }
    }

    #[test]
    fn no_more_seats_are_given_than_there_may_be_and_a_dropped_one_is_free_again() {
        let room = Room::default();
        let mut seats: Vec<Seat> =
            (0..3).filter_map(|_| room.seat("a", UnderWay, most(2, 2))).collect();
        assert_eq!(seats.len(), 2);
        drop(seats.pop());
        assert!(room.seat("a", UnderWay, most(2, 2)).is_some());
    }

    #[test]
    fn a_message_that_is_ours_has_a_seat_even_in_a_full_room_and_counts_there() {
        let room = Room::default();
        let ours = [room.seat_of_ours("a", UnderWay), room.seat_of_ours("a", UnderWay)];
        assert!(room.seat("b", UnderWay, most(2, 2)).is_none());
        drop(ours);
        assert!(room.seat("b", UnderWay, most(1, 1)).is_some());
    }

    #[test]
    fn one_app_leaves_room_for_the_others() {
        let room = Room::default();
        let seats: Vec<Seat> =
            (0..4).filter_map(|_| room.seat("a", UnderWay, most(4, 2))).collect();
        assert_eq!(seats.len(), 2);
        assert!(room.seat("b", UnderWay, most(4, 2)).is_some());
        drop(seats);
        assert!(room.seat("a", UnderWay, most(4, 2)).is_some());
    }

    #[test]
    fn those_for_later_sit_apart_until_their_time_comes() {
        let room = Room::default();
        let mut later = room.seat("a", Scheduled, most(1, 1)).unwrap();
        assert!(room.seat("a", Scheduled, most(1, 1)).is_none());
        let mut now = room.seat("a", UnderWay, most(1, 1)).unwrap();
        assert!(!now.move_to(Scheduled, Some(most(1, 1))), "its side is full");
        assert!(later.move_to(UnderWay, None), "its time has come, however many are under way");
        assert!(now.move_to(Scheduled, Some(most(1, 1))));
        drop((later, now));
        let seats = [UnderWay, Scheduled].map(|side| room.seat("a", side, most(1, 1)).is_some());
        assert_eq!(seats, [true, true], "moved and dropped, they are free");
    }
}
