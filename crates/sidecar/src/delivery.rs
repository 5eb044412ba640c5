//! From a cleared message to Plivo's answer, in the background and within the message's deadline.
//!
//! Every accepted message has one task that ends when its outcome is known; the request that brought it only watches.

mod attempt;
mod backoff;
#[expect(dead_code, reason = "wired in by the journeys")]
mod breaker;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in by the journeys"))]
mod budget;
mod rolling;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in by the journeys"))]
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use message::Timestamp;
use policy_host::Cleared;
use store::{Messages, Status, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::attempt::{Journey, Trace};

pub(crate) use self::attempt::About;
use crate::gateway::Refusal;
use crate::in_force::Account;
use crate::record;

/// Sends what was cleared.
pub(crate) struct Delivery {
    messages: Arc<Messages>,
    in_flight: TaskTracker,
    stop: CancellationToken,
    account: watch::Sender<Account>,
    /// Plivo refused the credentials in force. Nothing is tried before they change: each try would be refused too.
    refused: AtomicBool,
    waiting: AtomicUsize,
}

/// What is known of a message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing final yet; the state it is in.
    Open(Status),
    /// Plivo took it, under this UUID.
    Submitted(String),
    /// Plivo said a definite no; the stable code.
    Refused(&'static str),
    /// It ended, or will end, otherwise: in doubt, expired.
    Ended(Status),
}

/// A message that is ours now.
#[derive(Debug)]
pub(crate) struct Acceptance {
    /// What becomes of it.
    pub(crate) progress: watch::Receiver<News>,
    /// Not worth sending after this instant.
    pub(crate) deadline: Timestamp,
}

impl News {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl Delivery {
    pub(crate) fn new(
        messages: Arc<Messages>,
        in_flight: TaskTracker,
        stop: CancellationToken,
        account: Account,
    ) -> Self {
        let (account, _) = watch::channel(account);
        Self {
            messages,
            in_flight,
            stop,
            account,
            refused: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes what a reload brought. New credentials let the messages go on that waited for them; calls under way end
    /// with the old ones.
    pub(crate) fn use_account(&self, next: Account) {
        // Under the channel's lock, so that a refusal of the old credentials cannot latch the new ones.
        self.account.send_modify(|account| {
            if *account.credentials != *next.credentials {
                self.refused.store(false, Ordering::Release);
            }
            *account = next;
        });
    }

    /// Whether Plivo refused the credentials in force.
    pub(crate) fn credentials_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Messages accepted whose outcome is not known and that no call is out for.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Makes a cleared message ours: recorded, and on its way. From here on it is not lost while the process lives.
    ///
    /// # Errors
    ///
    /// `spool.full` where as many messages wait as may, `send.would_expire` where the policies put it off beyond the time
    /// that the app gave it; what the policies held is given back.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        cleared: Cleared,
        about: About,
        now: Timestamp,
    ) -> Result<Acceptance, Refusal> {
        let account = self.account.borrow().clone();
        if self.waiting() >= account.queue_max {
            give_back(cleared).await;
            return Err(Refusal::full());
        }
        let start = cleared.message().not_before.filter(|at| *at > now);
        let deadline = match cleared.message().ttl_s {
            // The app's own time runs from the app's own start: a policy's delay does not stretch it.
            Some(ttl) => {
                about.asked_start.unwrap_or(now).max(now).after(Duration::from_secs(ttl.into()))
            }
            None => start.unwrap_or(now).after(account.lifetime),
        };
        if start.is_some_and(|start| start.after(attempt::SHORTEST) > deadline) {
            give_back(cleared).await;
            return Err(Refusal::would_expire());
        }
        let record = record::accepted(&cleared, &about.app, about.door, now, deadline);
        match self.messages.insert(record).await {
            Ok(()) => {}
            Err(err) => {
                give_back(cleared).await;
                tracing::error!(error = %err, "a message could not be recorded, so it was not accepted");
                return Err(if matches!(err, StoreError::Full) {
                    Refusal::full()
                } else {
                    Refusal::internal()
                });
            }
        }
        let (tell, progress) = watch::channel(News::Open(Status::Accepted));
        let journey = Journey {
            delivery: Arc::clone(self),
            deadline,
            start,
            cleared,
            about,
            tell,
            attempts: 0,
            turned_away: 0,
            trace: Trace::current(),
        };
        self.in_flight.spawn(journey.run());
        Ok(Acceptance { progress, deadline })
    }
}

/// The wall clock, for deadlines that mean something outside this process.
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Waits for an instant of the wall clock.
async fn reach(at: Timestamp) {
    sleep_until(Instant::now() + at.since(now())).await;
}

async fn give_back(cleared: Cleared) {
    if let Err(err) = cleared.settle(message::Settlement::GiveBack).await {
        tracing::warn!(error = %err, "what the policies held could not be given back; it expires by itself");
    }
}
