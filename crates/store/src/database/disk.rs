//! Whether the file system has the database still, and room for more.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;

/// How long an answer about free space holds.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the file system.
#[derive(Debug)]
pub(super) struct Disk {
    database: PathBuf,
    /// Device and number of the file that was opened; none where the file system did not say.
    file: Option<(u64, u64)>,
    least_percent: u8,
    low: Mutex<Option<(Instant, bool)>>,
}

impl Disk {
    /// Of the file that is open now. `least_percent` of its disk is to be free.
    pub(super) fn new(database: &Path, least_percent: u8) -> Self {
        let (database, low) = (database.to_owned(), Mutex::new(None));
        let file = identity(&database).ok();
        Self { database, file, least_percent, low }
    }

    /// Why nothing new should be written, if so. Where the file system does not say, all is well.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        // Each time: what is accepted into a file that was taken away may never be found again.
        let is_moved = self.file.is_some_and(|opened| match identity(&self.database) {
            Ok(now) => now != opened,
            Err(err) => err.kind() == io::ErrorKind::NotFound,
        });
        if is_moved {
            return Some(StoreError::Moved(self.database.clone()));
        }
        let mut low = self.low.lock().unwrap_or_else(PoisonError::into_inner);
        let is_low = match *low {
            Some((asked, is_low)) if asked.elapsed() < FRESH => is_low,
            _ => low.insert((Instant::now(), self.is_low())).1,
        };
        is_low.then_some(StoreError::LowSpace)
    }

    fn is_low(&self) -> bool {
        let folder = self.database.parent().filter(|folder| !folder.as_os_str().is_empty());
        rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).is_ok_and(|told| {
            let free = u128::from(told.f_bavail) * 100;
            told.f_blocks > 0 && free < u128::from(told.f_blocks) * u128::from(self.least_percent)
        })
    }
}

fn identity(file: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(file).map(|found| (found.dev(), found.ino()))
}
