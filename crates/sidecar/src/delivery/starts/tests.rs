use std::sync::Arc;
use std::time::Duration;

use message::{E164, Sender};
use tokio::time::Instant;

use super::super::breaker::{Breakers, Heard, settings};
use super::super::now;
use super::super::turns::{Breaker, Class, Turns};
use super::*;

/// Turns for all, and how a message to one number takes a place.
fn turns() -> (Turns, impl Fn() -> Place + Clone + Send + 'static) {
    let (turns, ours): (_, Arc<str>) = (Turns::new(), message::DEFAULT_ACCOUNT.into());
    let breakers = Breakers::new(Arc::clone(&ours), settings());
    let well =
        |probe: super::super::breaker::Probe| probe.report(Heard::Served, Instant::now(), 0.0);
    turns.open(&ours, 9, Breaker::new(breakers, well));
    let enter = {
        let turns = turns.clone();
        move || {
            let to = E164::parse("+14155550123", "").unwrap();
            let from = Sender::parse("+14155551212", "").unwrap();
            turns.enter((&ours, "a"), Class::Other, (&from, &to), &[])
        }
    };
    (turns, enter)
}

/// Notes the order in which messages take their places.
fn noting(
    order: &Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
    enter: impl FnOnce() -> Place + Send + 'static,
) -> impl FnOnce() -> Place + Send + 'static {
    let order = Arc::clone(order);
    move || {
        order.lock().unwrap().push(name);
        enter()
    }
}

#[tokio::test]
async fn those_of_one_instant_take_their_places_in_the_order_of_acceptance() {
    let ((_turns, enter), order) = (turns(), Arc::default());
    let (starts, at) = (Starts::default(), now().after(Duration::from_millis(20)));
    let after = at.after(Duration::from_millis(1));
    let mut later = starts.put_off(after, noting(&order, "later", enter.clone()));
    let mut first = starts.put_off(at, noting(&order, "first", enter.clone()));
    let mut second = starts.put_off(at, noting(&order, "second", enter));

    // Whoever looks first lets all of them in, as the one whose timer fires first.
    let _places = (later.come().await, second.come().await, first.come().await);

    assert_eq!(*order.lock().unwrap(), ["first", "second", "later"]);
}

#[tokio::test]
async fn one_that_does_not_wait_any_more_takes_no_place() {
    let ((_turns, enter), order) = (turns(), Arc::default());
    let (starts, at) = (Starts::default(), now());
    let gone = starts.put_off(at, noting(&order, "gone", enter.clone()));
    let mut stays = starts.put_off(at, noting(&order, "stays", enter));

    drop(gone);
    let _place = stays.come().await;

    assert_eq!(*order.lock().unwrap(), ["stays"]);
    assert_eq!(format!("{starts:?}"), "Starts(0 waiting)");
}

#[tokio::test]
async fn a_place_that_was_taken_for_one_that_is_gone_holds_nobody_back() {
    let (turns, enter) = turns();
    let (starts, at) = (Starts::default(), now());
    let gone = starts.put_off(at, enter.clone());
    let mut stays = starts.put_off(at, enter);
    starts.let_in(at);

    drop(gone);
    let mut place = stays.come().await;

    let _turn = place.turn(Timestamp(1)).await;
    assert_eq!(format!("{turns:?}"), "Turns(0 waiting)");
}
