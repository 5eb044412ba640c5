//! What is over makes room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use message::Timestamp;
use rusqlite::Connection;

use crate::messages::{delete, forget_marks, to_db};
use crate::{Commit, Keep, Store};

/// Most rows of a kind that one sweep takes, so that nobody waits for it.
const ROWS: u32 = 2_000;
/// How long what is over stays, so that a clock that was set back finds it again.
const GRACE: Duration = Duration::from_secs(60);
/// Most events for each message that may be kept. A message has two to four on its way.
const EVENTS_A_MESSAGE: u64 = 4;
/// Of these, most that apps are still to be called about: an app that is away for days must not fill the store.
const DUE_A_MESSAGE: u64 = 2;
/// How often the log is emptied of what is not to be kept.
const EMPTY_LOG: Duration = Duration::from_secs(60);

/// When the log was emptied last, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct LogEmptied(AtomicU64);

impl LogEmptied {
    fn is_due(&self, now: Timestamp) -> bool {
        let last = Timestamp(self.0.load(Ordering::Acquire));
        let due = now < last || now >= last.after(EMPTY_LOG);
        if due {
            self.0.store(now.0, Ordering::Release);
        }
        due
    }
}

impl Store {
    /// Deletes what is over, some thousand rows at most, and tells how many; call it every few seconds, and again at
    /// once for as long as it finds much. It writes, and so also finds out whether the store can be written again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`](crate::StoreError::Unavailable).
    pub fn sweep(&self, now: Timestamp) -> Commit<usize> {
        let all_is_kept = (self.content.text, self.content.numbers) == (Keep::Full, Keep::Full);
        if !all_is_kept && self.log_emptied.is_due(now) {
            self.database.empty_log();
        }
        let (retention, most_messages) = (self.bounds.retention, self.bounds.messages);
        let numbers = self.content.numbers;
        let (keys_kept, most_keys) = (Arc::clone(&self.keys_kept), self.bounds.keys);
        self.write_all(move |connection| {
            let (over, old) = (to_db(now.before(GRACE)), to_db(now.before(retention)));
            let mut gone = 0;
            for (sql, before) in [
                ("DELETE FROM holds WHERE (token, message) IN (SELECT token, message FROM holds WHERE ends <= ? LIMIT \
                 ?)", over),
                ("DELETE FROM spent WHERE (owner, name, kind, at) IN (SELECT owner, name, kind, at FROM spent \
                 WHERE ends <= ? LIMIT ?)", over),
                ("DELETE FROM policy_state WHERE (owner, key) IN (SELECT owner, key FROM policy_state WHERE ends <= ? \
                 LIMIT ?)", over),
                // Those below zero are still there for a report that proves us wrong.
                ("DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys \
                 WHERE ends BETWEEN 0 AND ?1 AND freed <> 1 LIMIT ?2)", over),
                ("DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys \
                 WHERE ends BETWEEN -?1 AND -1 AND freed = 0 LIMIT ?2)", over),
                ("DELETE FROM events WHERE number IN \
                 (SELECT number FROM events WHERE at <= ? AND relay IS NOT 'due' ORDER BY at LIMIT ?)", old),
            ] {
                gone += connection.prepare_cached(sql)?.execute((before, ROWS))?;
            }
            if numbers == Keep::None {
                gone += forget_marks(connection, now, ROWS)?;
            }
            gone += give_up_excess_calls(connection, most_messages.saturating_mul(DUE_A_MESSAGE))?;
            gone += drop_excess_events(connection, most_messages.saturating_mul(EVENTS_A_MESSAGE))?;
            let messages = "SELECT id FROM messages WHERE live = 0 AND updated <= ? ORDER BY updated LIMIT ?";
            gone += delete(connection, messages, (old, ROWS))?;
            keys_kept.note(rows_of(connection, "idempotency_keys")?, most_keys);
            Ok(gone)
        })
    }
}

/// Rows of a table that `sizes` counts.
pub(crate) fn rows_of(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    let mut query = connection.prepare_cached("SELECT rows FROM sizes WHERE name = ?")?;
    let rows: i64 = query.query_row([table], |row| row.get(0))?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// Messages that made room leave their events behind; of too many the oldest go, but for those an app is still to be
/// called about.
fn drop_excess_events(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    let excess = rows_of(connection, "events")?.saturating_sub(most).min(u64::from(ROWS));
    if excess == 0 {
        return Ok(0);
    }
    let sql = "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE relay IS NOT 'due' ORDER BY number \
     LIMIT ?)";
    connection.prepare_cached(sql)?.execute([i64::try_from(excess).unwrap_or(i64::MAX)])
}

/// Of too many events that apps are still to be called about, the oldest become dead letters.
fn give_up_excess_calls(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    if rows_of(connection, "events")? <= most {
        return Ok(0);
    }
    let due = "SELECT count(*) FROM events WHERE relay = 'due'";
    let due: i64 = connection.prepare_cached(due)?.query_row([], |row| row.get(0))?;
    let excess = u64::try_from(due).unwrap_or(0).saturating_sub(most).min(u64::from(ROWS));
    if excess == 0 {
        return Ok(0);
    }
    tracing::error!(
        events = excess,
        "too many events wait for their apps; the oldest are kept as dead letters"
    );
    let sql = "UPDATE events SET relay = 'dead', next_try = NULL, fault = coalesce(fault || '; ', '') || \
     'too many events wait for their apps' WHERE number IN \
     (SELECT number FROM events WHERE relay = 'due' ORDER BY number LIMIT ?)";
    connection.prepare_cached(sql)?.execute([i64::try_from(excess).unwrap_or(i64::MAX)])
}

#[cfg(test)]
mod tests;
