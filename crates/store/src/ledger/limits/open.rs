//! Charges that may still be given back, for limits that keep only a sum.

use std::collections::VecDeque;

use message::Timestamp;

/// Most holds remembered of one usage. Of more, the oldest that are written down count as kept.
const HOLDS: usize = 1_024;
/// Most of them where the oldest are not written down yet: 65 requests at once with 1,000 recipients each. Of more, the
/// oldest count as kept until a restart, and not after it.
const IN_FLIGHT: usize = 65_536;

/// Open charges by token, in the order they were made, and what giving all of them back would free.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenCharges {
    charges: VecDeque<Open>,
    sum: u128,
}

/// A charge as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) at: Timestamp,
    pub(super) amount: u128,
    /// What the limit stood at after it, where it has such a level.
    pub(super) level: u128,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    token: u64,
    made: Made,
    /// What of it can be given back.
    amount: u128,
    /// It is in the store, which needs it here no more.
    written: bool,
}

impl OpenCharges {
    pub(super) fn add(&mut self, token: u64, made: Made) {
        while let Some(oldest) = self.charges.front()
            && self.charges.len() >= if oldest.written { HOLDS } else { IN_FLIGHT }
        {
            self.sum -= oldest.amount;
            self.charges.pop_front();
        }
        self.charges.push_back(Open { token, made, amount: made.amount, written: false });
        self.sum += made.amount;
    }

    /// Forgets the charge and returns what of it can be given back; `None` where it is settled or forgotten.
    pub(super) fn close(&mut self, token: u64) -> Option<u128> {
        let at = self.place(token)?;
        let Open { amount, .. } = self.charges.remove(at)?;
        self.sum -= amount;
        Some(amount)
    }

    /// An open charge as it was made, for whoever writes it down.
    pub(super) fn write(&mut self, token: u64) -> Option<Made> {
        let open = self.place(token).and_then(|at| self.charges.get_mut(at))?;
        open.written = true;
        Some(open.made)
    }

    /// Lowers what can be given back to at most `most` in all, the oldest charges first.
    pub(super) fn lower_to(&mut self, most: u128) {
        while let Some(excess) = self.sum.checked_sub(most).filter(|excess| *excess > 0) {
            let Some(oldest) = self.charges.front_mut() else { return };
            let less = excess.min(oldest.amount);
            oldest.amount -= less;
            self.sum -= less;
            if oldest.amount == 0 {
                self.charges.pop_front();
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.charges.len()
    }

    fn place(&self, token: u64) -> Option<usize> {
        self.charges.binary_search_by_key(&token, |open| open.token).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(amount: u128) -> Made {
        Made { at: Timestamp(0), amount, level: 0 }
    }

    #[test]
    fn a_charge_is_closed_once() {
        let mut open = OpenCharges::default();
        open.add(1, made(10));
        open.add(5, made(20));
        assert_eq!((open.close(1), open.close(1), open.close(3)), (Some(10), None, None));
        assert_eq!((open.close(5), open.sum), (Some(20), 0));
    }

    #[test]
    fn lowering_takes_from_the_oldest() {
        let mut open = OpenCharges::default();
        for token in 1..=3 {
            open.add(token, made(10));
        }
        open.lower_to(15);
        assert_eq!((open.close(1), open.close(2), open.close(3)), (None, Some(5), Some(10)));
    }

    #[test]
    fn of_too_many_the_oldest_that_are_written_down_count_as_kept() {
        let mut open = OpenCharges::default();
        let most = HOLDS as u64;
        for token in 0..=most {
            open.add(token, made(1));
            assert_eq!(open.write(token), Some(made(1)));
        }
        assert_eq!((open.len(), open.sum), (HOLDS, HOLDS as u128));
        assert_eq!((open.close(0), open.close(1)), (None, Some(1)));
    }

    #[test]
    fn a_charge_that_is_not_written_down_yet_outlasts_many_after_it() {
        let mut open = OpenCharges::default();
        let most = HOLDS as u64;
        for token in 0..3 * most {
            open.add(token, made(1));
        }
        assert_eq!(open.len(), 3 * HOLDS);
        for token in 0..3 * most {
            assert_eq!(open.write(token), Some(made(1)), "{token}");
        }
        open.add(3 * most, made(1));
        assert_eq!((open.len(), open.sum), (HOLDS, HOLDS as u128), "now they can be let go");
    }

    #[test]
    fn charges_that_nobody_ever_writes_down_are_bounded_too() {
        let mut open = OpenCharges::default();
        for token in 0..=IN_FLIGHT as u64 {
            open.add(token, made(1));
        }
        assert_eq!((open.len(), open.sum), (IN_FLIGHT, IN_FLIGHT as u128));
        assert_eq!((open.close(0), open.close(1)), (None, Some(1)));
    }
}
