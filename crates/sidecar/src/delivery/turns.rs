//! Whose turn it is to call Plivo.
//!
//! One-time codes come strictly before notifications, and these before everything else. Inside a class apps share
//! evenly; inside an app the nearest deadline comes first. Messages of one app and class to one recipient keep their
//! order (messaging.md 3.3).

mod lane;
mod queue;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::{E164, Timestamp};
use tokio::sync::oneshot;

use self::queue::{Line, Queue, Spot};

/// Hands out the turns; clones share them.
#[derive(Clone)]
pub(crate) struct Turns {
    queue: Arc<Mutex<Queue<oneshot::Sender<Turn>>>>,
}

/// How urgent a message is. The first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Otp,
    Notification,
    Other,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Calls under way.
    pub(crate) out: usize,
    /// Messages that wait for a turn, behind others to their recipient or for want of room.
    pub(crate) waiting: usize,
}

/// A message's place behind those that were accepted before it, of the same app and class and to the same recipient.
///
/// Whoever comes after has no turn before this one is dropped: keep it until the message's way has ended or is in doubt,
/// over all of its attempts. Drop the last [`Turn`] first.
#[must_use = "dropping a place lets the next message to the recipient go first"]
pub(crate) struct Place {
    turns: Turns,
    spot: Spot,
}

/// The right to make one call; others may once it is dropped.
#[must_use = "dropping a turn gives it to the next"]
pub(crate) struct Turn {
    turns: Turns,
}

/// A wait for a turn, which ends when it is dropped.
struct Waiting<'a> {
    place: &'a Place,
    deadline: Timestamp,
    granted: oneshot::Receiver<Turn>,
}

impl Turns {
    /// At most `room` turns at once.
    pub(crate) fn new(room: usize) -> Self {
        Self { queue: Arc::new(Mutex::new(Queue::new(room))) }
    }

    /// Sets how many turns there are at once. Those that are out already stay out; with no room nobody has a further one.
    pub(crate) fn set_room(&self, room: usize) {
        let granted = self.queue().set_room(room);
        self.tell(granted);
    }

    /// Takes the place behind all messages that were entered before, of this app and class and to this recipient.
    ///
    /// Enter a message as soon as it may go: when it is accepted, or when its `not_before` has come.
    pub(crate) fn enter(&self, app: &str, class: Class, recipient: &E164) -> Place {
        let line = Line { app: app.into(), class, recipient: recipient.clone() };
        let spot = self.queue().enter(line);
        Place { turns: self.clone(), spot }
    }

    pub(crate) fn load(&self) -> Load {
        let queue = self.queue();
        Load { out: queue.out(), waiting: queue.waiting() }
    }

    /// Passes turns on. Never called under the lock: a turn whose waiter has just gone comes back here by its drop.
    fn tell(&self, granted: Vec<oneshot::Sender<Turn>>) {
        for waiter in granted {
            drop(waiter.send(Turn { turns: self.clone() }));
        }
    }

    /// Nothing under the lock can panic halfway through a change, so the lock outlives a panic.
    fn queue(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Turn>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Class {
    /// From the most urgent on.
    pub(super) const ALL: [Self; 3] = [Self::Otp, Self::Notification, Self::Other];

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
    /// Waits until nobody stands before it in its line and a call is free.
    ///
    /// `deadline` only decides the order; whoever may not wait longer drops the future, which loses nothing: the place
    /// stays, and a turn that was just granted goes to the next.
    pub(crate) async fn turn(&mut self, deadline: Timestamp) -> Turn {
        let mut waiting = {
            let mut queue = self.turns.queue();
            if queue.take(&self.spot) {
                return Turn { turns: self.turns.clone() };
            }
            let (waiter, granted) = oneshot::channel();
            queue.wait(&self.spot, deadline, waiter);
            Waiting { place: self, deadline, granted }
        };
        (&mut waiting.granted).await.expect("only its own drop takes a waiter out unanswered")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let granted = self.turns.queue().leave(&self.spot);
        self.turns.tell(granted);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let granted = self.turns.queue().end();
        self.turns.tell(granted);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.place.turns.queue().withdraw(&self.place.spot, self.deadline);
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn number(n: u32) -> E164 {
        E164::parse(&format!("+1415{n:07}"), "").unwrap()
    }

    fn load(turns: &Turns) -> (usize, usize) {
        let Load { out, waiting } = turns.load();
        (out, waiting)
    }

    /// Polls once, with nobody to wake.
    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    const DEADLINE: Timestamp = Timestamp(1);

    #[test]
    fn a_free_turn_needs_no_wait_and_comes_back_when_dropped() {
        let turns = Turns::new(1);
        let mut place = turns.enter("a", Class::Other, &number(1));
        let turn = poll(pin!(place.turn(DEADLINE))).expect("there was room");
        assert_eq!(load(&turns), (1, 0));
        drop(turn);
        assert_eq!(load(&turns), (0, 0));
    }

    #[test]
    fn a_turn_passes_to_the_next_when_it_is_dropped() {
        let turns = Turns::new(1);
        let mut first = turns.enter("a", Class::Other, &number(1));
        let mut second = turns.enter("a", Class::Other, &number(2));
        let turn = poll(pin!(first.turn(DEADLINE)));
        let mut waits = pin!(second.turn(DEADLINE));
        assert!(poll(waits.as_mut()).is_none());
        assert_eq!(load(&turns), (1, 1));
        drop(turn);
        assert!(poll(waits).is_some());
    }

    #[test]
    fn a_message_waits_for_the_one_before_it_until_that_gives_its_place_up() {
        let turns = Turns::new(9);
        let mut first = turns.enter("a", Class::Otp, &number(1));
        let mut second = turns.enter("a", Class::Otp, &number(1));
        let turn = poll(pin!(first.turn(DEADLINE)));
        let mut waits = pin!(second.turn(DEADLINE));
        assert!(poll(waits.as_mut()).is_none(), "both had a turn at once");
        drop(turn);
        assert!(poll(waits.as_mut()).is_none(), "the first may have to be tried again");
        drop(first);
        assert!(poll(waits).is_some());
    }

    #[test]
    fn a_place_given_up_in_the_middle_lets_those_behind_move_up() {
        let turns = Turns::new(9);
        let first = turns.enter("a", Class::Otp, &number(1));
        let middle = turns.enter("a", Class::Otp, &number(1));
        let mut last = turns.enter("a", Class::Otp, &number(1));
        let mut waits = pin!(last.turn(DEADLINE));
        assert!(poll(waits.as_mut()).is_none());
        drop(middle);
        assert!(poll(waits.as_mut()).is_none(), "the first is still before it");
        drop(first);
        assert!(poll(waits).is_some());
    }

    #[test]
    fn a_wait_that_is_dropped_leaves_no_trace_and_keeps_its_place() {
        let turns = Turns::new(0);
        let mut first = turns.enter("a", Class::Other, &number(1));
        assert!(poll(pin!(first.turn(DEADLINE))).is_none());
        assert_eq!(load(&turns), (0, 0));
        let mut behind = turns.enter("a", Class::Other, &number(1));
        turns.set_room(1);
        assert!(poll(pin!(behind.turn(DEADLINE))).is_none(), "the place before it was lost");
        assert!(poll(pin!(first.turn(DEADLINE))).is_some());
    }

    #[test]
    fn a_turn_granted_to_a_wait_that_is_dropped_then_goes_to_the_next() {
        let turns = Turns::new(0);
        let mut first = turns.enter("a", Class::Other, &number(1));
        let mut second = turns.enter("a", Class::Other, &number(2));
        let mut given_up = Box::pin(first.turn(DEADLINE));
        let mut waits = pin!(second.turn(DEADLINE));
        assert!(poll(given_up.as_mut()).is_none() && poll(waits.as_mut()).is_none());
        turns.set_room(1);
        assert_eq!(load(&turns), (1, 1), "granted, and not yet taken");
        drop(given_up);
        assert!(poll(waits).is_some(), "the turn was lost with the one who had waited for it");
        assert_eq!(load(&turns), (0, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_tasks_that_come_and_go_leave_nothing_behind() {
        let turns = Turns::new(3);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..400_u32 {
            let turns = turns.clone();
            tasks.spawn(async move {
                let class = Class::ALL[n as usize % 3];
                let mut place = turns.enter(&format!("app {}", n % 5), class, &number(n % 7));
                // Every fourth waits for a few polls only, and goes.
                let patience = async {
                    for _ in 0..if n % 4 == 0 { n % 16 } else { u32::MAX } {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    turn = place.turn(Timestamp(n.into())) => {
                        let out = turns.load().out;
                        assert!(out <= 3, "{out} turns in room for 3");
                        tokio::task::yield_now().await;
                        drop(turn);
                    }
                    () = patience => {}
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let queue = turns.queue();
        assert!(queue.is_empty(), "left over: {} out, {} waiting", queue.out(), queue.waiting());
    }

    #[test]
    fn an_intent_is_an_open_word() {
        let classes = ["otp", "notification", "marketing", "security", "", "OTP"].map(Class::of);
        use Class::{Notification, Other, Otp};
        assert_eq!(classes, [Otp, Notification, Other, Other, Other, Other]);
    }
}
