//! What is over makes room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use message::Timestamp;
use rusqlite::Connection;

use crate::messages::{delete, to_db};
use crate::{Commit, Store};

/// Most rows of a kind that one sweep takes, so that nobody waits for it.
const ROWS: u32 = 2_000;
/// How long what is over stays, so that a clock that was set back finds it again.
const GRACE: Duration = Duration::from_secs(60);

/// How many rows there are, as of the last sweep and what was added since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<[AtomicU64; 2]>);

impl Counts {
    /// How many messages there would be with `more`, which are counted.
    pub(crate) fn messages_would_be(&self, more: usize) -> u64 {
        let more = more as u64;
        self.0[0].fetch_add(more, Ordering::AcqRel) + more
    }

    pub(crate) fn messages_gone(&self, gone: usize) {
        self.0[0].fetch_sub(gone as u64, Ordering::AcqRel);
    }

    pub(crate) fn keys(&self) -> u64 {
        self.0[1].load(Ordering::Acquire)
    }

    pub(crate) fn key_added(&self) {
        self.0[1].fetch_add(1, Ordering::AcqRel);
    }

    /// Counts anew; both tables have an index that is read instead of their rows.
    pub(crate) fn refresh(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (count, table) in self.0.iter().zip(["messages", "idempotency_keys"]) {
            let mut query = connection.prepare_cached(&format!("SELECT count(*) FROM {table}"))?;
            let rows: i64 = query.query_row([], |row| row.get(0))?;
            count.store(u64::try_from(rows).unwrap_or(0), Ordering::Release);
        }
        Ok(())
    }
}

impl Store {
    /// Deletes what is over, some thousand rows at most, and tells how many; call it every few seconds, and again at once
    /// for as long as it finds much. It writes, and so also finds out whether the store can be written again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`](crate::StoreError::Unavailable).
    pub fn sweep(&self, now: Timestamp) -> Commit<usize> {
        let (counts, retention) = (self.counts.clone(), self.bounds.retention);
        self.database.write(move |connection| {
            let (over, old) = (to_db(now.before(GRACE)), to_db(now.before(retention)));
            let mut gone = 0;
            for sql in [
                "DELETE FROM holds WHERE token IN (SELECT token FROM holds WHERE ends <= ? LIMIT ?)",
                "DELETE FROM policy_state WHERE (owner, key) IN (SELECT owner, key FROM policy_state WHERE ends <= ? LIMIT ?)",
                "DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys WHERE ends <= ? LIMIT ?)",
            ] {
                gone += connection.prepare_cached(sql)?.execute((over, ROWS))?;
            }
            let events = "DELETE FROM events WHERE number IN \
                 (SELECT number FROM events WHERE at <= ? AND relay IS NOT 'due' ORDER BY at LIMIT ?)";
            gone += connection.prepare_cached(events)?.execute((old, ROWS))?;
            let messages = "SELECT id FROM messages WHERE live = 0 AND updated <= ? ORDER BY updated LIMIT ?";
            gone += delete(connection, messages, (old, ROWS))?;
            counts.refresh(connection)?;
            Ok(gone)
        })
    }
}
