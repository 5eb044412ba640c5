use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::super::breaker::{Admit, Breakers, Heard, settings};
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

fn from() -> Sender {
    Sender::parse("+14155551212", "").unwrap()
}

/// Breakers, of which whoever is to ask Plivo hears that it is well.
fn breakers() -> Breakers {
    Breakers::new(ours(), settings())
}

/// So many turns for the calls of one account.
fn with_room(room: usize) -> Turns {
    let turns = Turns::new();
    turns.open(&ours(), room, well(breakers()));
    turns
}

fn well(breakers: Breakers) -> Breaker {
    Breaker::new(breakers, |probe| probe.report(Heard::Served, Instant::now(), 0.0))
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
    let mut place = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(1)), &[]);
    let turn = poll(pin!(place.turn(DEADLINE))).expect("there was room");
    assert_eq!(load(&turns), (1, 0));
    drop(turn);
    assert_eq!(load(&turns), (0, 0));
}

#[test]
fn a_turn_passes_to_the_next_when_it_is_dropped() {
    let turns = with_room(1);
    let mut first = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(1)), &[]);
    let mut second = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(2)), &[]);
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
    let mut first = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(1)), &[]);
    let mut second = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(1)), &[]);
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
    let first = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(1)), &[]);
    let middle = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(1)), &[]);
    let mut last = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(1)), &[]);
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
    let mut first = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(1)), &[]);
    assert!(poll(pin!(first.turn(DEADLINE))).is_none());
    assert_eq!(load(&turns), (0, 0));
    let mut behind = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(1)), &[]);
    turns.set_room(&ours(), 1);
    assert!(poll(pin!(behind.turn(DEADLINE))).is_none(), "the place before it was lost");
    assert!(poll(pin!(first.turn(DEADLINE))).is_some());
}

#[test]
fn a_turn_granted_to_a_wait_that_is_dropped_then_goes_to_the_next() {
    let turns = with_room(0);
    let mut first = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(1)), &[]);
    let mut second = turns.enter((&ours(), "a"), Class::Other, (&from(), &number(2)), &[]);
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
            let mut place = turns.enter(
                (&ours(), &format!("app {}", n % 5)),
                class,
                (&from(), &number(n % 7)),
                &[],
            );
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
    turns.open(&other, 1, well(breakers()));
    let mut slow = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(1)), &[]);
    let _kept = poll(pin!(slow.turn(DEADLINE))).expect("there was room");
    let mut behind = turns.enter((&ours(), "a"), Class::Otp, (&from(), &number(2)), &[]);
    let mut waits = pin!(behind.turn(DEADLINE));
    assert!(poll(waits.as_mut()).is_none());
    // The same app and number: what cannot leave there keeps no order with what leaves here.
    let mut first = turns.enter((&other, "a"), Class::Otp, (&from(), &number(1)), &[]);
    let mut second = turns.enter((&other, "a"), Class::Other, (&from(), &number(2)), &[]);
    let turn = poll(pin!(first.turn(DEADLINE))).expect("the other account has a turn of its own");
    let mut next = pin!(second.turn(DEADLINE));
    assert!(poll(next.as_mut()).is_none(), "more turns than room");
    drop(turn);
    assert!(poll(next).is_some() && poll(waits).is_none());
    assert_eq!(turns.out(&ours()), 1);
}

/// Breakers that failures of calls from `failing` have opened: its own, where calls from another were served meanwhile.
fn opened(failing: &Sender, other: Option<&Sender>) -> Breakers {
    let breakers = breakers();
    let call = |sender: &Sender, heard| match breakers.admit(sender, Instant::now()) {
        Admit::Go(pass) => pass.report(heard, Instant::now(), 0.0),
        held => panic!("{held:?}"),
    };
    for _ in 0..settings().failures {
        call(failing, Heard::Failed);
        other.iter().for_each(|other| (0..2).for_each(|_| call(other, Heard::Served)));
    }
    assert!(breakers.why(failing).is_some(), "nothing opened");
    breakers
}

/// In which order these have their turns, each named after its app, class and number, when Plivo is well again.
async fn order_of(breakers: Breakers, messages: &[(&'static str, Class, &Sender)]) -> Vec<String> {
    let turns = Turns::new();
    turns.open(&ours(), 100, well(breakers));
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    for (nth, (app, class, sender)) in messages.iter().enumerate() {
        let to = number(u32::try_from(nth).unwrap());
        let mut place = turns.enter((&ours(), app), *class, (sender, &to), &[]);
        let (order, name) = (Arc::clone(&order), format!("{app} {} {nth}", class.as_str()));
        tasks.spawn(async move {
            let mut turn = place.turn(DEADLINE).await;
            order.lock().unwrap().push(name);
            let pass = turn.used().expect("its breakers let it go");
            tokio::time::sleep(Duration::from_millis(100)).await;
            pass.report(Heard::Served, Instant::now(), 0.0);
        });
    }
    tasks.join_all().await;
    Arc::into_inner(order).unwrap().into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_the_order_decides_who_is_among_the_few_that_go() {
    use Class::{Notification, Other, Otp};
    let from = from();
    let messages = [
        ("a", Other, &from),
        ("a", Other, &from),
        ("a", Other, &from),
        ("a", Other, &from),
        ("b", Other, &from),
        ("a", Notification, &from),
        ("b", Otp, &from),
    ];
    let order = order_of(opened(&from, None), &messages).await;
    let wanted = [
        "b otp 6",
        "a notification 5",
        "a other 0",
        "b other 4",
        "a other 1",
        "a other 2",
        "a other 3",
    ];
    assert_eq!(order, wanted);
}

#[tokio::test(start_paused = true)]
async fn one_sender_that_is_held_back_holds_up_no_other_and_keeps_its_order() {
    use Class::{Other, Otp};
    let (well, failing) = (from(), Sender::parse("+14155551213", "").unwrap());
    let messages = [
        ("a", Other, &failing),
        ("a", Other, &failing),
        ("a", Other, &well),
        ("a", Otp, &failing),
        ("b", Other, &well),
    ];
    let order = order_of(opened(&failing, Some(&well)), &messages).await;
    assert_eq!(order, ["a other 2", "b other 4", "a otp 3", "a other 0", "a other 1"]);
}

#[test]
fn an_intent_is_an_open_word() {
    let classes = ["otp", "notification", "marketing", "security", "", "OTP"].map(Class::of);
    use Class::{Notification, Other, Otp};
    assert_eq!(classes, [Otp, Notification, Other, Other, Other, Other]);
}
