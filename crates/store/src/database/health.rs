//! Whether a connection can be used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::whole::Damage;

/// How long nothing may fail before the log says that all is well again: of a damaged file some parts can be read.
const WELL: Duration = Duration::from_secs(10);

/// How one connection fares, as of its last work.
#[derive(Debug)]
pub(super) struct Health {
    what: &'static str,
    sick: AtomicBool,
    /// The log has said that it is, and not yet that it is over.
    told: AtomicBool,
    latest: Mutex<Option<Latest>>,
    /// Of the database, whichever connection meets it.
    damage: Arc<Damage>,
}

/// What went wrong last.
#[derive(Debug)]
struct Latest {
    reason: String,
    at: Instant,
}

impl Health {
    /// `what` the connection does, in a word for logs: `written` or `read`.
    pub(super) fn new(what: &'static str, damage: Arc<Damage>) -> Self {
        let (sick, told) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { what, sick, told, latest: Mutex::default(), damage }
    }

    pub(super) fn is_well(&self) {
        self.sick.store(false, Ordering::Release);
        if self.told.load(Ordering::Acquire) && self.latest(|latest| latest.at.elapsed() >= WELL) {
            self.told.store(false, Ordering::Release);
            tracing::info!("the store can be {} again", self.what);
        }
    }

    pub(super) fn is_sick(&self, reason: &str) {
        let latest = Latest { reason: reason.to_owned(), at: Instant::now() };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(latest);
        self.sick.store(true, Ordering::Release);
        if !self.told.swap(true, Ordering::AcqRel) {
            tracing::error!(reason, "the store cannot be {}; nothing new is accepted", self.what);
        }
    }

    /// The database is damaged: this connection may be well again with its next work, and the database is not.
    pub(super) fn is_damaged(&self, reason: &str) {
        self.is_sick(reason);
        self.damage.is_found(reason);
    }

    /// Whether its last work failed.
    pub(super) fn is_sick_now(&self) -> bool {
        self.sick.load(Ordering::Acquire)
    }

    /// Why it cannot be used, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.is_sick_now().then(|| self.latest(|latest| latest.reason.clone()))
    }

    /// What `of` makes of it, where something went wrong at all.
    fn latest<T: Default>(&self, of: impl FnOnce(&Latest) -> T) -> T {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().map(of).unwrap_or_default()
    }
}
