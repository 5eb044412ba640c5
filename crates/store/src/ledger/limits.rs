//! Charges against limits: all looked at first, then all made or none.

mod calendar;
mod gcra;
mod open;
mod usage;
mod window;

use std::mem;

use message::{
    Charge, Hold, LedgerError, LimitKind, LimitRefusal, Settlement, Standing, Taken, Timestamp,
};

use super::{LONGEST, check_key};
use crate::expiring::{Expiring, name_of};
use crate::holds::{HoldKind, RestoredHold};
use usage::Usage;

/// Most charges in one call.
const CHARGES: usize = 64;
/// Most bytes in the name of a limit.
const LIMIT_BYTES: usize = 128;
/// Most log entries and open holds of all limits together: some 100 MB.
const ENTRIES: usize = 1_000_000;

/// Most prolonged usages that wait to be written down; of more, a restart forgets what the shorter period forgot.
const PROLONGED: usize = 10_000;

/// Usage by owner, limit and key.
#[derive(Debug)]
pub(super) struct Limits {
    used: Expiring<Usage>,
    /// Usages of windows that were made longer, to be written down.
    prolonged: Vec<Prolonged>,
}

/// A usage that counts for longer than was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prolonged {
    pub(crate) owner: String,
    /// The hold's key: the limit's and the key's name.
    pub(crate) key: String,
    pub(crate) ends: Timestamp,
}

/// One charge after the look at its limit.
struct Judged<'a> {
    charge: &'a Charge,
    name: String,
    /// Where nothing was used yet, or the limit counted in another way before.
    fresh: Option<Usage>,
    refusal: Option<LimitRefusal>,
}

impl Limits {
    pub(super) fn new(most_keys: usize) -> Self {
        Self { used: Expiring::new(most_keys, ENTRIES), prolonged: Vec::new() }
    }

    pub(super) fn take(
        &mut self,
        owner: &str,
        charges: &[Charge],
        mut token: impl FnMut() -> u64,
        now: Timestamp,
    ) -> Result<Taken, LedgerError> {
        let now = self.used.tell(now);
        let mut judged = self.judge(owner, charges, now)?;
        if let Some(refused) = refused(&mut judged) {
            return Ok(refused);
        }
        // A charge adds at most itself, and where it is the first, the usage it begins.
        let fresh = judged.iter().filter(|each| each.fresh.is_some()).count();
        self.used.room(fresh, judged.len() + fresh)?;
        let (mut standings, mut holds) = (Vec::new(), Vec::new());
        for Judged { charge, name, fresh, .. } in judged {
            let token = token();
            standings.push(self.make(charge, &name, fresh, token, now)?);
            holds.push(Hold {
                owner: owner.into(),
                key: name_of([&charge.limit, &charge.key]),
                token,
            });
        }
        Ok(Taken::Ok { standings, holds })
    }

    pub(super) fn peek(
        &mut self,
        owner: &str,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<Taken, LedgerError> {
        let now = self.used.tell(now);
        let mut judged = self.judge(owner, charges, now)?;
        if let Some(refused) = refused(&mut judged) {
            return Ok(refused);
        }
        let standing = |Judged { charge, name, fresh, .. }: Judged<'_>| {
            let usage = fresh.or_else(|| self.used.get(&name).map(|(usage, _)| usage.clone()));
            usage.map(|mut usage| usage.charge(charge, 0, now))
        };
        Ok(Taken::Ok {
            standings: judged.into_iter().filter_map(standing).collect(),
            holds: Vec::new(),
        })
    }

    pub(super) fn settle(&mut self, hold: &Hold, settlement: Settlement) {
        // The hold's key is the limit's and the key's name; joined to the owner it is the name of the usage.
        let name = name_of([&hold.owner]) + &hold.key;
        self.used.change_only(&name, |usage| usage.settle(hold.token, settlement));
    }

    /// What is to be written down of windows that were made longer; it is told once.
    pub(super) fn prolonged(&mut self) -> Vec<Prolonged> {
        mem::take(&mut self.prolonged)
    }

    pub(super) fn tell(&mut self, now: Timestamp) {
        self.used.tell(now);
    }

    /// What is to be written down of `hold`, if it is a charge: what it is of, when it was made, and when it counts no
    /// more.
    pub(super) fn saved(&mut self, hold: &Hold) -> Option<(HoldKind, Timestamp, Timestamp)> {
        let name = name_of([&hold.owner]) + &hold.key;
        let (_, end) = self.used.get(&name)?;
        let (kind, at) = self.used.change_only(&name, |usage| usage.saved(hold.token))??;
        Some((kind, at, end))
    }

    /// Takes up what was written down, each usage's charges in the order they were made. Where the limit became one of
    /// another kind, the latest kind counts, as it did then.
    pub(super) fn restore(&mut self, restored: RestoredHold, now: Timestamp) {
        self.used.tell(now);
        let name = name_of([&restored.saved.hold.owner]) + &restored.saved.hold.key;
        let end = restored.saved.ends;
        let of_kind = self.used.get(&name).filter(|(usage, _)| usage.is_of_kind_of(&restored));
        let end = match of_kind {
            Some((_, before)) => before.max(end),
            None => {
                let Some(usage) = Usage::of(&restored) else { return };
                let _full = self.used.put(&name, usage, end);
                end
            }
        };
        self.used.change(&name, |usage| usage.restore(&restored), |_| end);
    }

    fn judge<'a>(
        &mut self,
        owner: &str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> Result<Vec<Judged<'a>>, LedgerError> {
        if charges.len() > CHARGES {
            return Err(LedgerError::Invalid(format!(
                "{} charges at once; at most {CHARGES}",
                charges.len()
            )));
        }
        let mut judged: Vec<Judged<'a>> = Vec::with_capacity(charges.len());
        for charge in charges {
            check(charge)?;
            let name = name_of([owner, &charge.limit, &charge.key]);
            if judged.iter().any(|each| each.name == name) {
                return Err(invalid(charge, "is charged twice for one key"));
            }
            let same_kind = |usage: &mut Usage| usage.advance(charge, now);
            let end = self.used.get(&name).map_or(now, |(_, end)| end);
            // A period that was made longer since keeps for longer what it still counts.
            let later = |usage: &Usage| end.max(usage.end(charge));
            let fresh = match self.used.change(&name, same_kind, later).transpose()? {
                Some(true) => None,
                Some(false) | None => Some(Usage::none(charge, now)?),
            };
            let ends = self.used.get(&name).map_or(end, |(_, end)| end);
            if ends > end && self.prolonged.len() < PROLONGED {
                let key = name_of([&charge.limit, &charge.key]);
                self.prolonged.push(Prolonged { owner: owner.to_owned(), key, ends });
            }
            let usage = fresh.as_ref().or_else(|| self.used.get(&name).map(|(usage, _)| usage));
            let refusal = usage.and_then(|usage| usage.refusal(charge, now));
            judged.push(Judged { charge, name, fresh, refusal });
        }
        Ok(judged)
    }

    fn make(
        &mut self,
        charge: &Charge,
        name: &str,
        fresh: Option<Usage>,
        token: u64,
        now: Timestamp,
    ) -> Result<Standing, LedgerError> {
        if let Some(mut usage) = fresh {
            let standing = usage.charge(charge, token, now);
            let end = usage.end(charge);
            self.used.put(name, usage, end)?;
            return Ok(standing);
        }
        let made = self.used.change(
            name,
            |usage| usage.charge(charge, token, now),
            |usage| usage.end(charge),
        );
        Ok(made.expect("what was looked at is still there: the lock was held since"))
    }
}

fn refused(judged: &mut [Judged<'_>]) -> Option<Taken> {
    let refusals: Vec<LimitRefusal> =
        judged.iter_mut().filter_map(|each| each.refusal.take()).collect();
    (!refusals.is_empty()).then_some(Taken::Refused(refusals))
}

/// Refuses what no limit can mean.
fn check(charge: &Charge) -> Result<(), LedgerError> {
    check_key(&charge.key)?;
    if !(1..=LIMIT_BYTES).contains(&charge.limit.len()) {
        return Err(LedgerError::Invalid(format!(
            "a limit's name is empty or above {LIMIT_BYTES} bytes"
        )));
    }
    let per = match &charge.kind {
        LimitKind::Window(window) => Some(window.per),
        LimitKind::Gcra(gcra) if gcra.quota == 0 || gcra.burst == 0 => {
            return Err(invalid(charge, "has a quota or burst of zero"));
        }
        LimitKind::Gcra(gcra) => Some(gcra.per),
        LimitKind::Calendar(_) => None,
    };
    match per {
        Some(per) if per.as_millis() == 0 || per > LONGEST => {
            Err(invalid(charge, "has a period below a millisecond or above 366 days"))
        }
        _ if charge.queue && !matches!(charge.kind, LimitKind::Gcra(_)) => {
            Err(invalid(charge, "queues, which only GCRA limits can"))
        }
        _ => Ok(()),
    }
}

fn invalid(charge: &Charge, what: &str) -> LedgerError {
    LedgerError::Invalid(format!("limit {:?} {what}", charge.limit))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use message::Window;

    use super::*;

    fn charge(key: &str) -> Charge {
        let kind = LimitKind::Window(Window { quota: 100, per: Duration::from_secs(10) });
        Charge { limit: "app".into(), key: key.into(), kind, cost: 1, queue: false }
    }

    #[test]
    fn log_entries_are_bounded_and_a_full_ledger_charges_nothing() {
        // Each usage weighs one and each of its entries another.
        let mut limits = Limits { used: Expiring::new(10, 5), prolonged: Vec::new() };
        let mut token = 0;
        let mut take = |charges: &[Charge], now| {
            let next = || {
                token += 1;
                token
            };
            limits.take("p", charges, next, Timestamp(now)).map(|_| ())
        };
        assert_eq!(take(&[charge("a"), charge("b")], 0), Ok(()));
        assert_eq!(take(&[charge("a"), charge("b")], 1_000), Err(LedgerError::Full));
        assert_eq!(take(&[charge("a")], 1_000), Ok(()));
        assert_eq!(take(&[charge("b")], 2_000), Err(LedgerError::Full));
        assert_eq!(
            take(&[charge("a"), charge("b")], 10_000),
            Ok(()),
            "the entries of the first second have left"
        );
    }
}
