//! One process a database: two would each send what is left in it.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::fstatfs;

use super::beside;
use crate::OpenError;

/// How long a start waits for a process that is just ending: one that was killed lets go of its lock a moment later.
const LEAVING: Duration = Duration::from_millis(if cfg!(test) { 1_000 } else { 2_000 });
/// Between two looks at that lock.
const LOOK: Duration = Duration::from_millis(20);
/// NFS, CIFS and SMB, by what statfs(2) calls them: they make flock(2) of locks that SQLite's own would wait for.
const ONE_KIND_OF_LOCK: [u32; 3] = [0x6969, 0xff53_4d42, 0xfe53_4d42];

/// Keeps others away, by whatever links they come.
#[derive(Debug)]
pub(super) struct Lock {
    /// The file that a look from outside asks, and that stays where the database is moved away.
    _beside: File,
    /// The database itself, which cannot be deleted and still be found. To close it is to let go of SQLite's own locks
    /// on it, in the whole process: so it is opened before and closed after them.
    database: File,
}

impl Lock {
    /// The database's file.
    pub(super) fn database(&self) -> &File {
        &self.database
    }

    /// Takes the lock on the database at `path`, and makes its file where there is none.
    pub(super) fn of(path: &Path) -> Result<Self, OpenError> {
        let bad = |source| OpenError::File { path: path.to_owned(), source };
        let mut open = File::options();
        open.create(true).truncate(false).read(true).write(true);
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) && !path.exists() {
            open.open(path).map_err(bad)?;
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = beside(&real, ".lock");
        let bad_lock = |source| OpenError::File { path: name.clone(), source };
        let patience = Instant::now() + LEAVING;
        let beside = open.open(&name).map_err(bad_lock)?;
        take(&beside, path, &name, patience)?;
        let database = open.open(path).map_err(bad)?;
        let kind = fstatfs(&database).ok().and_then(|told| u32::try_from(told.f_type).ok());
        if !kind.is_some_and(|kind| ONE_KIND_OF_LOCK.contains(&kind)) {
            take(&database, path, path, patience)?;
        }
        Ok(Self { _beside: beside, database })
    }
}

fn take(file: &File, database: &Path, name: &Path, patience: Instant) -> Result<(), OpenError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < patience => thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(database.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(OpenError::File { path: name.to_owned(), source });
            }
        }
    }
}
