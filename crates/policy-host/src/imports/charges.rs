//! Charges and what became of them, between the contract's types and the ledger's.

use std::time::Duration;

use message::{Calendar, Charge, Gcra, LimitKind, Period, Window};

use super::state::KEY_BYTES;
use crate::bindings::state as wit;

/// Most charges of one call.
const CHARGES: usize = 32;
/// Most bytes of a limit's name, and of a zone's.
const NAME_BYTES: usize = 64;
/// Longest period of a window or pace.
const LONGEST_PERIOD: Duration = Duration::from_secs(31 * 86_400);

/// The charges of one call.
///
/// # Errors
///
/// A sentence that names the bound that does not hold.
pub(super) fn read(charges: Vec<wit::Charge>) -> Result<Vec<Charge>, String> {
    if charges.len() > CHARGES {
        return Err(format!("one call takes at most {CHARGES} charges"));
    }
    charges.into_iter().map(charge).collect()
}

pub(super) fn holder(holder: message::Holder) -> wit::Holder {
    wit::Holder { by: holder.by.0.into(), until_ms: holder.until.0 }
}

pub(super) fn standing(standing: message::Standing) -> wit::Standing {
    wit::Standing {
        limit: standing.limit,
        remaining: standing.remaining,
        reset_ms: ms(standing.reset),
        delay_ms: ms(standing.delay),
    }
}

pub(super) fn refusal(refusal: message::LimitRefusal) -> wit::Refusal {
    wit::Refusal { limit: refusal.limit, wait_ms: ms(refusal.wait), never: refusal.never }
}

fn charge(charge: wit::Charge) -> Result<Charge, String> {
    let wit::Charge { limit, key, kind, cost, queue } = charge;
    if limit.is_empty() || limit.len() > NAME_BYTES {
        return Err(format!("a limit's name has 1 to {NAME_BYTES} bytes"));
    }
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(format!("a key has 1 to {KEY_BYTES} bytes"));
    }
    Ok(Charge { limit, key, kind: limit_kind(kind)?, cost, queue })
}

fn limit_kind(kind: wit::LimitKind) -> Result<LimitKind, String> {
    Ok(match kind {
        wit::LimitKind::Window(wit::Window { quota, per_ms }) => {
            LimitKind::Window(Window { quota, per: period(per_ms)? })
        }
        wit::LimitKind::Gcra(wit::Gcra { quota, per_ms, burst }) => {
            LimitKind::Gcra(Gcra { quota, per: period(per_ms)?, burst })
        }
        wit::LimitKind::Calendar(wit::Calendar { quota, period, zone }) => {
            if zone.len() > NAME_BYTES {
                return Err(format!("a zone's name has at most {NAME_BYTES} bytes"));
            }
            let period = match period {
                wit::Period::Day => Period::Day,
                wit::Period::Week => Period::Week,
                wit::Period::Month => Period::Month,
            };
            LimitKind::Calendar(Calendar { quota, period, zone })
        }
    })
}

fn period(ms: u64) -> Result<Duration, String> {
    let period = Duration::from_millis(ms);
    match period.is_zero() || period > LONGEST_PERIOD {
        true => Err("a limit's `per-ms` is 1 to 2,678,400,000 (31 days)".to_owned()),
        false => Ok(period),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{CHARGES, KEY_BYTES, NAME_BYTES, read, wit};

    fn window(limit: &str, key: &str, per_ms: u64) -> wit::Charge {
        let kind = wit::LimitKind::Window(wit::Window { quota: 10, per_ms });
        wit::Charge { limit: limit.to_owned(), key: key.to_owned(), kind, cost: 1, queue: false }
    }

    #[test]
    fn a_charge_within_its_bounds_is_taken() {
        assert_eq!(read(vec![window("app", "billing", 60_000)]).unwrap().len(), 1);
    }

    #[test]
    fn charges_out_of_bounds_are_refused() {
        let (name, key) = ("n".repeat(NAME_BYTES + 1), "k".repeat(KEY_BYTES + 1));
        let bad = [
            window("", "k", 1),
            window(&name, "k", 1),
            window("n", "", 1),
            window("n", &key, 1),
            window("n", "k", 0),
            window("n", "k", 2_678_400_001),
        ];
        for charge in bad {
            let said = format!("{charge:?}");
            assert!(read(vec![charge]).is_err(), "{said} was taken");
        }
        let many = (0..=CHARGES).map(|_| window("n", "k", 1)).collect();
        assert!(read(many).is_err(), "{} charges were taken", CHARGES + 1);
    }
}
