//! What opens a breaker, what is tried then, and what closes it.

mod bench;
mod model;
mod senders;
mod waits;

use std::time::Duration;

use self::bench::Bench;
pub(in super::super) use self::bench::settings;
use super::circuit::NO_CREDIT;
use super::{Heard, Reason, Settings, State};

#[test]
fn five_failures_in_a_row_open_it_and_four_do_not() {
    for failure in [Heard::Failed, Heard::Unreached] {
        let bench = Bench::new();
        bench.calls(4, failure);
        bench.call(Heard::Served);
        bench.calls(4, failure);
        assert_eq!(bench.state(), State::Closed, "{failure:?}");
        bench.call(failure);
        assert_eq!(bench.state(), State::Open, "{failure:?}");
    }
}

#[test]
fn one_that_is_suspected_is_probed_at_once_before_anybody_goes_and_ramps() {
    let bench = Bench::new();
    bench.breakers.suspect(Reason::Failing, bench.now);
    let probe = bench.probe();
    assert_eq!(bench.wait().reason, Reason::Failing);
    probe.report(Heard::Served, bench.now, 0.0);
    assert_eq!(bench.state(), State::Ramping);

    let bench = Bench::open();
    bench.breakers.suspect(Reason::Unreachable, bench.now);
    assert_eq!(bench.wait().reason, Reason::Failing, "it knows better");
}

#[test]
fn one_that_is_suspected_for_want_of_credit_is_probed_when_somebody_may_have_paid() {
    let bench = Bench::new();
    bench.breakers.suspect(Reason::Credit, bench.now);
    assert_eq!((bench.wait().reason, bench.open_time()), (Reason::Credit, NO_CREDIT));
}

#[test]
fn half_of_twenty_calls_in_thirty_seconds_open_it() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.call(Heard::Served);
        bench.call(Heard::Failed);
    }
    bench.call(Heard::Served);
    assert_eq!(bench.state(), State::Closed, "nineteen calls are too few");
    bench.pass_time(Duration::from_secs(26));
    bench.call(Heard::Failed);
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn failures_that_are_too_long_ago_do_not_count() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.call(Heard::Served);
        bench.call(Heard::Failed);
    }
    bench.call(Heard::Served);
    bench.pass_time(Duration::from_secs(30));
    bench.call(Heard::Failed);
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn one_that_has_ramped_for_as_long_as_failures_count_is_closed_however_few_calls_came() {
    let mut bench = Bench::probed();
    bench.calls(3, Heard::Served);
    assert_eq!(bench.state(), State::Ramping);
    bench.pass_time(Duration::from_secs(30));
    bench.call(Heard::Failed);
    assert_eq!(bench.state(), State::Closed, "one failure opened it");

    bench.calls(4, Heard::Failed);
    let until = bench.breakers.standing().until;
    assert_eq!(until, Some(bench.now + Duration::from_secs(15)), "it remembers the last time");
}

#[test]
fn refusals_and_calls_for_patience_are_no_failures() {
    let bench = Bench::new();
    bench.calls(100, Heard::Paced);
    bench.calls(4, Heard::Failed);
    bench.call(Heard::Paced);
    assert_eq!(bench.state(), State::Closed);
    bench.call(Heard::Failed);
    assert_eq!(bench.state(), State::Open, "patience asked for is no success either");
}

#[test]
fn an_open_one_says_until_when_and_why() {
    let bench = Bench::new();
    bench.calls(5, Heard::Unreached);
    let standing = bench.breakers.standing();
    assert_eq!((standing.since, standing.reason), (Some(bench.now), Some(Reason::Unreachable)));
    assert_eq!(standing.until, Some(bench.now + Duration::from_secs(15)));
    let wait = bench.wait();
    assert_eq!((wait.until, wait.reason), (standing.until, Reason::Unreachable));
}

#[test]
fn exactly_one_is_told_to_probe_and_a_probe_that_is_dropped_passes_on() {
    let mut bench = Bench::open();
    bench.pass_time(Duration::from_secs(14));
    bench.wait();
    bench.pass_time(Duration::from_secs(1));
    let probe = bench.probe();
    assert_eq!(bench.wait().until, None);
    drop(probe);
    bench.probe().report(Heard::Served, bench.now, 0.0);
    assert_eq!(bench.state(), State::Ramping);
}

#[test]
fn messages_come_back_in_rounds_of_twice_as_many() {
    let bench = Bench::probed();
    let mut rounds = Vec::new();
    while bench.state() == State::Ramping {
        let round = bench.admitted();
        rounds.push(round.len());
        bench.wait();
        for pass in round {
            pass.report(Heard::Served, bench.now, 0.0);
        }
    }
    assert_eq!(rounds, [1, 2, 4, 8, 16]);
    assert_eq!(bench.state(), State::Closed);
    assert_eq!(bench.breakers.standing().reason, None);
}

#[test]
fn a_message_of_a_round_without_a_verdict_leaves_its_place_to_another() {
    let bench = Bench::probed();
    drop(bench.pass());
    bench.call(Heard::Paced);
    bench.call(Heard::Served);
    assert_eq!(bench.admitted().len(), 2);
}

#[test]
fn failures_while_it_comes_back_open_it_for_twice_as_long_up_to_the_longest() {
    let mut bench = Bench::open();
    let mut times = vec![bench.open_time().as_secs()];
    for nth in 0..6 {
        bench.pass_open_time();
        if nth % 2 == 0 {
            bench.probe().report(Heard::Failed, bench.now, 0.0);
        } else {
            bench.probe().report(Heard::Served, bench.now, 0.0);
            bench.call(Heard::Failed);
        }
        times.push(bench.open_time().as_secs());
    }
    assert_eq!(times, [15, 30, 60, 120, 240, 300, 300]);
}

#[test]
fn chance_takes_off_a_quarter_at_most() {
    for (random, expected) in [(0.0, 15_000), (0.5, 13_125), (1.0, 11_250), (7.0, 11_250)] {
        let bench = Bench::new();
        bench.calls(4, Heard::Failed);
        bench.pass().report(Heard::Failed, bench.now, random);
        assert_eq!(bench.open_time().as_millis(), expected, "{random}");
    }
}

#[test]
fn a_close_forgets_how_often_it_had_opened() {
    let mut bench = Bench::open();
    bench.pass_open_time();
    bench.probe().report(Heard::Failed, bench.now, 0.0);
    bench.pass_open_time();
    bench.probe().report(Heard::Served, bench.now, 0.0);
    while bench.state() == State::Ramping {
        bench.call(Heard::Served);
    }
    bench.calls(5, Heard::Failed);
    assert_eq!(bench.open_time().as_secs(), 15);
}

#[test]
fn calls_from_before_it_opened_do_not_count_after() {
    let mut bench = Bench::new();
    let old = [bench.pass(), bench.pass(), bench.pass()];
    bench.calls(5, Heard::Failed);
    let until = bench.breakers.standing().until;
    let [first, second, third] = old;
    first.report(Heard::Failed, bench.now, 0.0);
    second.report(Heard::Served, bench.now, 0.0);
    assert_eq!(bench.breakers.standing().until, until);
    bench.pass_open_time();
    bench.probe().report(Heard::Served, bench.now, 0.0);
    third.report(Heard::Failed, bench.now, 0.0);
    assert_eq!(bench.state(), State::Ramping);
}

#[test]
fn want_of_credit_is_looked_at_every_thirty_seconds() {
    let mut bench = Bench::new();
    bench.call(Heard::NoCredit);
    for _ in 0..3 {
        assert_eq!(bench.wait().reason, Reason::Credit);
        assert_eq!(bench.open_time(), NO_CREDIT);
        bench.pass_open_time();
        bench.probe().report(Heard::Served, bench.now, 0.0);
        bench.call(Heard::NoCredit);
    }
}

#[test]
fn wrong_credentials_and_a_bad_certificate_stay_until_a_reset() {
    for (heard, reason) in
        [(Heard::Credentials, Reason::Credentials), (Heard::Untrusted, Reason::Certificate)]
    {
        let mut bench = Bench::new();
        let other = bench.pass();
        bench.call(heard);
        bench.pass_time(Duration::from_secs(1_000_000));
        let wait = bench.wait();
        assert_eq!((wait.until, wait.reason), (None, reason));
        other.report(Heard::Served, bench.now, 0.0);
        assert_eq!(bench.state(), State::Latched);
        bench.breakers.reset();
        bench.call(Heard::Served);
        assert_eq!(bench.state(), State::Closed);
    }
}

#[test]
fn a_probe_can_latch_it() {
    let mut bench = Bench::open();
    bench.pass_open_time();
    bench.probe().report(Heard::Credentials, bench.now, 0.0);
    assert_eq!(bench.wait().reason, Reason::Credentials);
}

#[test]
fn what_began_before_a_reset_says_nothing_of_what_came_after() {
    let bench = Bench::new();
    let old = bench.pass();
    bench.breakers.reset();
    old.report(Heard::Credentials, bench.now, 0.0);
    assert_eq!(bench.state(), State::Closed, "the old credentials latched the new ones");
}

#[test]
fn other_settings_hold_from_the_next_report_on() {
    let bench = Bench::new();
    let open = Duration::from_secs(1);
    bench.breakers.set(Settings { failures: 2, open, ..bench::settings() });
    bench.calls(2, Heard::Failed);
    assert_eq!(bench.open_time(), open);
}
