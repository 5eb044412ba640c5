//! Whose turn it is to call Plivo.
//!
//! One-time codes come strictly before notifications, and these before everything else. Inside a class apps share
//! evenly; inside an app the nearest deadline comes first. Messages of one app and class to one recipient keep their
//! order. Whoever keeps a pace has a turn only when the pace lets it go, and everybody only when the breakers do; the same
//! order decides who is next there (messaging.md 3.3).

mod gate;
mod lane;
mod pacer;
mod queue;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::{E164, Pace, Sender, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use self::gate::Queued;
use self::pacer::Tolls;
use self::queue::{Line, Queue, Share, Spot};
use super::breaker::Pass;

pub(super) use self::gate::Breaker;

/// Hands out the turns; clones share them.
#[derive(Clone)]
pub(crate) struct Turns {
    queue: Arc<Mutex<Queue<Waiter>>>,
}

/// Who waits for a turn, and what it pays for it.
struct Waiter {
    granted: oneshot::Sender<Turn>,
    account: Arc<str>,
    tolls: Tolls,
    /// Once it is let go.
    pass: Option<Pass>,
}

/// How urgent a message is. The first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Otp,
    Notification,
    Other,
}

/// A message's place behind those that were accepted before it, of the same app, account and class and to the same
/// recipient.
///
/// Whoever comes after has no turn before this one is dropped: keep it until the message's way has ended or is in
/// doubt, over all of its attempts. Drop the last [`Turn`] first.
#[must_use = "dropping a place lets the next message to the recipient go first"]
pub(crate) struct Place {
    turns: Turns,
    spot: Spot,
}

/// The right to make one call; others may once it is dropped.
#[must_use = "dropping a turn gives it to the next"]
pub(crate) struct Turn {
    turns: Turns,
    account: Arc<str>,
    /// What it paid, until somebody is called: to be given back.
    unused: Option<Tolls>,
    /// The breakers' word, until somebody is called.
    pass: Option<Pass>,
}

/// Keeps all turns back until it is dropped, so that whoever comes first is not the first by chance.
#[must_use = "dropping it hands out the turns"]
pub(super) struct Shut(Turns);

/// A wait for a turn, which ends when it is dropped.
struct Waiting<'a> {
    place: &'a Place,
    deadline: Timestamp,
    granted: oneshot::Receiver<Turn>,
}

impl Turns {
    /// None yet, for any account.
    pub(crate) fn new() -> Self {
        Self { queue: Arc::new(Mutex::new(Queue::new())) }
    }

    /// Has an account call, so often at once, as its breakers let it.
    pub(super) fn open(&self, account: &Arc<str>, room: usize, breaker: Breaker) {
        let known =
            self.queue().gate(account).map(|known| known.breakers().are(breaker.breakers()));
        if known != Some(true) {
            self.follow(&breaker);
        }
        self.change(|queue, now| queue.open(account, room, breaker, now));
    }

    /// Hands out no turn before this and all others of its kind are dropped.
    pub(super) fn shut(&self) -> Shut {
        self.queue().shut();
        Shut(self.clone())
    }

    /// Sets how many turns of an account there are at once. Those that are out already stay out; with no room nobody has
    /// a further one.
    pub(crate) fn set_room(&self, account: &str, room: usize) {
        self.change(|queue, now| queue.set_room(account, room, now));
    }

    /// The process before this one called Plivo last so long ago: its paces go on where they may stand.
    pub(crate) fn called_before(&self, ago: Duration) {
        self.queue().pacer.called_before(ago, Instant::now());
    }

    /// A message was accepted under these limits, which hold from here on: for those too that were accepted under
    /// others, whenever their time comes. Tell it of messages in the order of their acceptance.
    pub(crate) fn learn(&self, paces: &[Pace]) {
        if !paces.is_empty() {
            self.queue().pacer.learn(paces, Instant::now());
        }
    }

    /// How long until a message of this class that came so far `ahead` of now would be let go by its paces.
    pub(crate) fn wait(&self, class: Class, paces: &[Pace], ahead: Duration) -> Duration {
        let now = Instant::now();
        match paces {
            [] => Duration::ZERO,
            _ => self.queue().pacer.wait(paces, class, (now, now + ahead)),
        }
    }

    /// Takes the place behind all messages that were entered before, of this app, account and class and to this
    /// recipient.
    ///
    /// Enter a message as soon as it may go: when it is accepted, or when its `not_before` has come.
    pub(crate) fn enter(
        &self,
        (account, app): (&Arc<str>, &str),
        class: Class,
        (sender, recipient): (&Sender, &E164),
        paces: &[Pace],
    ) -> Place {
        let share = Share { account: Arc::clone(account), app: app.into() };
        let line = Line { share, class, recipient: recipient.clone() };
        let spot = self.queue().enter(line, sender, paces, Instant::now());
        Place { turns: self.clone(), spot }
    }

    /// How many calls of an account are under way.
    pub(crate) fn out(&self, account: &str) -> usize {
        self.queue().out(account)
    }

    /// Changes the queue and passes on the turns that this grants. That is not done under the lock: a turn whose waiter
    /// has just gone comes back here by its drop.
    fn change(&self, change: impl FnOnce(&mut Queue<Waiter>, Instant) -> Vec<Waiter>) {
        let (granted, alarm) = {
            let mut queue = self.queue();
            let granted = change(&mut queue, Instant::now());
            (granted, queue.take_alarm())
        };
        for Waiter { granted, account, tolls, pass } in granted {
            drop(granted.send(Turn { turns: self.clone(), account, unused: Some(tolls), pass }));
        }
        if let Some(at) = alarm {
            self.look_again(at);
        }
    }

    /// Has somebody look again whenever breakers change. Outside the runtime nobody waits.
    fn follow(&self, breaker: &Breaker) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (queue, mut changes) = (Arc::downgrade(&self.queue), breaker.breakers().changes());
        runtime.spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(queue) = queue.upgrade() else { return };
                Self { queue }.change(Queue::look_again);
            }
        });
    }

    /// Has somebody look again when a pace or a breaker opens. Outside the runtime nobody waits any more.
    fn look_again(&self, at: Instant) {
        let Ok(runtime) = Handle::try_current() else { return };
        let queue = Arc::downgrade(&self.queue);
        runtime.spawn(async move {
            sleep_until(at).await;
            if let Some(queue) = queue.upgrade() {
                Self { queue }.change(Queue::look_again);
            }
        });
    }

    /// Nothing under the lock can panic halfway through a change, so the lock outlives a panic.
    fn queue(&self) -> MutexGuard<'_, Queue<Waiter>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Class {
    /// From the most urgent on.
    pub(super) const ALL: [Self; 3] = [Self::Otp, Self::Notification, Self::Other];

    /// A stable word, for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Notification => "notification",
            Self::Other => "other",
        }
    }

    /// The class of a message's intent, which is an open word.
    pub(crate) fn of(intent: &str) -> Self {
        match intent {
            "otp" => Self::Otp,
            "notification" => Self::Notification,
            _ => Self::Other,
        }
    }
}

impl Place {
    /// Waits until nobody stands before it in its line, its paces and the breakers let it go, and a call is free.
    ///
    /// `deadline` only decides the order; whoever may not wait longer drops the future, which loses nothing: the place
    /// stays, and a turn that was just granted goes to the next.
    pub(crate) async fn turn(&mut self, deadline: Timestamp) -> Turn {
        let account = Arc::clone(&self.spot.line.share.account);
        let at_once = self.turns.queue().take(&self.spot, Instant::now());
        if let Some(pass) = at_once {
            return Turn { turns: self.turns.clone(), account, unused: None, pass: Some(pass) };
        }
        let (sender, granted) = oneshot::channel();
        let tolls = self.spot.terms.tolls.clone();
        let waiter = Waiter { granted: sender, account, tolls, pass: None };
        self.turns.change(|queue, now| queue.wait(&self.spot, deadline, waiter, now));
        let mut waiting = Waiting { place: self, deadline, granted };
        (&mut waiting.granted).await.expect("only its own drop takes a waiter out unanswered")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.change(|queue, now| queue.leave(&self.spot, now));
    }
}

impl Turn {
    /// Somebody is called: from here on it counts at the paces, and the breakers are to be told what came of it. None
    /// where that was said before.
    pub(super) fn used(&mut self) -> Option<Pass> {
        self.unused = None;
        self.pass.take()
    }
}

impl Queued for Waiter {
    type Gate = Breaker;

    fn let_go(&mut self, pass: Pass) {
        self.pass = Some(pass);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let unused = self.unused.take();
        self.turns.change(|queue, now| queue.end(&self.account, unused.as_ref(), now));
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.change(Queue::unshut);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Place { turns, spot } = self.place;
        turns.change(|queue, now| queue.withdraw(spot, self.deadline, now));
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({} waiting)", self.queue().waiting())
    }
}

#[cfg(test)]
mod tests;
