//! Whether the disk has room left.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the file system holds.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the file system, at most once a second.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    least_percent: u8,
    asked: Mutex<Option<Instant>>,
    low: AtomicBool,
}

impl Space {
    pub(super) fn new(database: &Path, least_percent: u8) -> Self {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Self { folder, least_percent, asked: Mutex::new(None), low: AtomicBool::new(false) }
    }

    /// Whether less is free than should be. Where the file system does not say, there is room.
    pub(super) fn is_low(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none_or(|at| at.elapsed() >= FRESH) {
            *asked = Some(Instant::now());
            let low = rustix::fs::statvfs(&self.folder).is_ok_and(|told| {
                let free = u128::from(told.f_bavail) * 100;
                told.f_blocks > 0
                    && free < u128::from(told.f_blocks) * u128::from(self.least_percent)
            });
            self.low.store(low, Ordering::Release);
        }
        self.low.load(Ordering::Acquire)
    }
}
