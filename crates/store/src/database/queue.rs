//! Work for one connection, in the order it came, on a thread of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use crate::StoreError;

/// Most work that waits. More is refused at once: the disk is not keeping up. The standard library's channel would have
/// memory for all of it from the beginning.
const WAITING: usize = if cfg!(test) { 1_024 } else { 65_536 };

/// What waits for one thread, which ends with this handle.
pub(super) struct Queue {
    /// None only while it is dropped.
    work: Option<Sender<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
}

/// Ready when the work is done and on disk. The work is done whether or not anybody waits.
#[derive(Debug)]
#[must_use = "what is not awaited may fail unseen; drop it by name where that is meant"]
pub struct Commit<T>(State<T>);

/// Why work was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The work itself says no, before its first change.
    Refused(StoreError),
    /// The database does.
    Database(rusqlite::Error),
    /// The work is broken.
    Panicked,
}

/// Something to do with a connection, and whom to tell.
pub(super) trait Work: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;
    /// Tells whoever waits: what the work said, or why it was not committed.
    fn end(self: Box<Self>, uncommitted: Option<StoreError>);
}

#[derive(Debug)]
enum State<T> {
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
    Refused(StoreError),
}

struct Task<T, F, E> {
    work: F,
    /// Is told first whether the work was committed.
    then: E,
    said: Option<Result<T, StoreError>>,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl Queue {
    /// A queue whose work `serve` does, on a thread called `name`, until nothing can come any more.
    pub(super) fn start(
        name: &str,
        serve: impl FnOnce(&mut Receiver<Box<dyn Work>>) + Send + 'static,
    ) -> Self {
        let (work, mut waiting) = mpsc::channel(WAITING);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&mut waiting))
            .expect("a process that cannot start a few threads cannot serve");
        Self { work: Some(work), thread: Some(thread) }
    }

    pub(super) fn put<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Commit<T> {
        self.put_then(work, |_| ())
    }

    /// The same; `then` is told whether it was committed, before whoever waits, and before what comes after it is done.
    pub(super) fn put_then<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(bool) + Send + 'static,
    ) -> Commit<T> {
        let (tell, told) = oneshot::channel();
        let task: Box<dyn Work> = Box::new(Task { work, then, said: None, tell });
        let (task, why) = match self.work.as_ref().map(|queue| queue.try_send(task)) {
            Some(Ok(())) => return Commit(State::Waiting(told)),
            Some(Err(TrySendError::Full(task))) => {
                (task, StoreError::Unavailable("too much waits for the disk".into()))
            }
            Some(Err(TrySendError::Closed(task))) => (task, ended()),
            // Only while it is dropped.
            None => return Commit::refused(ended()),
        };
        task.end(Some(why));
        Commit(State::Waiting(told))
    }
}

impl Drop for Queue {
    /// What was put in is done first, and the connection closed: whoever opens the file next finds it all.
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there has been logged, and everybody who waited was told.
            drop(thread.join());
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

impl<T: Send, F, E> Work for Task<T, F, E>
where
    F: FnMut(&Connection) -> Result<T, Fault> + Send,
    E: FnOnce(bool) + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        self.said = match (self.work)(connection) {
            Ok(value) => Some(Ok(value)),
            Err(Fault::Refused(why)) => Some(Err(why)),
            Err(fault) => return Err(fault),
        };
        Ok(())
    }

    fn end(self: Box<Self>, uncommitted: Option<StoreError>) {
        let Self { work, then, said, tell } = *self;
        then(uncommitted.is_none());
        let said = uncommitted.map_or_else(|| said.unwrap_or_else(|| Err(ended())), Err);
        // What the work holds, such as a claim, is free by the time that anybody is told. Nobody may be waiting.
        drop(work);
        drop(tell.send(said));
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

fn ended() -> StoreError {
    StoreError::Unavailable("its thread has ended".into())
}
