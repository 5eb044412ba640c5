//! Charges that may still be given back, for limits that keep only a sum.

use std::collections::VecDeque;

use message::Timestamp;

/// Most holds remembered of one usage. Of more, the oldest count as kept.
const HOLDS: usize = 1_024;

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
}

impl OpenCharges {
    pub(super) fn add(&mut self, token: u64, made: Made) {
        if self.charges.len() == HOLDS
            && let Some(oldest) = self.charges.pop_front()
        {
            self.sum -= oldest.amount;
        }
        self.charges.push_back(Open { token, made, amount: made.amount });
        self.sum += made.amount;
    }

    /// Forgets the charge and returns what of it can be given back; `None` where it is settled or forgotten.
    pub(super) fn close(&mut self, token: u64) -> Option<u128> {
        let at = self.place(token)?;
        let Open { amount, .. } = self.charges.remove(at)?;
        self.sum -= amount;
        Some(amount)
    }

    /// An open charge as it was made.
    pub(super) fn made(&self, token: u64) -> Option<Made> {
        self.place(token).and_then(|at| self.charges.get(at)).map(|open| open.made)
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
    fn of_too_many_the_oldest_count_as_kept() {
        let mut open = OpenCharges::default();
        for token in 0..=HOLDS as u64 {
            open.add(token, made(1));
        }
        assert_eq!((open.len(), open.sum), (HOLDS, HOLDS as u128));
        assert_eq!((open.close(0), open.close(1)), (None, Some(1)));
    }
}
