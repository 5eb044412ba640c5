//! The one connection to the server, kept up in the background.

mod keeper;

use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, mem};

use message::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, FromRedisValue, ScriptInvocation};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::fault::{Fault, reason};
use crate::{OptionsError, ServerUrl, SharedOptions};
use keeper::{Keeper, as_is_kept};

/// A connection to the server. Clones share it; it closes with the last of them.
///
/// Calls never wait for it to come up: while the server is away they fail at once, and while it is slow, after the
/// timeout. Where the server ended the connection alone they wait for the next one, no longer than for an answer.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

/// Whether the server can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It takes writes.
    Up,
    /// It cannot be used.
    Down {
        /// The first instant that it could not.
        since: Timestamp,
        /// Why, as far as it is known; without anything secret.
        reason: String,
    },
}

struct Shared {
    prefix: String,
    timeout: Duration,
    link: watch::Receiver<Link>,
    /// What to connect with.
    login: watch::Sender<ConnectionInfo>,
    /// A call was not answered as it should be: time to look after the server.
    doubt: Arc<Notify>,
    runtime: Handle,
    /// What the server is still to be told.
    telling: TaskTracker,
    _keeper: AbortOnDropHandle<()>,
}

/// A call that has no answer yet. Dropped so, by its timeout or by a caller of less patience, it has the keeper look.
struct Doubt<'a>(&'a Notify);

#[derive(Clone)]
enum Link {
    Up(Line),
    /// It ended, and the next one comes or fails within the timeout.
    Renewing,
    Down {
        since: Timestamp,
        reason: String,
    },
}

/// A connection that is in use.
#[derive(Clone)]
struct Line {
    connection: MultiplexedConnection,
    /// It was given up: what is asked on it is waited for no longer.
    given_up: Arc<CancellationToken>,
    /// Why there is none yet with the credentials that came since.
    refused: Option<String>,
}

impl Connection {
    /// Begins to connect, and goes on for as long as a clone is there. Returns at once; [`Connection::up`] waits.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] for options out of bounds.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn open(options: SharedOptions) -> Result<Self, OptionsError> {
        options.check()?;
        let (sender, link) = watch::channel(Link::down("it has not been reached yet".into()));
        let (prefix, timeout) = (options.prefix.clone(), options.timeout);
        let doubt = Arc::new(Notify::new());
        let (login, logins) = watch::channel(as_is_kept(options.url.info()));
        let keeper = Keeper::new(options, sender, logins, Arc::clone(&doubt));
        let runtime = Handle::current();
        let keeper = AbortOnDropHandle::new(runtime.spawn(keeper.keep()));
        let telling = TaskTracker::new();
        Ok(Self(Arc::new(Shared {
            prefix,
            timeout,
            link,
            login,
            doubt,
            runtime,
            telling,
            _keeper: keeper,
        })))
    }

    /// Whether the server can be used, as far as is known: a connection that ends is noticed at once, and an idle one is
    /// looked after every two seconds.
    pub fn status(&self) -> Status {
        self.0.link.borrow().status()
    }

    /// Goes over to the user and the password of `url`, in the background: connects anew with them, and only then gives
    /// up the connection that there is, on which calls under way end. While they are refused it goes on, for as long as
    /// it lives. Nothing else of `url` is heeded.
    pub fn log_in(&self, url: &ServerUrl) {
        let next = url.info().redis_settings();
        self.0.login.send_if_modified(|login| {
            let now = login.redis_settings();
            if (now.username(), now.password()) == (next.username(), next.password()) {
                return false;
            }
            let next = next.clone().set_db(now.db()).set_protocol(now.protocol());
            *login = login.clone().set_redis_settings(next);
            true
        });
    }

    /// Why there is no connection yet with the credentials that [`Connection::log_in`] brought, where one with those
    /// before goes on.
    pub fn refused(&self) -> Option<String> {
        match &*self.0.link.borrow() {
            Link::Up(line) => line.refused.clone(),
            Link::Renewing | Link::Down { .. } => None,
        }
    }

    /// Waits until the server can be used. Safe to cancel.
    pub async fn up(&self) {
        self.until(|status| *status == Status::Up).await;
    }

    /// Waits until the status is one that is `wanted`. Safe to cancel.
    pub async fn until(&self, mut wanted: impl FnMut(&Status) -> bool) {
        let mut link = self.0.link.clone();
        let seen = link.wait_for(|link| wanted(&link.status())).await;
        seen.expect("the keeper, which sends, lives as long as this connection");
    }

    /// Longest that a call is waited for.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// The name of a key on the server.
    pub(crate) fn key(&self, parts: &[&str]) -> String {
        let mut key = self.0.prefix.clone();
        key.extend(parts.iter().copied());
        key
    }

    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Fault> {
        let mut link = self.0.link.clone();
        let mut known = link.borrow_and_update().clone();
        if matches!(known, Link::Renewing) {
            known = self.renewed(&mut link).await?;
        }
        let Line { mut connection, given_up, .. } = match known {
            Link::Up(line) => line,
            Link::Renewing => return Err(Fault::Slow(self.0.timeout)),
            Link::Down { reason, .. } => return Err(Fault::Away(reason)),
        };
        let doubt = Doubt(&self.0.doubt);
        let answered = {
            // A request that is dropped outside the runtime settles what it holds from there.
            let _inside = self.0.runtime.enter();
            tokio::time::timeout(self.0.timeout, call.invoke_async(&mut connection))
        };
        // A connection closes with its last call: none is waited for that is asked on one which was given up.
        let answered = tokio::select! {
            biased;
            answered = answered => answered,
            () = given_up.cancelled() => return Err(Fault::Failed("its connection was given up".into())),
        };
        let fault = match answered {
            Ok(Ok(answer)) => {
                mem::forget(doubt);
                return Ok(answer);
            }
            Ok(Err(error)) => Fault::Failed(reason(&error)),
            Err(_elapsed) => Fault::Slow(self.0.timeout),
        };
        Err(fault)
    }

    /// What comes after the connection that ended.
    async fn renewed(&self, link: &mut watch::Receiver<Link>) -> Result<Link, Fault> {
        let renewed = {
            let _inside = self.0.runtime.enter();
            let renewed = link.wait_for(|link| !matches!(link, Link::Renewing));
            tokio::time::timeout(self.0.timeout, renewed)
        };
        let slow = Fault::Slow(self.0.timeout);
        renewed.await.ok().and_then(Result::ok).map(|link| link.clone()).ok_or(slow)
    }

    /// Tells the server something in the background.
    pub(crate) fn tell(&self, telling: impl Future<Output = ()> + Send + 'static) {
        self.0.telling.spawn_on(telling, &self.0.runtime);
    }

    /// While it lives, something is being told that [`Connection::told`] waits for.
    pub(crate) fn telling(&self) -> TaskTrackerToken {
        self.0.telling.token()
    }

    /// Waits until the server has heard everything that it is to be told. Safe to cancel.
    pub(crate) async fn told(&self) {
        self.0.telling.close();
        self.0.telling.wait().await;
    }

    /// Where work goes on that nobody waits for.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Link {
    fn down(reason: String) -> Self {
        Self::Down { since: SystemTime::now().into(), reason }
    }

    fn status(&self) -> Status {
        match self {
            Self::Up(_) | Self::Renewing => Status::Up,
            Self::Down { since, reason } => Status::Down { since: *since, reason: reason.clone() },
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
