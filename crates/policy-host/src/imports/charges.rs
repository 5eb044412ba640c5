//! Charges and what became of them, between the contract's types and the ledger's.

use std::time::Duration;

use message::{
    Calendar, Charge, DEFAULT_ACCOUNT, Gcra, LimitKind, Period, Standing, Taken, Window,
};

use super::state::KEY_BYTES;
use crate::bindings::state as wit;

/// Most charges of one call.
const CHARGES: usize = 32;
/// Most bytes of a limit's name, and of a zone's.
const NAME_BYTES: usize = 64;
/// The key of what a whole account uses; the contract's word.
const ACCOUNT: &str = "account";
/// Longest period of a window or pace.
const LONGEST_PERIOD: Duration = Duration::from_secs(31 * 86_400);

/// The charges of one call about a message that would be sent with this account.
///
/// # Errors
///
/// A sentence that names the bound that does not hold.
pub(super) fn read(charges: Vec<wit::Charge>, account: &str) -> Result<Vec<Charge>, String> {
    if charges.len() > CHARGES {
        return Err(format!("one call takes at most {CHARGES} charges"));
    }
    charges.into_iter().map(|each| charge(each, account)).collect()
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

/// What becomes of the answer to a look if nothing is charged for as long as `ahead`: waits are so much shorter. What is
/// left of a limit then is not known, and told as nothing.
pub(super) fn later(taken: Taken, charges: &[Charge], ahead: Duration) -> Taken {
    match taken {
        Taken::Ok { mut standings, holds } => {
            for standing in &mut standings {
                standing.reset = standing.reset.saturating_sub(ahead);
                standing.delay = standing.delay.saturating_sub(ahead);
            }
            Taken::Ok { standings, holds }
        }
        Taken::Refused(mut refusals) => {
            refusals.retain(|refusal| refusal.never || refusal.wait > ahead);
            for refusal in &mut refusals {
                refusal.wait = refusal.wait.saturating_sub(ahead);
            }
            if !refusals.is_empty() {
                return Taken::Refused(refusals);
            }
            let open = |charge: &Charge| Standing {
                limit: charge.limit.clone(),
                remaining: 0,
                reset: Duration::ZERO,
                delay: Duration::ZERO,
            };
            Taken::Ok { standings: charges.iter().map(open).collect(), holds: Vec::new() }
        }
    }
}

fn charge(charge: wit::Charge, account: &str) -> Result<Charge, String> {
    let wit::Charge { limit, key, kind, cost, queue } = charge;
    if limit.is_empty() || limit.len() > NAME_BYTES {
        return Err(format!("a limit's name has 1 to {NAME_BYTES} bytes"));
    }
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(format!("a key has 1 to {KEY_BYTES} bytes"));
    }
    // Policies need not know of accounts to keep a limit for each.
    let key = match key.as_str() {
        ACCOUNT if account != DEFAULT_ACCOUNT => format!("{ACCOUNT} {account}"),
        _ => key,
    };
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

    use std::time::Duration;

    use message::{LimitRefusal, Taken};

    use super::{CHARGES, KEY_BYTES, NAME_BYTES, later, read, wit};

    fn window(limit: &str, key: &str, per_ms: u64) -> wit::Charge {
        let kind = wit::LimitKind::Window(wit::Window { quota: 10, per_ms });
        wit::Charge { limit: limit.to_owned(), key: key.to_owned(), kind, cost: 1, queue: false }
    }

    #[test]
    fn a_charge_within_its_bounds_is_taken() {
        assert_eq!(read(vec![window("app", "billing", 60_000)], "default").unwrap().len(), 1);
    }

    #[test]
    fn what_an_account_uses_is_counted_for_each() {
        let key = |key: &str, account: &str| {
            read(vec![window("all", key, 1)], account).unwrap().remove(0).key
        };
        assert_eq!(key("account", "default"), "account", "as it is where there is one only");
        assert_eq!(key("account", "europe"), "account europe");
        assert_eq!(key("billing", "europe"), "billing");
    }

    #[test]
    fn a_refusal_ends_with_its_wait_and_one_for_ever_does_not() {
        let charges = read(vec![window("app", "a", 1), window("day", "a", 1)], "default").unwrap();
        let refusal = |limit: &str, seconds: u64, never: bool| LimitRefusal {
            limit: limit.to_owned(),
            wait: Duration::from_secs(seconds),
            never,
        };
        let after = |refusals: &[LimitRefusal], seconds: u64| match later(
            Taken::Refused(refusals.to_vec()),
            &charges,
            Duration::from_secs(seconds),
        ) {
            Taken::Ok { standings, .. } => Ok(standings.len()),
            Taken::Refused(left) => Err(left),
        };
        let both = [refusal("app", 5, false), refusal("day", 9, false)];
        assert_eq!(after(&both, 0), Err(both.to_vec()));
        assert_eq!(after(&both, 5), Err(vec![refusal("day", 4, false)]));
        assert_eq!(after(&both, 9), Ok(2));
        let never = refusal("app", 0, true);
        assert_eq!(after(std::slice::from_ref(&never), 9), Err(vec![never.clone()]));
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
            assert!(read(vec![charge], "default").is_err(), "{said} was taken");
        }
        let many = (0..=CHARGES).map(|_| window("n", "k", 1)).collect();
        assert!(read(many, "default").is_err(), "{} charges were taken", CHARGES + 1);
    }
}
