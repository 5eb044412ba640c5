//! When Plivo's list is asked for a message in doubt.

use std::time::Duration;

use tokio::time::Instant;

/// Further lists after the last settle time, where those before did not answer.
const FURTHER: u32 = 3;
/// Least between two lists: what stood still meanwhile does not ask twice in one instant, which would prove nothing more.
const APART: Duration = Duration::from_secs(1);

/// How long after the end of the call the list is asked for the `nth` time, from 0: as the operator says, and a few times
/// more.
pub(super) fn nth_look(settle: &[Duration], nth: usize) -> Option<Duration> {
    let last = settle.last().copied().unwrap_or(Duration::ZERO);
    let further = || u32::try_from(nth - settle.len() + 1).ok().filter(|nth| *nth <= FURTHER);
    settle.get(nth).copied().or_else(|| Some(last * (further()? + 1)))
}

/// When a list is asked that is due at `due`, where the one before answered at `looked`.
pub(super) fn look_at(due: Instant, looked: Option<Instant>) -> Instant {
    looked.map_or(due, |looked| due.max(looked + APART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_settle_time_the_list_is_asked_at_multiples_of_it() {
        let settle = [5, 10].map(Duration::from_secs);
        let looks = (0..7).map(|nth| nth_look(&settle, nth).map(|after| after.as_secs()));
        let wanted = [Some(5), Some(10), Some(20), Some(30), Some(40), None, None];
        assert_eq!(looks.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn of_two_lists_that_are_both_overdue_the_second_waits() {
        let (due, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(look_at(due, None), due);
        assert_eq!(look_at(due, Some(due + second * 9)), due + second * 10);
        assert_eq!(look_at(due + second * 5, Some(due)), due + second * 5);
    }
}
