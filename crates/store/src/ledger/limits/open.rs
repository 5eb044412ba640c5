//! Charges that may still be given back, for limits that keep only a sum.

use std::collections::VecDeque;

/// Most holds remembered of one usage. Of more, the oldest count as kept.
const HOLDS: usize = 1_024;

/// Open charges by token, in the order they were made, and what giving all of them back would free.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenCharges {
    charges: VecDeque<(u64, u128)>,
    sum: u128,
}

impl OpenCharges {
    pub(super) fn add(&mut self, token: u64, amount: u128) {
        if self.charges.len() == HOLDS
            && let Some((_, oldest)) = self.charges.pop_front()
        {
            self.sum -= oldest;
        }
        self.charges.push_back((token, amount));
        self.sum += amount;
    }

    /// Forgets the charge and returns what of it can be given back; `None` where it is settled or forgotten.
    pub(super) fn close(&mut self, token: u64) -> Option<u128> {
        let at = self.charges.binary_search_by_key(&token, |(each, _)| *each).ok()?;
        let (_, amount) = self.charges.remove(at)?;
        self.sum -= amount;
        Some(amount)
    }

    /// What of an open charge could be given back.
    pub(super) fn amount(&self, token: u64) -> Option<u128> {
        let at = self.charges.binary_search_by_key(&token, |(each, _)| *each).ok()?;
        self.charges.get(at).map(|(_, amount)| *amount)
    }

    /// Lowers what can be given back to at most `most` in all, the oldest charges first.
    pub(super) fn lower_to(&mut self, most: u128) {
        while let Some(excess) = self.sum.checked_sub(most).filter(|excess| *excess > 0) {
            let Some((_, oldest)) = self.charges.front_mut() else { return };
            let less = excess.min(*oldest);
            *oldest -= less;
            self.sum -= less;
            if *oldest == 0 {
                self.charges.pop_front();
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.charges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_closed_once() {
        let mut open = OpenCharges::default();
        open.add(1, 10);
        open.add(5, 20);
        assert_eq!((open.close(1), open.close(1), open.close(3)), (Some(10), None, None));
        assert_eq!((open.close(5), open.sum), (Some(20), 0));
    }

    #[test]
    fn lowering_takes_from_the_oldest() {
        let mut open = OpenCharges::default();
        for token in 1..=3 {
            open.add(token, 10);
        }
        open.lower_to(15);
        assert_eq!((open.close(1), open.close(2), open.close(3)), (None, Some(5), Some(10)));
    }

    #[test]
    fn of_too_many_the_oldest_count_as_kept() {
        let mut open = OpenCharges::default();
        for token in 0..=HOLDS as u64 {
            open.add(token, 1);
        }
        assert_eq!((open.len(), open.sum), (HOLDS, HOLDS as u128));
        assert_eq!((open.close(0), open.close(1)), (None, Some(1)));
    }
}
