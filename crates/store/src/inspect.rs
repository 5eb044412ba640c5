//! A look at a store from outside, beside whoever has it open: nothing is made, written or locked for long.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};

use crate::database::{beside, check_schema};
use crate::{Backlog, OpenError};

/// How long a lock of somebody else's is waited for.
const BUSY: Duration = Duration::from_millis(500);

/// What was seen of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Whether a process has it open, and which one, where the system tells.
    pub in_use: Option<Option<u32>>,
    /// What has not ended; none of a database that is yet to be made its tables.
    pub backlog: Option<Backlog>,
    /// What SQLite found wrong with the file; empty where it is sound.
    pub damage: Option<String>,
    /// Whether the look at the whole file came to its end.
    pub is_whole: bool,
}

/// Looks at the database at `path`, for `most` at most; `None` where there is none yet. Blocks.
///
/// # Errors
///
/// What would keep a sidecar from opening it, but that another has it.
pub fn inspect(path: &Path, most: Duration) -> Result<Option<Inspection>, OpenError> {
    if fs::metadata(path).is_err_and(|err| err.kind() == std::io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let unreadable = |source| OpenError::File { path: path.to_owned(), source };
    // A sidecar writes to it, so being allowed to read is not enough.
    File::options().append(true).open(path).map_err(unreadable)?;
    let bad = |source| OpenError::Database { path: path.to_owned(), source };
    let connection = open(path).map_err(bad)?;
    connection.busy_timeout(BUSY).map_err(bad)?;
    check_schema(&connection, path)?;
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'messages'";
    let is_made = connection.query_row(tables, [], |row| row.get::<_, i64>(0)).map_err(bad)? > 0;
    let count = || Backlog::count(&connection, SystemTime::now().into()).map_err(bad);
    let backlog = is_made.then(count).transpose()?;
    let (damage, is_whole) = look_through(&connection, most).map_err(bad)?;
    Ok(Some(Inspection { in_use: holder(path), backlog, damage, is_whole }))
}

/// Where there is no log all is in the file, and nobody writes: then it is read as one that never changes, since another
/// way of reading would leave a log behind, of whoever looked.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if beside(path, "-wal").exists() {
        return Connection::open_with_flags(path, flags);
    }
    let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let name = format!("file:{name}?immutable=1");
    Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_URI)
}

/// The first damage, and whether all of the file was looked at.
fn look_through(
    connection: &Connection,
    most: Duration,
) -> rusqlite::Result<(Option<String>, bool)> {
    let (handle, (done, ended)) = (connection.get_interrupt_handle(), sync_channel::<()>(1));
    let clock = thread::spawn(move || {
        if ended.recv_timeout(most) == Err(RecvTimeoutError::Timeout) {
            handle.interrupt();
        }
    });
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    drop(clock.join());
    match found {
        Ok(word) if word == "ok" => Ok((None, true)),
        Ok(damage) => Ok((Some(damage), true)),
        Err(err) if err.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            Ok((None, false))
        }
        Err(err) => Err(err),
    }
}

/// Who has the lock beside the database. To ask it is to hold it for a moment, which a process that starts waits for.
fn holder(path: &Path) -> Option<Option<u32>> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let lock = File::open(beside(&real, ".lock")).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    // proc_locks(5): `1: FLOCK  ADVISORY  WRITE 712 08:01:1234 0 EOF`.
    let number = format!(":{}", lock.metadata().ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let of_line = |line: &str| {
        let mut words = line.split_whitespace().skip(4);
        let (pid, file) = (words.next()?, words.next()?);
        file.ends_with(&number).then(|| pid.parse().ok())?
    };
    Some(locks.lines().find_map(of_line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::{Place, StoreOptions};

    const MOST: Duration = Duration::from_secs(5);

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_store_is_looked_at_while_it_is_open_and_after_and_nothing_is_left_behind() {
        let folder = fixtures::folder();
        let path = folder.path().join("100% ours?.db");
        assert_eq!(inspect(&path, MOST).unwrap(), None);
        let options = StoreOptions { place: Place::File(path.clone()), ..fixtures::in_memory() };
        let store = fixtures::open(&options);
        let before = names(folder.path());
        let seen = inspect(&path, MOST).unwrap().unwrap();
        assert!(
            seen.in_use.is_some_and(|pid| pid.is_none_or(|pid| pid == std::process::id())),
            "{seen:?}"
        );
        assert_eq!((seen.damage, seen.backlog), (None, Some(Backlog::default())));
        assert_eq!(names(folder.path()), before);
        drop(store);
        let before = names(folder.path());
        let seen = inspect(&path, MOST).unwrap().unwrap();
        assert_eq!((seen.in_use, seen.damage, seen.is_whole), (None, None, true));
        assert_eq!(names(folder.path()), before);
    }
}
