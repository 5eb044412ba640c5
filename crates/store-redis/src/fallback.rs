//! What goes on by itself while the shared store is away.

mod local;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use message::{
    Charge, Foreseen, Foretold, Hold, Holder, Ledger, LedgerError, LedgerFuture, MessageId,
    Reserved, Settlement, Taken, Timestamp,
};

use crate::RedisLedger;

pub use local::LocalLimits;

/// A shared ledger with the operator's word on what a replica may decide alone while the server is away.
///
/// Limits and reservations with `on_unavailable = "local"` are then asked of `local`: each replica counts for itself,
/// from what its own ledger knows, so that N replicas may together admit N times the quota; what was counted so is not
/// carried over when the server is back. Everything else is unavailable, values and counters too, and the policy that
/// asked fails: then its `on_failure` decides. Charges made together go the same way together: one that may not be
/// local refuses all.
#[derive(Debug)]
pub struct WithFallback {
    shared: RedisLedger,
    local: Arc<dyn Ledger>,
    may: RwLock<LocalLimits>,
}

impl WithFallback {
    /// `shared` where it answers, else `local` for what `may`.
    pub fn new(shared: RedisLedger, local: Arc<dyn Ledger>, may: LocalLimits) -> Self {
        Self { shared, local, may: RwLock::new(may) }
    }

    /// Puts other limits in force, from the next call on.
    pub fn allow(&self, may: LocalLimits) {
        *self.may.write().unwrap_or_else(PoisonError::into_inner) = may;
    }

    /// As [`RedisLedger::tell_accepted`].
    pub fn tell_accepted(&self) {
        self.shared.tell_accepted();
    }

    /// As [`RedisLedger::tell_all`].
    pub async fn tell_all(&self) {
        self.shared.tell_all().await;
    }

    fn may(&self, asked: impl FnOnce(&LocalLimits) -> bool) -> bool {
        asked(&self.may.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger for WithFallback {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        self.shared.get(owner, key, now)
    }

    fn foresee<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
        then: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        self.shared.foresee(owner, key, now, then)
    }

    fn put<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> LedgerFuture<'a, bool> {
        self.shared.put(owner, key, value, ttl, if_absent, now)
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64> {
        self.shared.increment(owner, key, delta, ttl, now)
    }

    fn reserve<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        ttl: Duration,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Reserved> {
        Box::pin(async move {
            match self.shared.reserve(owner, key, ttl, by, now).await {
                Err(LedgerError::Unavailable(_)) if self.may(|may| may.reserves(owner)) => {
                    self.local.reserve(owner, key, ttl, by, now).await
                }
                answered => answered,
            }
        })
    }

    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(async move {
            match self.shared.take(owner, charges, now).await {
                Err(LedgerError::Unavailable(_)) if self.may(|may| may.charges(owner, charges)) => {
                    self.local.take(owner, charges, now).await
                }
                answered => answered,
            }
        })
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        Box::pin(async move {
            match self.shared.holder(owner, key, now).await {
                Err(LedgerError::Unavailable(_)) if self.may(|may| may.reserves(owner)) => {
                    self.local.holder(owner, key, now).await
                }
                answered => answered,
            }
        })
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(async move {
            match self.shared.peek(owner, charges, now).await {
                Err(LedgerError::Unavailable(_)) if self.may(|may| may.charges(owner, charges)) => {
                    self.local.peek(owner, charges, now).await
                }
                answered => answered,
            }
        })
    }

    /// Each hold is settled where it was made, however the server is by now.
    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        Box::pin(async move {
            let (shared, local): (Vec<Hold>, _) = holds.into_iter().partition(RedisLedger::made);
            if !local.is_empty() {
                self.local.settle(local, settlement).await?;
            }
            self.shared.settle(shared, settlement).await
        })
    }

    fn own(&self, holds: &[Hold]) {
        self.shared.own(holds);
    }

    fn is_far(&self) -> bool {
        self.shared.is_far()
    }

    /// By the server alone: where it does not answer, each question is asked for itself and goes the way above.
    fn foretell<'a>(
        &'a self,
        foreseen: Vec<Foreseen>,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Vec<Foretold>> {
        self.shared.foretell(foreseen, by, now)
    }
}

#[cfg(test)]
mod tests;
