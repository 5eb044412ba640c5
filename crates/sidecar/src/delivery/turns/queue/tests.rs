//! The order that is promised, by example.

use proptest::prelude::*;

use super::super::gate::Shut;
use super::*;
use Class::{Notification, Other, Otp};

/// Any instant: nobody here keeps a pace.
pub(super) fn now() -> Instant {
    static NOW: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    *NOW
}

pub(super) fn line(app: &str, class: Class, recipient: u32) -> Line {
    let recipient = E164::parse(&format!("+1415{recipient:07}"), "").unwrap();
    Line { share: Share { account: ours(), app: app.into() }, class, recipient }
}

/// Lets everybody go.
#[derive(Debug)]
pub(in super::super) struct Free;

impl Gate for Free {
    type Pass = ();

    fn admit(&self, _: &Sender, _: Instant) -> Result<(), Shut> {
        Ok(())
    }

    fn at_once(&self, _: &Sender, _: Instant) -> Option<()> {
        Some(())
    }
}

macro_rules! queued {
    ($($waiter:ty),*) => {$(
        impl Queued for $waiter {
            type Gate = Free;

            fn let_go(&mut self, (): ()) {}
        }
    )*};
}

queued!((), u64, usize, &'static str);

pub(in super::super) fn from() -> Sender {
    Sender::parse("+14155551212", "").unwrap()
}

pub(super) fn ours() -> Arc<str> {
    message::DEFAULT_ACCOUNT.into()
}

/// A queue with so much room for the calls of one account.
pub(super) fn with_room<T: Queued<Gate = Free>>(room: usize) -> Queue<T> {
    let mut queue = Queue::new();
    queue.open(&ours(), room, Free, now());
    queue
}

/// A queue with no room in which each of these waits, in this order.
fn waiting(messages: &[(&str, Class, u32, u64)]) -> (Queue<usize>, Vec<Spot>) {
    let mut queue = with_room(0);
    let mut spots = Vec::new();
    for (nth, (app, class, recipient, deadline)) in messages.iter().enumerate() {
        let spot = queue.enter(line(app, *class, *recipient), &from(), &[], now());
        assert!(queue.wait(&spot, Timestamp(*deadline), nth, now()).is_empty(), "there is no room");
        spots.push(spot);
    }
    (queue, spots)
}

/// The order in which they come where one may at a time, and none gives its place up before its turn ended.
fn order(messages: &[(&str, Class, u32, u64)]) -> Vec<usize> {
    let (mut queue, spots) = waiting(messages);
    let mut granted = queue.set_room(&ours(), 1, now());
    let mut order = Vec::new();
    while let Some(next) = granted.pop() {
        assert!(granted.is_empty(), "more turns than room: {granted:?}");
        order.push(next);
        granted = queue.end(&ours(), None, now());
        if granted.is_empty() {
            granted = queue.leave(&spots[next], now());
        } else {
            assert!(queue.leave(&spots[next], now()).is_empty(), "more turns than room");
        }
    }
    assert!(queue.is_empty(), "left over: {queue:?}");
    order
}

#[test]
fn codes_come_before_notifications_and_these_before_the_rest() {
    let order = order(&[
        ("a", Other, 1, 1),
        ("a", Notification, 2, 5),
        ("b", Otp, 3, 9),
        ("a", Otp, 4, 8),
        ("b", Notification, 5, 1),
    ]);
    assert_eq!(order, [2, 3, 1, 4, 0]);
}

#[test]
fn the_nearest_deadline_comes_first_inside_an_app_and_ties_as_they_arrived() {
    let order = order(&[
        ("a", Other, 1, 30),
        ("a", Other, 2, 10),
        ("a", Other, 3, 20),
        ("a", Other, 4, 10),
    ]);
    assert_eq!(order, [1, 3, 2, 0]);
}

#[test]
fn apps_take_turns_whatever_their_deadlines() {
    let order = order(&[
        ("a", Other, 1, 1),
        ("a", Other, 2, 1),
        ("a", Other, 3, 1),
        ("b", Other, 4, 9),
        ("b", Other, 5, 9),
    ]);
    assert_eq!(order, [0, 3, 1, 4, 2]);
}

#[test]
fn messages_to_one_recipient_keep_their_order_whatever_their_deadlines() {
    let order = order(&[
        ("a", Other, 1, 30),
        ("a", Other, 1, 20),
        ("a", Other, 2, 25),
        ("a", Other, 1, 10),
    ]);
    assert_eq!(order, [2, 0, 1, 3]);
}

#[test]
fn another_class_or_app_to_the_same_recipient_is_another_line() {
    let mut queue: Queue<()> = with_room(9);
    let spots = [line("a", Other, 1), line("a", Otp, 1), line("b", Other, 1)]
        .map(|line| queue.enter(line, &from(), &[], now()));
    assert!(spots.iter().all(|spot| queue.take(spot, now()).is_some()));
}

#[test]
fn ten_thousand_waiting_messages_of_one_app_delay_another_by_one_round() {
    let crowd = 10_000;
    let many = (0..crowd).map(|n| ("a", Other, n, 1));
    let few = [("b", Other, crowd, 9), ("c", Other, crowd + 1, 9)];
    let messages: Vec<_> = many.chain(few).collect();
    let (mut queue, _spots) = waiting(&messages);
    let granted = queue.set_room(&ours(), 5, now());
    let crowd = crowd as usize;
    assert_eq!(granted, [0, crowd, crowd + 1, 1, 2]);
}

#[test]
fn a_waiter_that_withdraws_keeps_its_place() {
    let (mut queue, spots) = waiting(&[("a", Other, 1, 1), ("a", Other, 1, 1), ("b", Other, 2, 1)]);
    assert!(queue.withdraw(&spots[0], Timestamp(1), now()).is_empty());
    assert_eq!(queue.waiting(), 2);
    assert_eq!(
        queue.set_room(&ours(), 9, now()),
        [2],
        "the second of the line waits for the first"
    );
    assert!(queue.withdraw(&spots[0], Timestamp(1), now()).is_empty());
    assert_eq!(queue.waiting(), 1, "withdrawn once is withdrawn");
    assert_eq!(queue.leave(&spots[0], now()), [1]);
}

#[test]
fn less_room_calls_nobody_back_and_grants_nothing_until_there_is_some() {
    let (mut queue, _spots) =
        waiting(&[("a", Other, 1, 1), ("a", Other, 2, 1), ("a", Other, 3, 1), ("a", Other, 4, 1)]);
    assert_eq!(queue.set_room(&ours(), 3, now()).len(), 3);
    assert!(queue.set_room(&ours(), 1, now()).is_empty());
    assert_eq!(queue.out(&ours()), 3);
    assert!(
        queue.end(&ours(), None, now()).is_empty() && queue.end(&ours(), None, now()).is_empty()
    );
    assert_eq!(queue.end(&ours(), None, now()), [3]);
}

proptest! {
    #[test]
    fn no_app_waits_longer_than_a_round(
        crowds in proptest::collection::vec(1_usize..40, 2..6),
        room in 1_usize..4,
    ) {
        let names: Vec<String> = (0..crowds.len()).map(|app| app.to_string()).collect();
        let mut messages = Vec::new();
        for (app, crowd) in crowds.iter().enumerate() {
            for _ in 0..*crowd {
                messages.push((names[app].as_str(), Other, messages.len() as u32, app as u64));
            }
        }
        let (mut queue, _spots) = waiting(&messages);
        let mut granted = queue.set_room(&ours(), room, now());
        let mut left: Vec<usize> = crowds.clone();
        let mut since = vec![0_usize; crowds.len()];
        while let Some(next) = (!granted.is_empty()).then(|| granted.remove(0)) {
            let app: usize = messages[next].0.parse().unwrap();
            left[app] -= 1;
            since[app] = 0;
            for other in (0..crowds.len()).filter(|other| *other != app && left[*other] > 0) {
                since[other] += 1;
                prop_assert!(since[other] < crowds.len(), "app {other} was passed over twice");
            }
            granted.extend(queue.end(&ours(), None, now()));
        }
        prop_assert_eq!(left.iter().sum::<usize>(), 0, "somebody never had a turn");
    }
}
