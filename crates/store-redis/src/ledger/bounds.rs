//! What is refused before the server is asked. The numbers are `store::MemoryLedger`'s and the contract's.

use std::time::Duration;

use message::{Charge, LedgerError, LimitKind};

/// Most bytes in a key. Source: the contract (`policy.wit`, `state`).
const KEY_BYTES: usize = 256;
/// Most bytes in a value. Source: the contract (`policy.wit`, `state`).
const VALUE_BYTES: usize = 4_096;
/// Longest that anything is kept: what a person has said is to outlive every campaign.
const KEPT: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
/// Longest period of a limit.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Most charges in one call.
const CHARGES: usize = 64;
/// Most bytes in the name of a limit.
const LIMIT_BYTES: usize = 128;

pub(super) fn check_key(key: &str) -> Result<(), LedgerError> {
    at_most(key.len(), KEY_BYTES, "a key")
}

pub(super) fn check_value(value: &[u8]) -> Result<(), LedgerError> {
    at_most(value.len(), VALUE_BYTES, "a value")
}

pub(super) fn check_ttl(ttl: Duration) -> Result<(), LedgerError> {
    if (Duration::from_millis(1)..=KEPT).contains(&ttl) {
        return Ok(());
    }
    Err(LedgerError::Invalid("a time to live is below a millisecond or above ten years".into()))
}

/// Refuses what no limit can mean.
pub(super) fn check_charges(charges: &[Charge]) -> Result<(), LedgerError> {
    if charges.len() > CHARGES {
        let what = format!("{} charges at once; at most {CHARGES}", charges.len());
        return Err(LedgerError::Invalid(what));
    }
    for (index, charge) in charges.iter().enumerate() {
        check_charge(charge)?;
        let same = |other: &Charge| (&other.limit, &other.key) == (&charge.limit, &charge.key);
        if charges[..index].iter().any(same) {
            return Err(invalid(charge, "is charged twice for one key"));
        }
    }
    Ok(())
}

fn check_charge(charge: &Charge) -> Result<(), LedgerError> {
    check_key(&charge.key)?;
    if charge.limit.is_empty() {
        return Err(LedgerError::Invalid("a limit's name is empty".into()));
    }
    at_most(charge.limit.len(), LIMIT_BYTES, "a limit's name")?;
    let per = match &charge.kind {
        LimitKind::Window(window) => Some(window.per),
        LimitKind::Gcra(gcra) if gcra.quota == 0 || gcra.burst == 0 => {
            return Err(invalid(charge, "has a quota or burst of zero"));
        }
        LimitKind::Gcra(gcra) => Some(gcra.per),
        LimitKind::Calendar(_) => None,
    };
    if per.is_some_and(|per| per.as_millis() == 0 || per > LONGEST) {
        return Err(invalid(charge, "has a period below a millisecond or above 366 days"));
    }
    if charge.queue && !matches!(charge.kind, LimitKind::Gcra(_)) {
        return Err(invalid(charge, "queues, which only GCRA limits can"));
    }
    Ok(())
}

fn at_most(bytes: usize, most: usize, what: &str) -> Result<(), LedgerError> {
    if bytes <= most {
        return Ok(());
    }
    Err(LedgerError::Invalid(format!("{what} has {bytes} bytes; at most {most} are kept")))
}

fn invalid(charge: &Charge, what: &str) -> LedgerError {
    LedgerError::Invalid(format!("limit {:?} {what}", charge.limit))
}
