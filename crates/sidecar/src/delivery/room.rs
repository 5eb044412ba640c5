//! How many messages may be under way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the messages that are being decided about, or are ours and have not come to their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    taken: Arc<AtomicUsize>,
}

/// One message's seat in the [`Room`], given back when it is dropped.
#[derive(Debug)]
#[must_use = "dropping a seat gives it to another message"]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Room {
    /// A seat for a message that may still be refused; none where `most` are taken.
    pub(crate) fn seat(&self, most: usize) -> Option<Seat> {
        let one_more = |taken: usize| (taken < most).then(|| taken + 1);
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.is_ok().then(|| Seat(Arc::clone(&self.taken)))
    }

    /// A seat for a message that is ours already, however many are taken.
    pub(crate) fn seat_of_ours(&self) -> Seat {
        self.taken.fetch_add(1, Ordering::AcqRel);
        Seat(Arc::clone(&self.taken))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::{Room, Seat};

    #[test]
    fn no_more_seats_are_given_than_there_may_be_and_a_dropped_one_is_free_again() {
        let room = Room::default();
        let mut seats: Vec<Seat> = (0..3).filter_map(|_| room.seat(2)).collect();
        assert_eq!(seats.len(), 2);
        drop(seats.pop());
        assert!(room.seat(2).is_some());
    }

    #[test]
    fn a_message_that_is_ours_has_a_seat_even_in_a_full_room_and_counts_there() {
        let room = Room::default();
        let ours = [room.seat_of_ours(), room.seat_of_ours()];
        assert!(room.seat(2).is_none());
        drop(ours);
        assert!(room.seat(1).is_some());
    }
}
