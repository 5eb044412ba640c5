//! The policies' memory, written down.
//!
//! It is decided in memory. Values are written behind, in the order they changed and before the message that they were
//! decided for, which writes what of them failed (see [`Unwritten`]); reservations and charges are written with that
//! message, so that neither can be without the other.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use message::{
    Charge, Hold, Holder, Ledger, LedgerFuture, MessageId, Reserved, Settlement, Taken, Timestamp,
};
use rusqlite::Connection;

use super::{MemoryLedger, Unwritten};
use crate::database::Database;
use crate::messages::{from_db, to_db};

/// A ledger whose values outlive the process. Holds are for [`Store::accept`](crate::Store::accept) to write.
pub(crate) struct DurableLedger {
    memory: MemoryLedger,
    database: Database,
    unwritten: Arc<Unwritten>,
    /// Held while a value changes in memory and joins the queue, so that both have the same order.
    order: Mutex<()>,
}

/// The ledger of a store.
#[derive(Clone, Debug)]
pub(crate) enum KeptLedger {
    InMemory(Arc<MemoryLedger>),
    Durable(Arc<DurableLedger>),
}

/// A value that was written down.
pub(crate) struct SavedValue {
    pub(crate) owner: String,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) ends: Timestamp,
}

impl DurableLedger {
    pub(crate) fn new(memory: MemoryLedger, database: Database, unwritten: Arc<Unwritten>) -> Self {
        Self { memory, database, unwritten, order: Mutex::new(()) }
    }

    /// Writes down what is under `key` now.
    fn write(&self, owner: &str, key: &str, now: Timestamp) {
        let Some((value, ends)) = self.memory.value(owner, key, now) else { return };
        let (owner, key) = (owner.to_owned(), key.to_owned());
        let value = Arc::new(SavedValue { owner, key, value, ends });
        let (unwritten, failed) = (Arc::clone(&self.unwritten), Arc::clone(&self.unwritten));
        let kept = Arc::clone(&value);
        let write = move |connection: &Connection| {
            unwritten.supersede(&value);
            Ok(value.write(connection)?)
        };
        // What it was decided for is committed after it, and writes it too where this failed.
        drop(self.database.write_then(write, move |committed| {
            if !committed {
                failed.keep(kept);
            }
        }));
    }
}

impl DurableLedger {
    /// Windows that were made longer are on disk before anybody is told by how much: of who is refused for it nothing
    /// else is written. It happens once to each, after a reload.
    async fn write_prolonged(&self) {
        let prolonged = self.memory.prolonged();
        if !prolonged.is_empty() {
            self.unwritten.prolong(prolonged);
            // What cannot be written now is with whatever can be next.
            drop(self.unwritten.with(&self.database, |_| Ok(())).await);
        }
    }
}

impl KeptLedger {
    pub(crate) fn shared(&self) -> Arc<dyn Ledger> {
        match self {
            Self::InMemory(ledger) => Arc::clone(ledger) as Arc<dyn Ledger>,
            Self::Durable(ledger) => Arc::clone(ledger) as Arc<dyn Ledger>,
        }
    }

    /// Where it is decided.
    pub(crate) fn memory(&self) -> &MemoryLedger {
        match self {
            Self::InMemory(ledger) => ledger,
            Self::Durable(ledger) => &ledger.memory,
        }
    }
}

/// Every value that has not ended at `now`.
pub(crate) fn values(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<SavedValue>> {
    let mut query =
        connection.prepare("SELECT owner, key, value, ends FROM policy_state WHERE ends > ?")?;
    let rows = query.query_map([to_db(now)], |row| {
        let ends = from_db(row.get(3)?);
        Ok(SavedValue { owner: row.get(0)?, key: row.get(1)?, value: row.get(2)?, ends })
    })?;
    rows.collect()
}

impl Ledger for DurableLedger {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        self.memory.get(owner, key, now)
    }

    fn foresee<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
        then: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        self.memory.foresee(owner, key, now, then)
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
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let put = self.memory.put_now(owner, key, value, ttl, if_absent, now);
        if put == Ok(true) {
            self.write(owner, key, now);
        }
        super::ready(put)
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64> {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = self.memory.increment_now(owner, key, delta, ttl, now);
        if sum.is_ok() {
            self.write(owner, key, now);
        }
        super::ready(sum)
    }

    fn reserve<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        ttl: Duration,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Reserved> {
        self.memory.reserve(owner, key, ttl, by, now)
    }

    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(async move {
            let taken = self.memory.take(owner, charges, now).await;
            self.write_prolonged().await;
            taken
        })
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        self.memory.holder(owner, key, now)
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(async move {
            let taken = self.memory.peek(owner, charges, now).await;
            self.write_prolonged().await;
            taken
        })
    }

    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        self.memory.settle(holds, settlement)
    }
}

impl fmt::Debug for DurableLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableLedger").finish_non_exhaustive()
    }
}
