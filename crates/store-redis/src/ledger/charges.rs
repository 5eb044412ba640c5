//! Charges as the script `take` reads them, and its answer.

use std::time::Duration;

use message::{
    Charge, Hold, LedgerError, LimitKind, LimitRefusal, Period, Standing, Taken, Timestamp,
};

use super::bounds::check_charges;
use super::words::Words;
use super::{LEAST_TOKEN, LIMIT, micros, periods};
use crate::fault::Fault;

/// A number that no other hold has, in whatever replica: 62 bits by chance.
pub(super) fn token() -> u64 {
    fastrand::u64(LEAST_TOKEN..LEAST_TOKEN << 1)
}

/// A hold for each charge, if the charges can be meant.
pub(super) fn holds(owner: &str, charges: &[Charge]) -> Result<Vec<Hold>, LedgerError> {
    check_charges(charges)?;
    let hold = |Charge { limit, key, .. }: &Charge| Hold {
        owner: owner.into(),
        key: format!("{LIMIT}{}:{limit}{key}", limit.len()),
        token: token(),
    };
    Ok(charges.iter().map(hold).collect())
}

/// Adds the twelve words of one charge.
pub(super) fn write(
    charge: &Charge,
    token: u64,
    now: Timestamp,
    words: &mut Words,
) -> Result<(), LedgerError> {
    let (mut per, mut burst, mut span, mut bounds) = (Duration::ZERO, 0, 0, [0; 4]);
    let (kind, quota) = match &charge.kind {
        LimitKind::Window(window) => {
            per = window.per;
            ("w".to_owned(), window.quota)
        }
        LimitKind::Gcra(gcra) => {
            burst = gcra.burst;
            // Rounded up, so that a quota that does not divide its period is never exceeded.
            span = gcra.per.as_nanos().div_ceil(u128::from(gcra.quota));
            ("g".to_owned(), gcra.quota)
        }
        LimitKind::Calendar(calendar) => {
            bounds = periods::near(calendar, now)?.map(|begin| begin.0 * 1_000);
            let period = match calendar.period {
                Period::Day => "day",
                Period::Week => "week",
                Period::Month => "month",
            };
            (format!("c {period} {}", calendar.zone), calendar.quota)
        }
    };
    words.arg(kind).arg(charge.cost).arg(quota).arg(token).arg(u8::from(charge.queue));
    words.arg(micros(per)).arg(burst).arg(span.to_string()).arg(&bounds);
    Ok(())
}

/// What became of the charges; `holds` are theirs, and the caller's once the answer is read.
pub(crate) fn read(
    answer: &[u64],
    charges: &[Charge],
    holds: impl FnOnce() -> Vec<Hold>,
) -> Result<Taken, LedgerError> {
    let unreadable = || LedgerError::from(Fault::Failed("its answer cannot be read".into()));
    let (&verdict, rest) = answer.split_first().ok_or_else(unreadable)?;
    let (triples, _) = rest.as_chunks::<3>();
    match verdict {
        0 => {
            let refusal = |&[number, wait, never]: &[u64; 3]| {
                let at = usize::try_from(number).ok()?.checked_sub(1)?;
                let limit = charges.get(at)?.limit.clone();
                Some(LimitRefusal { limit, wait: Duration::from_millis(wait), never: never == 1 })
            };
            let refusals: Option<Vec<_>> = triples.iter().map(refusal).collect();
            let refusals = refusals.filter(|refusals| !refusals.is_empty());
            let refused = refusals.map(Taken::Refused).ok_or_else(unreadable)?;
            // Nothing was charged.
            holds();
            Ok(refused)
        }
        1 if triples.len() == charges.len() => {
            let standing = |(charge, &[remaining, reset, delay]): (&Charge, &[u64; 3])| Standing {
                limit: charge.limit.clone(),
                remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
                reset: Duration::from_millis(reset),
                delay: Duration::from_millis(delay),
            };
            let standings = charges.iter().zip(triples).map(standing).collect();
            Ok(Taken::Ok { standings, holds: holds() })
        }
        2 => Err(Fault::Astray.into()),
        _ => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use message::Window;

    use super::*;

    #[test]
    fn tokens_differ_and_fit_a_signed_number() {
        let tokens: std::collections::BTreeSet<u64> = (0..10_000).map(|_| token()).collect();
        assert_eq!(tokens.len(), 10_000);
        assert!(tokens.iter().all(|token| *token >= LEAST_TOKEN && i64::try_from(*token).is_ok()));
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_a_store_that_is_away() {
        let kind = LimitKind::Window(Window { quota: 1, per: Duration::from_secs(1) });
        let charge = Charge { limit: "l".into(), key: "k".into(), kind, cost: 1, queue: false };
        for answer in [&[][..], &[0], &[0, 0, 5, 0], &[0, 2, 5, 0], &[1], &[1, 2, 3], &[7]] {
            let read = read(answer, std::slice::from_ref(&charge), Vec::new);
            assert!(matches!(read, Err(LedgerError::Unavailable(_))), "{answer:?}: {read:?}");
        }
    }
}
