//! The database: one connection that writes, and one that reads beside it.

mod migrations;
mod queue;
mod space;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use self::queue::Queue;
use self::space::Space;
use crate::{Durability, OpenError, Place, StoreError};

pub use self::queue::Commit;
pub(crate) use self::queue::Fault;

/// How long a write waits for somebody else's lock, such as a person's `sqlite3`.
const BUSY: Duration = Duration::from_secs(2);
/// Most bytes of the write-ahead log that are kept after a checkpoint.
const JOURNAL_BYTES: i64 = 64 << 20;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 96;

/// The database. Clones share it.
#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    writes: Queue,
    /// None in memory, where only the writer can see the database.
    reads: Option<Queue>,
    health: Arc<Health>,
    space: Option<Space>,
    /// Held for as long as the database is open.
    _lock: Option<File>,
}

/// How the database fares.
#[derive(Debug, Default)]
pub(crate) struct Health {
    sick: AtomicBool,
    reason: Mutex<String>,
}

impl Database {
    /// Opens or makes the database, brings its schema up to date, and reads what `first` wants before anybody else does
    /// anything.
    ///
    /// # Errors
    ///
    /// [`OpenError`], before anything is changed.
    pub(crate) fn open<R>(
        place: &Place,
        durability: Durability,
        min_free_percent: u8,
        first: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<(Self, R), OpenError> {
        let health = Arc::new(Health::default());
        let Place::File(path) = place else {
            let bad = |source| OpenError::Database { path: ":memory:".into(), source };
            let mut memory = Connection::open_in_memory().map_err(bad)?;
            prepare(&memory).map_err(bad)?;
            migrations::apply(&mut memory, Path::new(":memory:"))?;
            let read = first(&memory).map_err(bad)?;
            let writes = Queue::start("store", memory, true, &health);
            let inner = Inner { writes, reads: None, health, space: None, _lock: None };
            return Ok((Self(Arc::new(inner)), read));
        };
        let lock = lock(path)?;
        let bad = |source| OpenError::Database { path: path.clone(), source };
        let mut writer = Connection::open(path).map_err(bad)?;
        for own in [path.clone(), beside(path, "-wal"), beside(path, "-shm")] {
            only_ours(&own);
        }
        prepare(&writer).map_err(bad)?;
        // FULL waits for the disk at each commit; NORMAL leaves the log's pages to the system until a checkpoint.
        let synchronous = if durability == Durability::Power { "FULL" } else { "NORMAL" };
        writer.pragma_update(None, "journal_mode", "WAL").map_err(bad)?;
        writer.pragma_update(None, "synchronous", synchronous).map_err(bad)?;
        writer.pragma_update(None, "journal_size_limit", JOURNAL_BYTES).map_err(bad)?;
        migrations::apply(&mut writer, path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(path, flags).map_err(bad)?;
        prepare(&reader).map_err(bad)?;
        let read = first(&writer).map_err(bad)?;
        let inner = Inner {
            writes: Queue::start("store-write", writer, true, &health),
            reads: Some(Queue::start("store-read", reader, false, &health)),
            health,
            space: (min_free_percent > 0).then(|| Space::new(path, min_free_percent)),
            _lock: Some(lock),
        };
        Ok((Self(Arc::new(inner)), read))
    }

    /// Puts `work` into the next transaction. It may be run again, alone, where another's work spoils the transaction it
    /// was in; so it must look before it writes, and a [`Fault::Refused`] must come before its first change.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Commit<T> {
        self.0.writes.put(work)
    }

    /// Reads what is committed.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.reads.as_ref().unwrap_or(&self.0.writes).put(work).await
    }

    /// Why nothing new can be accepted, if so.
    pub(crate) fn trouble(&self) -> Option<StoreError> {
        if self.0.health.sick.load(Ordering::Acquire) {
            let reason = self.0.health.reason.lock().unwrap_or_else(PoisonError::into_inner);
            return Some(StoreError::Unavailable(reason.clone()));
        }
        self.0.space.as_ref().filter(|space| space.is_low()).map(|_| StoreError::LowSpace)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("health", &self.0.health).finish_non_exhaustive()
    }
}

impl Health {
    fn is_well(&self) {
        if self.sick.swap(false, Ordering::AcqRel) {
            tracing::info!("the store can be written again");
        }
    }

    fn is_sick(&self, reason: &str) {
        reason.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.sick.swap(true, Ordering::AcqRel) {
            tracing::error!(reason, "the store cannot be written; nothing new is accepted");
        }
    }
}

/// `path` with `suffix` added to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Two processes on one database would each send what is left in it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let name = beside(path, ".lock");
    let bad = |source| OpenError::File { path: name.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(bad)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(bad(source)),
    }
}

/// Messages are nobody else's business. A file system without permissions is the operator's choice.
fn only_ours(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    if let Err(err) = fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        && err.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), error = %err, "others may be able to read the store");
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")
}
