//! The database: one connection that writes, and two that read beside it, so that nobody's long list holds a send up.

mod disk;
mod health;
mod lock;
mod migrations;
mod queue;
mod turns;
mod whole;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::disk::Disk;
use self::health::Health;
use self::lock::Lock;
use self::queue::Queue;
use self::turns::Schema;
use self::whole::{Check, Damage};
use crate::{Durability, MinFree, OpenError, Place, StoreError};

pub(crate) use self::migrations::check as check_schema;
pub use self::queue::Commit;
pub(crate) use self::queue::Fault;

/// How long a write waits for somebody else's lock, such as a person's `sqlite3`.
const BUSY: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 2_000 });
/// What SQLite keeps a database in memory in; how much it may have at most is told where SQLite is compiled
/// (`.cargo/config.toml`). With `:memory:` the cache of pages is the database, and each commit that balanced a tree looks
/// through all of it.
const IN_MEMORY: &str = "memdb";
/// Most bytes of the write-ahead log that are kept after a checkpoint.
const JOURNAL_BYTES: i64 = 64 << 20;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 96;

/// The database. Clones share it.
#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

/// Dropped from the first to the last: the writer closes after those who read, and takes the log with it.
struct Inner {
    damage: Arc<Damage>,
    /// None in memory.
    _check: Option<Check>,
    /// None in memory, where only the writer can see the database.
    readers: Option<Readers>,
    writes: Queue,
    written: Arc<Health>,
    /// That the log is to be emptied after the next commit.
    empty_log: Arc<AtomicBool>,
    /// None in memory. It has the lock, which is held for as long as the database is open.
    disk: Option<Disk>,
}

struct Readers {
    /// One row, or a few by an index.
    rows: Queue,
    /// Whatever may look at many rows.
    lists: Queue,
    read: Arc<Health>,
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
        min_free: MinFree,
        first: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<(Self, R), OpenError> {
        let Place::File(path) = place else {
            let bad = |source| OpenError::Database { path: ":memory:".into(), source };
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut memory =
                Connection::open_with_flags_and_vfs("sendgate", flags, IN_MEMORY).map_err(bad)?;
            prepare(&memory).map_err(bad)?;
            memory.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(bad)?;
            migrations::apply(&mut memory, Path::new(":memory:"))?;
            let read = first(&memory).map_err(bad)?;
            return Ok((Self::start(memory, None, None, None, Arc::default()), read));
        };
        let lock = Lock::of(path)?;
        let bad = |source| OpenError::Database { path: path.clone(), source };
        let mut writer = Connection::open(path).map_err(bad)?;
        if writer.is_readonly("main").map_err(bad)? {
            // SQLite opens it all the same, and what is mended later would never be seen.
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            return Err(bad(rusqlite::Error::SqliteFailure(code, None)));
        }
        prepare(&writer).map_err(bad)?;
        migrations::check(&writer, path)?;
        only_ours(path);
        // FULL waits for the disk at each commit; NORMAL leaves the log's pages to the system until a checkpoint.
        let synchronous = if durability == Durability::Power { "FULL" } else { "NORMAL" };
        writer.pragma_update(None, "journal_mode", "WAL").map_err(bad)?;
        writer.pragma_update(None, "synchronous", synchronous).map_err(bad)?;
        writer.pragma_update(None, "journal_size_limit", JOURNAL_BYTES).map_err(bad)?;
        migrations::apply(&mut writer, path)?;
        let reader = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reader = Connection::open_with_flags(path, flags).map_err(bad)?;
            prepare(&reader).map_err(bad)?;
            Ok(reader)
        };
        let damage = Arc::<Damage>::default();
        let readers = Readers::start(reader()?, reader()?, &damage);
        let read = first(&writer).map_err(bad)?;
        let disk = Disk::new(path, lock, min_free);
        let check = Check::start(path, Arc::clone(&damage));
        Ok((Self::start(writer, Some(readers), Some(disk), Some(check), damage), read))
    }

    fn start(
        writer: Connection,
        readers: Option<Readers>,
        disk: Option<Disk>,
        check: Option<Check>,
        damage: Arc<Damage>,
    ) -> Self {
        let written = Arc::new(Health::new("written", Arc::clone(&damage)));
        let empty_log = Arc::new(AtomicBool::new(false));
        let (health, empty) = (Arc::clone(&written), Arc::clone(&empty_log));
        let schema = Schema::of(&writer);
        let writes = Queue::start("store-write", move |waiting| {
            turns::write_all(waiting, &writer, schema, &health, &empty);
        });
        let _check = check;
        Self(Arc::new(Inner { damage, _check, readers, writes, written, empty_log, disk }))
    }

    /// Puts `work` into the next transaction. It may be run again, alone, where another's work spoils the transaction
    /// it was in; so it must look before it writes, and a [`Fault::Refused`] must come before its first change.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Commit<T> {
        self.0.writes.put(work)
    }

    /// The same; `then` is told whether it was committed, before whoever waits, and before the next is done.
    pub(crate) fn write_then<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(bool) + Send + 'static,
    ) -> Commit<T> {
        self.0.writes.put_then(work, then)
    }

    /// Reads what is committed: one row, or a few by an index. A send may wait for it.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.0.readers.as_ref().map_or(&self.0.writes, |readers| &readers.rows);
        queue.put(work).await
    }

    /// Reads what is committed, where that may be a look at many rows.
    pub(crate) async fn list<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.0.readers.as_ref().map_or(&self.0.writes, |readers| &readers.lists);
        queue.put(work).await
    }

    /// Whether reads do not wait for the writes before them.
    pub(crate) fn reads_apart(&self) -> bool {
        self.0.readers.is_some()
    }

    /// Has the write-ahead log emptied after the next commit, with all that it still has of what was deleted.
    pub(crate) fn empty_log(&self) {
        self.0.empty_log.store(true, Ordering::Release);
    }

    /// Why nothing new can be accepted, if so.
    pub(crate) fn trouble(&self) -> Option<StoreError> {
        let read = self.0.readers.as_ref().and_then(|readers| readers.read.trouble());
        match self.0.written.trouble().or(read) {
            Some(reason) => Some(StoreError::Unavailable(reason)),
            None => self.refusal(),
        }
    }

    /// Why nothing new should be written before it is tried, if so: the database is damaged somewhere, or as
    /// [`Database::disk_trouble`] has it.
    pub(crate) fn refusal(&self) -> Option<StoreError> {
        self.0.damage.reason().map(StoreError::Unavailable).or_else(|| self.disk_trouble())
    }

    /// Why nothing new should be written, as the file system has it: a file is not where it was or is no database any
    /// more, or the disk has too little free.
    fn disk_trouble(&self) -> Option<StoreError> {
        let trouble = self.0.disk.as_ref().and_then(Disk::trouble);
        if let Some(StoreError::LogMoved(_)) = trouble {
            // What it has would be lost with it at a kill. A commit, of nothing, comes before it is emptied.
            self.empty_log();
            drop(self.write(|_| Ok(())));
        }
        trouble
    }
}

impl Readers {
    fn start(rows: Connection, lists: Connection, damage: &Arc<Damage>) -> Self {
        let read = Arc::new(Health::new("read", Arc::clone(damage)));
        let start = |name: &str, reader: Connection| {
            let (schema, health) = (Schema::of(&reader), Arc::clone(&read));
            Queue::start(name, move |waiting| turns::read_all(waiting, &reader, schema, &health))
        };
        Self { rows: start("store-read", rows), lists: start("store-list", lists), read }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("trouble", &self.0.written.trouble())
            .finish_non_exhaustive()
    }
}

/// `path` with `suffix` added to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
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
    // Else each binding of another value has a statement planned anew (SQLITE_ENABLE_STAT4), a third of what the store
    // costs; statistics to plan by are never gathered.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A number or text that is no longer kept is overwritten, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)
}

#[cfg(test)]
mod tests;
