mod clock;
mod limits;
mod model;
mod restarts;
mod settling;

use std::task::{Context, Poll, Waker};

use message::{Calendar, Gcra, LimitKind, LimitRefusal, Period, Standing, Window};

use super::*;

/// What the future holds; memory is ready at once.
fn got<T>(mut future: LedgerFuture<'_, T>) -> Result<T, LedgerError> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("memory was not ready at once"),
    }
}

/// `seconds` after the tests' first instant, which is a Wednesday in 2026.
fn at(seconds: f64) -> Timestamp {
    Timestamp(1_780_000_000_000 + (seconds * 1_000.0) as u64)
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn id(text: &str) -> MessageId {
    MessageId(text.into())
}

fn charge(limit: &str, key: &str, kind: LimitKind, cost: u32) -> Charge {
    Charge { limit: limit.into(), key: key.into(), kind, cost, queue: false }
}

fn window(quota: u32, per_s: f64) -> LimitKind {
    LimitKind::Window(Window { quota, per: secs(per_s) })
}

fn gcra(quota: u32, per_s: f64, burst: u32) -> LimitKind {
    LimitKind::Gcra(Gcra { quota, per: secs(per_s), burst })
}

fn calendar(quota: u32, period: Period, zone: &str) -> LimitKind {
    LimitKind::Calendar(Calendar { quota, period, zone: zone.into() })
}

/// Takes and expects to be served.
fn take(ledger: &MemoryLedger, charges: &[Charge], now: Timestamp) -> (Vec<Standing>, Vec<Hold>) {
    match got(ledger.take("throttle", charges, now)).unwrap() {
        Taken::Ok { standings, holds } => (standings, holds),
        Taken::Refused(refusals) => panic!("refused at {now:?}: {refusals:?}"),
    }
}

/// Takes and expects to be refused.
fn refused(ledger: &MemoryLedger, charges: &[Charge], now: Timestamp) -> Vec<LimitRefusal> {
    match got(ledger.take("throttle", charges, now)).unwrap() {
        Taken::Refused(refusals) => refusals,
        Taken::Ok { standings, .. } => panic!("served at {now:?}: {standings:?}"),
    }
}

fn refusal(limit: &str, wait_s: f64) -> LimitRefusal {
    LimitRefusal { limit: limit.into(), wait: secs(wait_s), never: false }
}

fn reserve(ledger: &MemoryLedger, key: &str, by: &str, now: Timestamp) -> Reserved {
    got(ledger.reserve("dedup", key, secs(30.0), &id(by), now)).unwrap()
}

#[test]
fn a_value_is_there_until_its_time_is_over() {
    let ledger = MemoryLedger::default();
    let put = |value: &str, absent, now| {
        got(ledger.put("p", "k", value.into(), secs(10.0), absent, now)).unwrap()
    };
    assert!(put("one", true, at(0.0)));
    assert!(!put("two", true, at(9.999)));
    assert_eq!(got(ledger.get("p", "k", at(9.999))).unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(got(ledger.get("p", "k", at(10.0))), Ok(None));
    assert!(put("three", true, at(10.0)));
    assert!(put("four", false, at(11.0)));
    assert_eq!(got(ledger.get("p", "k", at(20.5))).unwrap().as_deref(), Some(&b"four"[..]));
}

#[test]
fn every_policy_has_a_name_space_of_its_own() {
    let ledger = MemoryLedger::default();
    got(ledger.put("a", "bc", b"x".into(), secs(10.0), false, at(0.0))).unwrap();
    assert_eq!(got(ledger.get("ab", "c", at(0.0))), Ok(None));
    assert!(matches!(reserve(&ledger, "k", "m1", at(0.0)), Reserved::Yes(_)));
    assert_eq!(got(ledger.holder("other", "k", at(0.0))), Ok(None));
}

#[test]
fn a_counter_saturates_and_lives_from_its_first_addition() {
    let ledger = MemoryLedger::default();
    let add = |delta, now| got(ledger.increment("p", "n", delta, secs(10.0), now));
    assert_eq!(
        (add(2, at(0.0)), add(-5, at(5.0)), add(i64::MAX, at(6.0))),
        (Ok(2), Ok(-3), Ok(i64::MAX - 3))
    );
    assert_eq!(add(9, at(7.0)), Ok(i64::MAX));
    assert_eq!(
        got(ledger.get("p", "n", at(9.0))).unwrap(),
        Some(i64::MAX.to_string().into_bytes())
    );
    assert_eq!(add(1, at(10.0)), Ok(1), "the second addition did not prolong it");
    got(ledger.put("p", "n", b"word".into(), secs(10.0), false, at(11.0))).unwrap();
    assert!(matches!(add(1, at(11.0)), Err(LedgerError::Invalid(_))));
}

#[test]
fn content_sent_again_inside_the_window_meets_the_first_message() {
    let ledger = MemoryLedger::default();
    assert!(matches!(reserve(&ledger, "code 1234", "m1", at(0.0)), Reserved::Yes(_)));
    let held = Holder { by: id("m1"), until: at(30.0) };
    assert_eq!(reserve(&ledger, "code 1234", "m2", at(10.0)), Reserved::Held(held.clone()));
    assert_eq!(got(ledger.holder("dedup", "code 1234", at(29.999))), Ok(Some(held)));
    assert!(matches!(reserve(&ledger, "code 1235", "m3", at(1.0)), Reserved::Yes(_)));
    assert!(
        matches!(reserve(&ledger, "code 1234", "m4", at(30.0)), Reserved::Yes(_)),
        "the window is over"
    );
}

#[test]
fn a_message_may_reserve_again_what_it_holds() {
    let ledger = MemoryLedger::default();
    let Reserved::Yes(first) = reserve(&ledger, "k", "m1", at(0.0)) else { panic!("m1 is first") };
    let Reserved::Yes(second) = reserve(&ledger, "k", "m1", at(20.0)) else {
        panic!("m1 holds it")
    };
    got(ledger.settle(vec![first], Settlement::GiveBack)).unwrap();
    assert_eq!(got(ledger.holder("dedup", "k", at(45.0))).unwrap().unwrap().until, at(50.0));
    got(ledger.settle(vec![second], Settlement::GiveBack)).unwrap();
    assert_eq!(got(ledger.holder("dedup", "k", at(45.0))), Ok(None));
}

#[test]
fn of_fifty_equal_reservations_at_once_one_is_served() {
    let ledger = MemoryLedger::default();
    let served = std::thread::scope(|scope| {
        let reserve = |n: usize| reserve(&ledger, "k", &format!("m{n}"), at(0.0));
        let threads: Vec<_> = (0..50).map(|n| scope.spawn(move || reserve(n))).collect();
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        answers.filter(|answer| matches!(answer, Reserved::Yes(_))).count()
    });
    assert_eq!(served, 1);
}

#[test]
fn keys_values_and_times_out_of_bounds_are_invalid() {
    let ledger = MemoryLedger::default();
    let put =
        |key: &str, bytes, ttl| got(ledger.put("p", key, vec![0; bytes], ttl, false, at(0.0)));
    assert_eq!(put(&"k".repeat(KEY_BYTES), 4_096, KEPT), Ok(true));
    for answer in [
        put(&"k".repeat(KEY_BYTES + 1), 1, secs(1.0)),
        put("k", 4_097, secs(1.0)),
        put("k", 1, Duration::ZERO),
        put("k", 1, KEPT + Duration::from_millis(1)),
    ] {
        assert!(matches!(answer, Err(LedgerError::Invalid(_))), "{answer:?}");
    }
    let reserved = got(ledger.reserve("p", "k", Duration::ZERO, &id("m1"), at(0.0)));
    assert!(matches!(reserved, Err(LedgerError::Invalid(_))), "{reserved:?}");
}

#[test]
fn each_kind_is_bounded_and_makes_room_when_its_entries_end() {
    let ledger = MemoryLedger::new(3);
    let put = |key: &str, now| got(ledger.put("p", key, b"x".into(), secs(10.0), false, now));
    let hold =
        |key: &str, now| got(ledger.reserve("p", key, secs(10.0), &id("m1"), now)).map(|_| ());
    let spend = |key: &str, now| {
        got(ledger.take("p", &[charge("app", key, window(5, 10.0), 1)], now)).map(|_| ())
    };
    for key in ["a", "b", "c"] {
        put(key, at(0.0)).unwrap();
        hold(key, at(0.0)).unwrap();
        spend(key, at(0.0)).unwrap();
    }
    let full = Err(LedgerError::Full);
    assert_eq!(
        (put("d", at(9.9)).map(|_| ()), hold("d", at(9.9)), spend("d", at(9.9))),
        (full.clone(), full.clone(), full)
    );
    assert_eq!(
        (put("a", at(9.9)), hold("b", at(9.9)), spend("c", at(9.9))),
        (Ok(true), Ok(()), Ok(()))
    );
    assert_eq!(
        (put("d", at(10.0)), hold("d", at(10.0)), spend("d", at(10.0))),
        (Ok(true), Ok(()), Ok(()))
    );
}
