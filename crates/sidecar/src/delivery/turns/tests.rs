use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn number(n: u32) -> E164 {
    E164::parse(&format!("+1415{n:07}"), "").unwrap()
}

fn load(turns: &Turns) -> (usize, usize) {
    (turns.out(&ours()), turns.queue().waiting())
}

fn ours() -> Arc<str> {
    message::DEFAULT_ACCOUNT.into()
}

/// So many turns for the calls of one account.
fn with_room(room: usize) -> Turns {
    let turns = Turns::new();
    turns.set_room(&ours(), room);
    turns
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
    let turns = with_room(1);
    let mut place = turns.enter((&ours(), "a"), Class::Other, &number(1), &[]);
    let turn = poll(pin!(place.turn(DEADLINE))).expect("there was room");
    assert_eq!(load(&turns), (1, 0));
    drop(turn);
    assert_eq!(load(&turns), (0, 0));
}

#[test]
fn a_turn_passes_to_the_next_when_it_is_dropped() {
    let turns = with_room(1);
    let mut first = turns.enter((&ours(), "a"), Class::Other, &number(1), &[]);
    let mut second = turns.enter((&ours(), "a"), Class::Other, &number(2), &[]);
    let turn = poll(pin!(first.turn(DEADLINE)));
    let mut waits = pin!(second.turn(DEADLINE));
    assert!(poll(waits.as_mut()).is_none());
    assert_eq!(load(&turns), (1, 1));
    drop(turn);
    assert!(poll(waits).is_some());
}

#[test]
fn a_message_waits_for_the_one_before_it_until_that_gives_its_place_up() {
    let turns = with_room(9);
    let mut first = turns.enter((&ours(), "a"), Class::Otp, &number(1), &[]);
    let mut second = turns.enter((&ours(), "a"), Class::Otp, &number(1), &[]);
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
    let turns = with_room(9);
    let first = turns.enter((&ours(), "a"), Class::Otp, &number(1), &[]);
    let middle = turns.enter((&ours(), "a"), Class::Otp, &number(1), &[]);
    let mut last = turns.enter((&ours(), "a"), Class::Otp, &number(1), &[]);
    let mut waits = pin!(last.turn(DEADLINE));
    assert!(poll(waits.as_mut()).is_none());
    drop(middle);
    assert!(poll(waits.as_mut()).is_none(), "the first is still before it");
    drop(first);
    assert!(poll(waits).is_some());
}

#[test]
fn a_wait_that_is_dropped_leaves_no_trace_and_keeps_its_place() {
    let turns = with_room(0);
    let mut first = turns.enter((&ours(), "a"), Class::Other, &number(1), &[]);
    assert!(poll(pin!(first.turn(DEADLINE))).is_none());
    assert_eq!(load(&turns), (0, 0));
    let mut behind = turns.enter((&ours(), "a"), Class::Other, &number(1), &[]);
    turns.set_room(&ours(), 1);
    assert!(poll(pin!(behind.turn(DEADLINE))).is_none(), "the place before it was lost");
    assert!(poll(pin!(first.turn(DEADLINE))).is_some());
}

#[test]
fn a_turn_granted_to_a_wait_that_is_dropped_then_goes_to_the_next() {
    let turns = with_room(0);
    let mut first = turns.enter((&ours(), "a"), Class::Other, &number(1), &[]);
    let mut second = turns.enter((&ours(), "a"), Class::Other, &number(2), &[]);
    let mut given_up = Box::pin(first.turn(DEADLINE));
    let mut waits = pin!(second.turn(DEADLINE));
    assert!(poll(given_up.as_mut()).is_none() && poll(waits.as_mut()).is_none());
    turns.set_room(&ours(), 1);
    assert_eq!(load(&turns), (1, 1), "granted, and not yet taken");
    drop(given_up);
    assert!(poll(waits).is_some(), "the turn was lost with the one who had waited for it");
    assert_eq!(load(&turns), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_that_come_and_go_leave_nothing_behind() {
    let turns = with_room(3);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..400_u32 {
        let turns = turns.clone();
        tasks.spawn(async move {
            let class = Class::ALL[n as usize % 3];
            let mut place =
                turns.enter((&ours(), &format!("app {}", n % 5)), class, &number(n % 7), &[]);
            // Every fourth waits for a few polls only, and goes.
            let patience = async {
                for _ in 0..if n % 4 == 0 { n % 16 } else { u32::MAX } {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                turn = place.turn(Timestamp(n.into())) => {
                    let out = turns.out(&ours());
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
    assert!(queue.is_empty(), "left over: {} out, {} waiting", queue.out(&ours()), queue.waiting());
}

#[test]
fn an_account_that_keeps_its_turns_takes_none_from_another() {
    let (turns, other) = (with_room(1), "europe".into());
    turns.set_room(&other, 1);
    let mut slow = turns.enter((&ours(), "a"), Class::Otp, &number(1), &[]);
    let _kept = poll(pin!(slow.turn(DEADLINE))).expect("there was room");
    let mut behind = turns.enter((&ours(), "a"), Class::Otp, &number(2), &[]);
    let mut waits = pin!(behind.turn(DEADLINE));
    assert!(poll(waits.as_mut()).is_none());
    // The same app and number: what cannot leave there keeps no order with what leaves here.
    let mut first = turns.enter((&other, "a"), Class::Otp, &number(1), &[]);
    let mut second = turns.enter((&other, "a"), Class::Other, &number(2), &[]);
    let turn = poll(pin!(first.turn(DEADLINE))).expect("the other account has a turn of its own");
    let mut next = pin!(second.turn(DEADLINE));
    assert!(poll(next.as_mut()).is_none(), "more turns than room");
    drop(turn);
    assert!(poll(next).is_some() && poll(waits).is_none());
    assert_eq!(turns.out(&ours()), 1);
}

#[test]
fn an_intent_is_an_open_word() {
    let classes = ["otp", "notification", "marketing", "security", "", "OTP"].map(Class::of);
    use Class::{Notification, Other, Otp};
    assert_eq!(classes, [Otp, Notification, Other, Other, Other, Other]);
}
