//! Whether the file system has the database still, and room for more.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;

/// How long an answer of the file system holds.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the file system, at most once a second.
#[derive(Debug)]
pub(super) struct Disk {
    database: PathBuf,
    /// Device and number of the file that was opened; none where the file system did not say.
    file: Option<(u64, u64)>,
    least_percent: u8,
    found: Mutex<Option<(Instant, Option<StoreError>)>>,
}

impl Disk {
    /// Of the file that is open now. `least_percent` of its disk is to be free.
    pub(super) fn new(database: &Path, least_percent: u8) -> Self {
        let (database, found) = (database.to_owned(), Mutex::new(None));
        let file = identity(&database).ok();
        Self { database, file, least_percent, found }
    }

    /// Why nothing further should be written, if so.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match &*found {
            Some((asked, trouble)) if asked.elapsed() < FRESH => trouble.clone(),
            _ => {
                let trouble = self.look();
                *found = Some((Instant::now(), trouble.clone()));
                trouble
            }
        }
    }

    /// Where the file system does not say, all is well.
    fn look(&self) -> Option<StoreError> {
        let gone = |err: &std::io::Error| err.kind() == std::io::ErrorKind::NotFound;
        let is_moved = self.file.is_some_and(|opened| match identity(&self.database) {
            Ok(now) => now != opened,
            Err(err) => gone(&err),
        });
        if is_moved {
            return Some(StoreError::Moved(self.database.clone()));
        }
        let folder = self.database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let is_low = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).is_ok_and(|told| {
            let free = u128::from(told.f_bavail) * 100;
            told.f_blocks > 0 && free < u128::from(told.f_blocks) * u128::from(self.least_percent)
        });
        is_low.then_some(StoreError::LowSpace)
    }
}

fn identity(file: &Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(file).map(|found| (found.dev(), found.ino()))
}
