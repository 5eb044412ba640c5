//! Work for one connection, in the order it came; what is there together is committed together.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Health;
use crate::StoreError;

/// Most work that waits. More is refused at once: the disk is not keeping up.
const WAITING: usize = 65_536;
/// Most work in one transaction, so that nobody waits for a very long one.
const TOGETHER: usize = 512;

/// A connection with a thread of its own, which ends with the last handle on it.
pub(super) struct Queue(SyncSender<Box<dyn Work>>);

/// Ready when the work is done and on disk. The work is done whether or not anybody waits.
#[derive(Debug)]
#[must_use = "what is not awaited may fail unseen; drop it by name where that is meant"]
pub struct Commit<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
    Refused(StoreError),
}

/// Why work was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The work itself says no, before its first change.
    Refused(StoreError),
    /// The database does.
    Database(rusqlite::Error),
}

trait Work: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;
    /// Tells whoever waits: what the work said, or why it was not committed.
    fn end(self: Box<Self>, uncommitted: Option<StoreError>);
}

struct Task<T, F> {
    work: F,
    said: Option<Result<T, StoreError>>,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl Queue {
    pub(super) fn start(
        name: &str,
        connection: Connection,
        writes: bool,
        health: &Arc<Health>,
    ) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let health = Arc::clone(health);
        let run = move || {
            if writes {
                write_all(&receiver, &connection, &health)
            } else {
                read_all(&receiver, &connection)
            }
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .expect("a process that cannot start two threads cannot serve");
        Self(sender)
    }

    pub(super) fn put<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Commit<T> {
        let (tell, told) = oneshot::channel();
        let task = Box::new(Task { work, said: None, tell });
        match self.0.try_send(task) {
            Ok(()) => Commit(State::Waiting(told)),
            Err(TrySendError::Full(_)) => {
                Commit::refused(StoreError::Unavailable("too much waits to be written".into()))
            }
            Err(TrySendError::Disconnected(_)) => Commit::refused(ended()),
        }
    }
}

impl<T> Commit<T> {
    pub(crate) fn refused(why: StoreError) -> Self {
        Self(State::Refused(why))
    }
}

impl<T> Future for Commit<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Waiting(told) => {
                Pin::new(told).poll(cx).map(|told| told.unwrap_or_else(|_| Err(ended())))
            }
            State::Refused(why) => Poll::Ready(Err(why.clone())),
        }
    }
}

impl<T> Unpin for Commit<T> {}

impl<T: Send, F: FnMut(&Connection) -> Result<T, Fault> + Send> Work for Task<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        self.said = match (self.work)(connection) {
            Ok(value) => Some(Ok(value)),
            Err(Fault::Refused(why)) => Some(Err(why)),
            Err(fault) => return Err(fault),
        };
        Ok(())
    }

    fn end(self: Box<Self>, uncommitted: Option<StoreError>) {
        let said = match uncommitted {
            Some(why) => Err(why),
            None => self.said.unwrap_or_else(|| Err(ended())),
        };
        // Nobody may be waiting.
        drop(self.tell.send(said));
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(err: rusqlite::Error) -> Self {
        Self::Database(err)
    }
}

impl From<StoreError> for Fault {
    fn from(why: StoreError) -> Self {
        Self::Refused(why)
    }
}

fn write_all(waiting: &Receiver<Box<dyn Work>>, connection: &Connection, health: &Health) {
    let mut batch: Vec<Box<dyn Work>> = Vec::new();
    while let Ok(first) = waiting.recv() {
        batch.push(first);
        batch.extend(waiting.try_iter().take(TOGETHER - 1));
        let failed = commit(connection, &mut batch).err();
        match failed {
            None => {
                health.is_well();
                batch.drain(..).for_each(|work| work.end(None));
            }
            Some(err) if is_the_disks(&err) => {
                let reason = plain(&err);
                health.is_sick(&reason);
                batch
                    .drain(..)
                    .for_each(|work| work.end(Some(StoreError::Unavailable(reason.clone()))));
            }
            // One piece of work has spoiled it for all; each for itself then.
            Some(_) => {
                for mut work in batch.drain(..) {
                    let alone = commit(connection, std::slice::from_mut(&mut work));
                    work.end(alone.err().map(|err| StoreError::Unavailable(plain(&err))));
                }
            }
        }
    }
}

/// Whether every other piece of work would meet the same: the file, the disk, or somebody else's lock.
fn is_the_disks(err: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;

    let code = err.sqlite_error_code();
    !matches!(
        code,
        None | Some(Code::ConstraintViolation | Code::TypeMismatch | Code::TooBig | Code::Unknown)
    )
}

/// Does all of `batch` in one transaction, or nothing.
fn commit(connection: &Connection, batch: &mut [Box<dyn Work>]) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = batch.iter_mut().try_for_each(|work| match work.run(connection) {
        Ok(()) | Err(Fault::Refused(_)) => Ok(()),
        Err(Fault::Database(err)) => Err(err),
    });
    crate::fail::point("store.commit");
    let ended = done.and_then(|()| connection.execute_batch("COMMIT"));
    if ended.is_err() && !connection.is_autocommit() {
        // Some errors have rolled back by themselves.
        drop(connection.execute_batch("ROLLBACK"));
    }
    crate::fail::point("store.committed");
    ended
}

fn read_all(waiting: &Receiver<Box<dyn Work>>, connection: &Connection) {
    while let Ok(mut work) = waiting.recv() {
        match work.run(connection) {
            Ok(()) | Err(Fault::Refused(_)) => work.end(None),
            Err(Fault::Database(err)) => work.end(Some(StoreError::Unavailable(plain(&err)))),
        }
    }
}

/// SQLite's own sentence, without the statement.
fn plain(err: &rusqlite::Error) -> String {
    match err {
        rusqlite::Error::SqliteFailure(code, text) => {
            text.clone().unwrap_or_else(|| code.to_string())
        }
        other => other.to_string(),
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("its thread has ended".into())
}
