//! How work is done: what waits to write goes into one transaction, what reads goes one by one.

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::Receiver;

use super::BUSY;
use super::health::Health;
use super::queue::{Fault, Work};
use crate::StoreError;

/// Most work in one transaction, so that nobody waits for a very long one.
const TOGETHER: usize = 512;

/// Why work was not done, by whom it concerns.
enum Failure {
    /// This piece of work alone.
    Own(String),
    /// Every piece of work would meet the same: the file, the disk, or somebody else's lock.
    Everybodys(String),
    /// The database is damaged somewhere, which others may not meet.
    Damaged(String),
}

/// Does what waits until nothing can come any more. Where `empty_log` is set, the write-ahead log is emptied once.
pub(super) fn write_all(
    waiting: &mut Receiver<Box<dyn Work>>,
    connection: &Connection,
    schema: Schema,
    health: &Health,
    empty_log: &AtomicBool,
) {
    let mut batch = Vec::<Box<dyn Work>>::new();
    while let Some(first) = waiting.blocking_recv() {
        batch.push(first);
        batch.extend(iter::from_fn(|| waiting.try_recv().ok()).take(TOGETHER - 1));
        match commit(connection, schema, &mut batch, health) {
            // One piece of work has spoiled it for all; each for itself then.
            Err(Failure::Own(_)) if batch.len() > 1 => {
                each_alone(connection, schema, &mut batch, health);
            }
            ended => tell(health, &mut batch, ended),
        }
        if empty_log.swap(false, Ordering::AcqRel) {
            empty(connection);
        }
    }
    // SQLite does it with the last connection, which may be another program's.
    empty(connection);
}

/// Does what waits, each for itself, until nothing can come any more.
pub(super) fn read_all(
    waiting: &mut Receiver<Box<dyn Work>>,
    connection: &Connection,
    schema: Schema,
    health: &Health,
) {
    while let Some(mut work) = waiting.blocking_recv() {
        let done = run(work.as_mut(), connection).map_err(|fault| schema.blame(fault, connection));
        tell(health, &mut vec![work], done);
    }
}

fn each_alone(
    connection: &Connection,
    schema: Schema,
    batch: &mut Vec<Box<dyn Work>>,
    health: &Health,
) {
    while !batch.is_empty() {
        let rest = batch.split_off(1);
        let ended = commit(connection, schema, batch, health);
        let hopeless = matches!(ended, Err(Failure::Everybodys(_) | Failure::Damaged(_)));
        if hopeless {
            batch.extend(rest);
            return tell(health, batch, ended);
        }
        tell(health, batch, ended);
        *batch = rest;
    }
}

/// Tells everybody of a transaction how it ended.
fn tell(health: &Health, batch: &mut Vec<Box<dyn Work>>, ended: Result<(), Failure>) {
    let why = match ended {
        Ok(()) => {
            health.is_well();
            None
        }
        Err(Failure::Own(reason)) => Some(reason),
        Err(Failure::Everybodys(reason)) => {
            health.is_sick(&reason);
            Some(reason)
        }
        Err(Failure::Damaged(reason)) => {
            health.is_damaged(&reason);
            Some(reason)
        }
    };
    batch.drain(..).for_each(|work| work.end(why.clone().map(StoreError::Unavailable)));
}

/// Does all of `batch` in one transaction, or nothing. Where the last one could not be written this one is, even where
/// its work changes nothing: else that would pass for a disk that can be written again.
fn commit(
    connection: &Connection,
    schema: Schema,
    batch: &mut [Box<dyn Work>],
    health: &Health,
) -> Result<(), Failure> {
    // For metrics alone: a trace of each commit would be of no use to anybody.
    let _span = tracing::debug_span!("store.commit", store.writes = batch.len());
    execute(connection, "BEGIN IMMEDIATE").map_err(Failure::from)?;
    let proved = if health.is_sick_now() { write_nothing(connection) } else { Ok(()) };
    let done = proved
        .map_err(Fault::Database)
        .and_then(|()| batch.iter_mut().try_for_each(|work| run(work.as_mut(), connection)));
    crate::fail::point("store.commit");
    let committed = done.is_ok();
    let ended = done.and_then(|()| execute(connection, "COMMIT").map_err(Fault::Database));
    if ended.is_err() {
        roll_back(connection);
        if committed {
            withdraw(connection);
        }
    }
    crate::fail::point("store.committed");
    ended.map_err(|fault| schema.blame(fault, connection))
}

/// As every transaction does, so that it is parsed once.
fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Writes over a commit that failed. Where the disk only did not say that it has it, it is in the log whole, and the next
/// process would find there what everybody was told is not.
fn withdraw(connection: &Connection) {
    let written = connection
        .execute_batch("BEGIN IMMEDIATE")
        .and_then(|()| write_nothing(connection))
        .and_then(|()| connection.execute_batch("COMMIT"));
    // Nothing is lost by that: it has nothing in it.
    if written.is_err() {
        roll_back(connection);
    }
}

/// Some errors have rolled back by themselves.
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
}

/// Writes the first page as it is.
fn write_nothing(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)
}

/// Does one piece of work. Its panic is its own affair, not that of all who come after it.
fn run(work: &mut dyn Work, connection: &Connection) -> Result<(), Fault> {
    match catch_unwind(AssertUnwindSafe(|| work.run(connection))) {
        Ok(Err(Fault::Refused(_))) => Ok(()),
        Ok(done) => done,
        Err(_) => Err(Fault::Panicked),
    }
}

/// Takes out of the log what has been deleted from the database. Where somebody reads just now, the next time will do.
fn empty(connection: &Connection) {
    let truncated = connection
        .busy_timeout(Duration::ZERO)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    // Whatever became of it: the commits after it wait for somebody else's lock again.
    let waits_again = connection.busy_timeout(BUSY);
    if let Err(err) = truncated.and(waits_again) {
        tracing::warn!(error = %err, "the store's log could not be emptied");
    }
}

/// Which tables there were, in a number that SQLite counts up with each change of them. Read where a connection is
/// opened: once a thread has begun with it, somebody may have changed them already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Schema(Option<i64>);

impl Schema {
    pub(super) fn of(connection: &Connection) -> Self {
        Self(connection.pragma_query_value(None, "schema_version", |row| row.get(0)).ok())
    }

    fn blame(self, fault: Fault, connection: &Connection) -> Failure {
        match fault {
            // The statements are always the same: what misses a table now, all that comes will miss.
            Fault::Database(err)
                if err.sqlite_error_code() == Some(ErrorCode::Unknown)
                    && Self::of(connection) != self =>
            {
                Failure::Everybodys(plain(&err))
            }
            Fault::Database(err) => err.into(),
            Fault::Refused(why) => Failure::Own(why.to_string()),
            Fault::Panicked => Failure::Own("a fault in sendgate itself; its log has more".into()),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(err: rusqlite::Error) -> Self {
        use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch, Unknown};

        if is_damage(&err) {
            return Self::Damaged(plain(&err));
        }
        let own = match err.sqlite_error_code() {
            Some(code) => matches!(code, ConstraintViolation | TypeMismatch | TooBig | Unknown),
            None => true,
        };
        if own { Self::Own(plain(&err)) } else { Self::Everybodys(plain(&err)) }
    }
}

/// Whether the database is not what SQLite has written.
pub(super) fn is_damage(err: &rusqlite::Error) -> bool {
    matches!(err.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// SQLite's own sentence, without the statement.
pub(super) fn plain(err: &rusqlite::Error) -> String {
    match err {
        rusqlite::Error::SqliteFailure(code, text) => {
            text.clone().unwrap_or_else(|| code.to_string())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_log_cannot_be_emptied_commits_wait_for_a_lock_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("store")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        let waits = || {
            let waits: u32 =
                connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
            Duration::from_millis(waits.into())
        };
        // Inside a transaction of its own, SQLite refuses a checkpoint.
        connection.execute_batch("BEGIN; CREATE TABLE numbers (number INTEGER)").unwrap();
        let refused =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseLocked), "{refused}");
        empty(&connection);
        assert_eq!(waits(), BUSY);

        connection.execute_batch("COMMIT").unwrap();
        empty(&connection);
        assert_eq!(waits(), BUSY);
    }
}
