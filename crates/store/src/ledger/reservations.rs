//! Keys that one message holds.

use std::time::Duration;

use message::{Hold, Holder, LedgerError, MessageId, Reserved, Settlement, Timestamp};

use crate::expiring::{Expiring, Kept, name_of};
use crate::holds::RestoredHold;

/// Reservations by owner and key.
#[derive(Debug)]
pub(super) struct Reservations(Expiring<Reservation>);

#[derive(Debug)]
struct Reservation {
    by: MessageId,
    /// The hold that may still give it back; none once it is settled.
    open: Option<u64>,
}

impl Reservations {
    pub(super) fn new(most_keys: usize) -> Self {
        Self(Expiring::new(most_keys, usize::MAX))
    }

    pub(super) fn tell(&mut self, now: Timestamp) {
        self.0.tell(now);
    }

    pub(super) fn reserve(
        &mut self,
        owner: &str,
        key: &str,
        ttl: Duration,
        by: &MessageId,
        token: u64,
        now: Timestamp,
    ) -> Result<Reserved, LedgerError> {
        let (now, name) = (self.0.tell(now), name_of([owner, key]));
        match self.0.get(&name) {
            Some((held, until)) if held.by != *by => {
                return Ok(Reserved::Held(Holder { by: held.by.clone(), until }));
            }
            _ => self.0.put(
                &name,
                Reservation { by: by.clone(), open: Some(token) },
                now.after(ttl),
            )?,
        }
        Ok(Reserved::Yes(Hold { owner: owner.into(), key: key.into(), token }))
    }

    pub(super) fn holder(&mut self, owner: &str, key: &str, now: Timestamp) -> Option<Holder> {
        self.0.tell(now);
        let (held, until) = self.0.get(&name_of([owner, key]))?;
        Some(Holder { by: held.by.clone(), until })
    }

    /// Until when `hold` reserves its key, if it is a reservation.
    pub(super) fn until(&self, hold: &Hold) -> Option<Timestamp> {
        let (held, until) = self.0.get(&name_of([&hold.owner, &hold.key]))?;
        (held.open == Some(hold.token)).then_some(until)
    }

    /// Takes up what was written down; the latest of a key stands.
    pub(super) fn restore(&mut self, restored: RestoredHold, now: Timestamp) {
        self.0.tell(now);
        let RestoredHold { saved, open } = restored;
        let name = name_of([&saved.hold.owner, &saved.hold.key]);
        let reservation = Reservation { by: saved.message, open: open.then_some(saved.hold.token) };
        let _full = self.0.put(&name, reservation, saved.ends);
    }

    pub(super) fn settle(&mut self, hold: &Hold, settlement: Settlement) {
        let name = name_of([&hold.owner, &hold.key]);
        let is_open =
            |held: &mut Reservation| held.open.take_if(|open| *open == hold.token).is_some();
        let open = self.0.change_only(&name, is_open).unwrap_or_default();
        if open && settlement == Settlement::GiveBack {
            self.0.remove(&name);
        }
    }
}

impl Kept for Reservation {}
