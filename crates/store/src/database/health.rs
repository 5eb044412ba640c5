//! Whether a connection can be used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How one connection fares, as of its last work.
#[derive(Debug)]
pub(super) struct Health {
    what: &'static str,
    sick: AtomicBool,
    reason: Mutex<String>,
}

impl Health {
    /// `what` the connection does, in a word for logs: `written` or `read`.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, sick: AtomicBool::new(false), reason: Mutex::default() }
    }

    pub(super) fn is_well(&self) {
        if self.sick.swap(false, Ordering::AcqRel) {
            tracing::info!("the store can be {} again", self.what);
        }
    }

    pub(super) fn is_sick(&self, reason: &str) {
        reason.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.sick.swap(true, Ordering::AcqRel) {
            tracing::error!(reason, "the store cannot be {}; nothing new is accepted", self.what);
        }
    }

    /// Why it cannot be used, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        let sick = self.sick.load(Ordering::Acquire);
        sick.then(|| self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
