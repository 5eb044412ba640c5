//! Two counts over the last while.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A span is counted in so many steps; a count leaves with its step, so up to one step early.
const STEPS: u32 = 10;

/// Two counts over a span that ends now. Its size does not depend on what is counted.
#[derive(Clone, Debug)]
pub(super) struct Rolling {
    step: Duration,
    began: Option<Instant>,
    /// Numbered from `began`, newest last.
    steps: VecDeque<(u64, [u32; 2])>,
}

impl Rolling {
    pub(super) fn over(span: Duration) -> Self {
        let step = (span / STEPS).max(Duration::from_millis(1));
        Self { step, began: None, steps: VecDeque::new() }
    }

    pub(super) fn add(&mut self, counts: [u32; 2], now: Instant) {
        let number = self.number(now);
        let newest = self.steps.back().map_or(0, |(newest, _)| *newest);
        if self.steps.is_empty() || number > newest {
            self.steps.push_back((number, [0, 0]));
            self.forget(number);
        }
        // Of two callers the later may bring the earlier instant; it counts as now.
        if let Some((_, sums)) = self.steps.back_mut() {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
        }
    }

    pub(super) fn sums(&mut self, now: Instant) -> [u32; 2] {
        let number = self.number(now);
        self.forget(number);
        let add = |sums: [u32; 2], more: &(u64, [u32; 2])| {
            [sums[0].saturating_add(more.1[0]), sums[1].saturating_add(more.1[1])]
        };
        self.steps.iter().fold([0, 0], add)
    }

    fn number(&mut self, now: Instant) -> u64 {
        let began = *self.began.get_or_insert(now);
        let steps = now.saturating_duration_since(began).as_millis() / self.step.as_millis().max(1);
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    fn forget(&mut self, newest: u64) {
        let over = |(number, _): &(u64, [u32; 2])| number + u64::from(STEPS) <= newest;
        while self.steps.front().is_some_and(over) {
            self.steps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_leaves_with_its_step() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut rolling = Rolling::over(Duration::from_secs(10));
        rolling.add([1, 0], at(0));
        rolling.add([1, 1], at(999));
        rolling.add([5, 2], at(1_000));
        assert_eq!(rolling.sums(at(9_999)), [7, 3]);
        assert_eq!(rolling.sums(at(10_000)), [5, 2]);
        assert_eq!(rolling.sums(at(11_000)), [0, 0]);
        assert_eq!(rolling.sums(at(1_000_000_000)), [0, 0]);
    }

    #[test]
    fn an_instant_before_the_newest_counts_as_the_newest() {
        let start = Instant::now();
        let mut rolling = Rolling::over(Duration::from_secs(10));
        rolling.add([1, 0], start);
        rolling.add([1, 0], start + Duration::from_secs(5));
        rolling.add([1, 0], start);
        assert_eq!(rolling.sums(start + Duration::from_secs(10)), [2, 0]);
    }

    #[test]
    fn its_size_is_bounded_however_much_is_counted() {
        let start = Instant::now();
        let mut rolling = Rolling::over(Duration::from_secs(1));
        for ms in 0..10_000 {
            rolling.add([1, 1], start + Duration::from_millis(ms));
        }
        assert!(rolling.steps.len() <= STEPS as usize, "{} steps", rolling.steps.len());
        rolling.add([u32::MAX, 0], start + Duration::from_secs(10));
        rolling.add([u32::MAX, 0], start + Duration::from_secs(10));
        assert_eq!(rolling.sums(start + Duration::from_secs(10))[0], u32::MAX);
    }
}
