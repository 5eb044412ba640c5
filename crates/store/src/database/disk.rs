//! Whether the file system has the database still, and room for more.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::beside;
use super::lock::Lock;
use crate::{MinFree, StoreError};

/// How every database of SQLite begins.
const FIRST: &[u8; 16] = b"SQLite format 3\0";
/// How long an answer about free space holds.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the file system.
#[derive(Debug)]
pub(super) struct Disk {
    database: PathBuf,
    lock: Lock,
    /// Device and number of the file that was opened; none where the file system did not say.
    file: Option<(u64, u64)>,
    /// The log beside it, which SQLite keeps for as long as it has the database open, and the same of it.
    log: PathBuf,
    log_file: Option<(u64, u64)>,
    min_free: MinFree,
    low: Mutex<Option<(Instant, bool)>>,
}

impl Disk {
    /// Of the file that is open now. `min_free` of its disk is to be free.
    pub(super) fn new(database: &Path, lock: Lock, min_free: MinFree) -> Self {
        let (database, low) = (database.to_owned(), Mutex::new(None));
        let file = lock.database().metadata().ok().map(identity);
        let log = beside(&fs::canonicalize(&database).unwrap_or_else(|_| database.clone()), "-wal");
        let log_file = fs::metadata(&log).ok().map(identity);
        Self { database, lock, file, log, log_file, min_free, low }
    }

    /// Why nothing new should be written, if so. Where the file system does not say, all is well.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        // Each time: what is accepted into a file that was taken away may never be found again.
        if is_moved(&self.database, self.file) {
            return Some(StoreError::Moved(self.database.clone()));
        }
        // Before the log: a connection that is opened at an empty file, as the check's may be, takes it away.
        if !self.is_database() {
            return Some(StoreError::Overwritten(self.database.clone()));
        }
        if is_moved(&self.log, self.log_file) {
            return Some(StoreError::LogMoved(self.log.clone()));
        }
        let mut low = self.low.lock().unwrap_or_else(PoisonError::into_inner);
        let is_low = match *low {
            Some((asked, is_low)) if asked.elapsed() < FRESH => is_low,
            _ => low.insert((Instant::now(), self.is_low())).1,
        };
        is_low.then_some(StoreError::LowSpace)
    }

    /// SQLite itself has most pages in memory, and finds out with one that it has not.
    fn is_database(&self) -> bool {
        let mut first = [0; FIRST.len()];
        match self.lock.database().read_exact_at(&mut first, 0) {
            Ok(()) => first == *FIRST,
            Err(err) => err.kind() != io::ErrorKind::UnexpectedEof,
        }
    }

    fn is_low(&self) -> bool {
        let folder = self.database.parent().filter(|folder| !folder.as_os_str().is_empty());
        rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).is_ok_and(|told| {
            let bytes = |blocks: u64| u128::from(blocks) * u128::from(told.f_frsize);
            bytes(told.f_bavail) < self.min_free.of(bytes(told.f_blocks))
        })
    }
}

fn is_moved(file: &Path, opened: Option<(u64, u64)>) -> bool {
    opened.is_some_and(|opened| match fs::metadata(file) {
        Ok(found) => identity(found) != opened,
        Err(err) => err.kind() == io::ErrorKind::NotFound,
    })
}

fn identity(file: Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
