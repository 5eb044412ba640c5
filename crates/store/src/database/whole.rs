//! Whether the database holds together. Of a damaged one some parts can be read and written still, and others are lost:
//! once damage was found, nothing new is accepted until a check of the whole finds none.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags};

/// Between two checks of a database in which damage was found.
const AGAIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Between two tries to break a check off.
const NUDGE: Duration = Duration::from_millis(5);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Damage {
    is_there: AtomicBool,
    reason: Mutex<String>,
}

/// Checks the whole database after the start, and again where damage was found, on a thread that ends with this.
pub(super) struct Check {
    /// None only while it is dropped.
    goes_on: Option<Sender<()>>,
    running: Arc<Mutex<Option<InterruptHandle>>>,
    thread: Option<JoinHandle<()>>,
}

impl Damage {
    pub(super) fn is_found(&self, reason: &str) {
        let mut known = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_there.swap(true, Ordering::AcqRel) {
            tracing::error!(reason, "the store is damaged; nothing new is accepted");
        }
        reason.clone_into(&mut known);
    }

    fn is_over(&self) {
        if self.is_there.swap(false, Ordering::AcqRel) {
            tracing::info!("the store is whole again");
        }
    }

    /// Why nothing new may be written, if so.
    pub(super) fn reason(&self) -> Option<String> {
        let is_there = self.is_there.load(Ordering::Acquire);
        is_there.then(|| self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Check {
    pub(super) fn start(path: &Path, damage: Arc<Damage>) -> Self {
        let (goes_on, ends) = mpsc::channel();
        let running = Arc::new(Mutex::new(None));
        let (path, shared) = (path.to_owned(), Arc::clone(&running));
        let thread = thread::Builder::new()
            .name("store-check".to_owned())
            .spawn(move || watch(&path, &damage, &shared, &ends))
            .expect("a process that cannot start a few threads cannot serve");
        Self { goes_on: Some(goes_on), running, thread: Some(thread) }
    }
}

impl Drop for Check {
    /// The connection closes before the writer's, which takes the log with it.
    fn drop(&mut self) {
        drop(self.goes_on.take());
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() {
            if let Some(running) = &*self.running.lock().unwrap_or_else(PoisonError::into_inner) {
                running.interrupt();
            }
            thread::sleep(NUDGE);
        }
    }
}

fn watch(
    path: &Path,
    damage: &Damage,
    running: &Mutex<Option<InterruptHandle>>,
    ends: &Receiver<()>,
) {
    let mut is_due = true;
    loop {
        if is_due {
            match check(path, running) {
                Ok(None) => damage.is_over(),
                Ok(Some(reason)) => damage.is_found(&reason),
                // Locked, or broken off: nothing is known by that.
                Err(_) => {}
            }
        }
        match ends.recv_timeout(AGAIN) {
            Err(RecvTimeoutError::Timeout) => is_due = damage.reason().is_some(),
            _ => return,
        }
    }
}

/// The first thing that is wrong with the database, if any.
fn check(
    path: &Path,
    running: &Mutex<Option<InterruptHandle>>,
) -> rusqlite::Result<Option<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let set = |handle| *running.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    set(Some(connection.get_interrupt_handle()));
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    set(None);
    match found {
        Ok(word) if word == "ok" => Ok(None),
        Ok(what) => {
            let what = what.replace(['\n', '\r'], " ");
            Ok(Some(format!("the database is damaged: {}", what.trim())))
        }
        Err(err) if super::turns::is_damage(&err) => Ok(Some(super::turns::plain(&err))),
        Err(err) => Err(err),
    }
}
