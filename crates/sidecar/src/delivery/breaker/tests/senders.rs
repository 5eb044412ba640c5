//! The breakers of senders beside the account's.

use std::time::Duration;

use message::Sender;

use super::super::books::MOST_SENDERS;
use super::super::{Heard, Reason, State};
use super::bench::{Bench, pass, sender};

#[test]
fn a_sender_that_fails_among_others_that_do_not_waits_alone() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.call(Heard::Failed);
        pass(bench.breakers.admit(&sender(1), bench.now)).report(Heard::Served, bench.now, 0.0);
        pass(bench.breakers.admit(&sender(1), bench.now)).report(Heard::Served, bench.now, 0.0);
    }
    assert_eq!(bench.state(), State::Closed);
    let troubled = bench.breakers.senders();
    assert_eq!((troubled.len(), &troubled[0].0), (1, &sender(0)));
    assert_eq!(bench.wait().reason, Reason::Failing);
    drop(pass(bench.breakers.admit(&sender(1), bench.now)));

    bench.pass_time(Duration::from_secs(15));
    bench.probe().report(Heard::Served, bench.now, 0.0);
    while !bench.breakers.senders().is_empty() {
        bench.call(Heard::Served);
    }
    assert_eq!(bench.admitted_at_once(100), 100);
}

#[test]
fn what_the_accounts_trouble_explains_is_held_against_no_sender() {
    let bench = Bench::probed();
    assert!(bench.breakers.senders().is_empty());
    while bench.state() == State::Ramping {
        bench.call(Heard::Served);
    }
    assert_eq!(bench.admitted_at_once(100), 100, "the sender's own breaker was open as well");
}

#[test]
fn a_plivo_that_cannot_be_reached_is_no_senders_fault() {
    let bench = Bench::new();
    for _ in 0..20 {
        bench.calls(3, Heard::Unreached);
        for n in 1..6 {
            pass(bench.breakers.admit(&sender(n), bench.now)).report(Heard::Served, bench.now, 0.0);
        }
    }
    assert_eq!(bench.state(), State::Closed);
    assert!(bench.breakers.senders().is_empty(), "{:?}", bench.breakers.senders());
}

#[test]
fn the_breakers_of_senders_are_bounded_and_idle_ones_make_room() {
    let mut bench = Bench::new();
    let round = |bench: &Bench, senders: std::ops::Range<usize>| {
        for n in senders {
            pass(bench.breakers.admit(&sender(n), bench.now)).report(Heard::Failed, bench.now, 0.0);
            for _ in 0..2 {
                pass(bench.breakers.admit(&Sender::Pool(String::new()), bench.now)).report(
                    Heard::Served,
                    bench.now,
                    0.0,
                );
            }
        }
    };
    let tracked = |bench: &Bench| bench.breakers.books().tracked_senders();
    round(&bench, 0..MOST_SENDERS + 1);
    assert_eq!(tracked(&bench), MOST_SENDERS);
    for n in 0..MOST_SENDERS {
        pass(bench.breakers.admit(&sender(n), bench.now)).report(Heard::Served, bench.now, 0.0);
    }
    bench.pass_time(Duration::from_secs(30));
    round(&bench, MOST_SENDERS..MOST_SENDERS + 1);
    assert_eq!(tracked(&bench), 1, "idle ones stayed");
}
