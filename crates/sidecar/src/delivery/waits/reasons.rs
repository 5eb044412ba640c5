//! What holds a message back, and how it is told and counted meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::{Sender, Timestamp};
use store::{Change, Status};
use tokio::sync::watch;

use super::super::accepted::Accepted;
use super::super::breaker::{Breakers, Reason};
use super::super::journey::Journey;
use super::super::{Delivery, News, now};
use crate::record;

impl Journey {
    /// Marks the message as waiting for as long as the returned count lives, `until` a time where that is known.
    pub(super) async fn parked(
        &self,
        status: Status,
        why: Option<&str>,
        until: Option<Timestamp>,
    ) -> Parked {
        let change = Change {
            error_code: why.map(str::to_owned),
            next_try: until.filter(|_| status == Status::RetryWait || why.is_some()),
            ..Change::to(status, now())
        };
        record::tell(&self.accepted.message.id, &change, until);
        drop(self.delivery.store.change(&self.accepted.message.id, change));
        self.tell.send_replace(News::Open(status));
        self.delivery.waiting.fetch_add(1, Ordering::AcqRel);
        Parked(Arc::clone(&self.delivery))
    }
}

/// What holds a message back besides its turn.
pub(super) struct Trouble {
    pub(super) reason: Option<Reason>,
    sender: Sender,
    /// None where the configuration has let go of the account.
    breakers: Option<(Breakers, watch::Receiver<()>)>,
}

impl Trouble {
    pub(super) fn of(delivery: &Delivery, accepted: &Accepted) -> Self {
        let sender = accepted.message.sender.clone();
        let upstream = delivery.upstream(&accepted.account);
        // Followed before it is asked, so that no change is missed.
        let breakers = upstream.map(|own| (own.breakers.clone(), own.breakers.changes()));
        let reason = breakers.as_ref().and_then(|(breakers, _)| breakers.why(&sender));
        Self { reason, sender, breakers }
    }

    /// Returns when it is something else, or nothing any more.
    pub(super) async fn otherwise(self) {
        if let Some((breakers, mut changes)) = self.breakers {
            while changes.changed().await.is_ok() {
                if breakers.why(&self.sender) != self.reason {
                    return;
                }
            }
        }
        std::future::pending().await
    }
}

/// One message that waits; counted until it goes on, but not taken off when the process stops with it.
pub(super) struct Parked(Arc<Delivery>);

impl Drop for Parked {
    fn drop(&mut self) {
        if !self.0.stop.is_cancelled() {
            self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// One message without its account; counted until it goes on.
pub(super) struct Orphan(Arc<Delivery>, Arc<str>);

impl Orphan {
    pub(super) fn of(delivery: &Arc<Delivery>, account: &Arc<str>) -> Self {
        let mut orphans = delivery.orphans();
        let waiting = orphans.entry(Arc::clone(account)).or_default();
        *waiting += 1;
        if *waiting == 1 {
            tracing::error!(%account, "messages wait for an account that the configuration does not have any more");
        }
        drop(orphans);
        Self(Arc::clone(delivery), Arc::clone(account))
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let mut orphans = self.0.orphans();
        if let Some(left) = orphans.get_mut(&self.1) {
            *left -= 1;
            orphans.retain(|_, left| *left > 0);
        }
    }
}
