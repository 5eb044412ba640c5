//! How each kind of limit counts, and several together.

use super::*;

fn app(cost: u32) -> [Charge; 1] {
    [charge("app", "billing", window(10, 60.0), cost)]
}

fn paced(cost: u32) -> [Charge; 1] {
    [charge("app", "billing", gcra(10, 60.0, 10), cost)]
}

fn queued(quota: u32, burst: u32, cost: u32) -> [Charge; 1] {
    [Charge { queue: true, ..charge("sender", "+1", gcra(quota, 1.0, burst), cost) }]
}

#[test]
fn a_window_is_half_open() {
    let ledger = MemoryLedger::default();
    for used in 1..=10 {
        let (standings, _) = take(&ledger, &app(1), at(0.0));
        let expected = Standing {
            limit: "app".into(),
            remaining: 10 - used,
            reset: secs(60.0),
            delay: secs(0.0),
        };
        assert_eq!(standings, [expected]);
    }
    assert_eq!(refused(&ledger, &app(1), at(30.0)), [refusal("app", 30.0)]);
    assert_eq!(refused(&ledger, &app(1), at(59.999)), [refusal("app", 0.001)]);
    let (standings, _) = take(&ledger, &app(1), at(60.0));
    assert_eq!(standings[0].remaining, 9, "all ten of the first instant have left");
}

#[test]
fn a_window_slides() {
    let ledger = MemoryLedger::default();
    for second in 0..10 {
        take(&ledger, &app(1), at(f64::from(second)));
    }
    assert_eq!(refused(&ledger, &app(1), at(59.5)), [refusal("app", 0.5)]);
    take(&ledger, &app(1), at(60.0));
    assert_eq!(refused(&ledger, &app(1), at(60.0)), [refusal("app", 1.0)]);
    assert_eq!(
        refused(&ledger, &app(3), at(60.0)),
        [refusal("app", 3.0)],
        "three must leave first"
    );
}

#[test]
fn a_cost_above_one_takes_as_much_of_the_window() {
    let ledger = MemoryLedger::default();
    take(&ledger, &app(7), at(0.0));
    assert_eq!(refused(&ledger, &app(4), at(1.0)), [refusal("app", 59.0)]);
    take(&ledger, &app(3), at(1.0));
    let never = LimitRefusal { never: true, ..refusal("app", 0.0) };
    assert_eq!(refused(&ledger, &app(11), at(500.0)), [never]);
    take(&ledger, &app(0), at(2.0));
}

#[test]
fn gcra_paces_after_its_burst() {
    let ledger = MemoryLedger::default();
    for used in 1..=10 {
        let (standings, _) = take(&ledger, &paced(1), at(0.0));
        assert_eq!(
            (standings[0].remaining, standings[0].reset),
            (10 - used, secs(6.0 * f64::from(used)))
        );
    }
    assert_eq!(refused(&ledger, &paced(1), at(5.0)), [refusal("app", 1.0)]);
    take(&ledger, &paced(1), at(6.0));
    assert_eq!(refused(&ledger, &paced(1), at(6.0)), [refusal("app", 6.0)]);
    assert_eq!(refused(&ledger, &paced(2), at(6.0)), [refusal("app", 12.0)]);
    assert!(refused(&ledger, &paced(11), at(500.0))[0].never);
}

#[test]
fn gcra_queues_where_it_may_and_says_how_far_away() {
    let ledger = MemoryLedger::default();
    let delay = |charges: &[Charge], now| take(&ledger, charges, now).0[0].delay;
    assert_eq!(delay(&queued(1, 1, 1), at(0.0)), secs(0.0));
    assert_eq!(delay(&queued(1, 1, 3), at(0.0)), secs(1.0), "three segments, due after the first");
    assert_eq!(delay(&queued(1, 1, 1), at(0.0)), secs(4.0), "and all three are charged");
    assert_eq!(delay(&queued(1, 1, 1), at(10.0)), secs(0.0));
    let other = MemoryLedger::default();
    let delays: Vec<Duration> =
        (0..4).map(|_| take(&other, &queued(5, 2, 1), at(0.0)).0[0].delay).collect();
    assert_eq!(delays, [secs(0.0), secs(0.0), secs(0.2), secs(0.4)]);
}

#[test]
fn a_quota_that_does_not_divide_its_period_is_not_exceeded() {
    let ledger = MemoryLedger::default();
    let seventh = [charge("app", "a", gcra(7, 1.0, 1), 1)];
    let admitted = (0..10_000).filter(|ms| {
        let now = Timestamp(at(0.0).0 + ms);
        matches!(got(ledger.take("throttle", &seventh, now)).unwrap(), Taken::Ok { .. })
    });
    assert!(admitted.count() <= 70);
}

#[test]
fn a_calendar_quota_ends_at_the_zones_midnight() {
    let ledger = MemoryLedger::default();
    let day = |cost| {
        [charge("tollfree", "+1800", calendar(500, Period::Day, "America/Los_Angeles"), cost)]
    };
    let midnight: jiff::Timestamp = "2026-03-08T08:00:00Z".parse().unwrap();
    let midnight = Timestamp(u64::try_from(midnight.as_millisecond()).unwrap());
    take(&ledger, &day(500), Timestamp(midnight.0 - 3_600_000));
    assert_eq!(
        refused(&ledger, &day(1), Timestamp(midnight.0 - 1_000)),
        [refusal("tollfree", 1.0)]
    );
    let (standings, _) = take(&ledger, &day(1), midnight);
    assert_eq!(
        (standings[0].remaining, standings[0].reset),
        (499, secs(23.0 * 3_600.0)),
        "a day of 23 hours"
    );
    assert!(refused(&ledger, &day(501), midnight)[0].never);
}

#[test]
fn all_limits_are_charged_or_none() {
    let ledger = MemoryLedger::default();
    let both = |now| {
        let charges =
            [charge("a", "k", window(1, 10.0), 1), charge("b", "k", window(100, 10.0), 1)];
        got(ledger.take("throttle", &charges, now)).unwrap()
    };
    let left_of_b = || {
        let peeked =
            got(ledger.peek("throttle", &[charge("b", "k", window(100, 10.0), 1)], at(1.0)))
                .unwrap();
        let Taken::Ok { standings, holds } = peeked else { panic!("b has room") };
        assert_eq!(holds, [], "a peek holds nothing");
        standings[0].remaining
    };
    assert!(matches!(both(at(0.0)), Taken::Ok { .. }));
    assert_eq!(both(at(1.0)), Taken::Refused(vec![refusal("a", 9.0)]));
    assert_eq!(
        (left_of_b(), left_of_b()),
        (98, 98),
        "one charged, one looked at, none by the refusal"
    );
}

#[test]
fn every_limit_that_refuses_is_named_with_its_own_wait() {
    let ledger = MemoryLedger::default();
    let charges = [
        charge("a", "k", window(1, 10.0), 1),
        charge("b", "k", gcra(1, 60.0, 1), 1),
        charge("c", "k", window(9, 10.0), 1),
        charge("d", "k", calendar(0, Period::Day, "UTC"), 1),
    ];
    take(&ledger, &charges[..3], at(0.0));
    let never = LimitRefusal { never: true, ..refusal("d", 0.0) };
    assert_eq!(refused(&ledger, &charges, at(4.0)), [refusal("a", 6.0), refusal("b", 56.0), never]);
}

#[test]
fn keys_do_not_share_their_usage() {
    let ledger = MemoryLedger::default();
    let pair = |key: &str| [charge("pair", key, window(30, 30.0), 30)];
    take(&ledger, &pair("a"), at(0.0));
    assert_eq!(refused(&ledger, &pair("a"), at(10.0)), [refusal("pair", 20.0)]);
    take(&ledger, &pair("b"), at(10.0));
}

#[test]
fn usage_survives_a_change_of_the_quota() {
    let ledger = MemoryLedger::default();
    let of = |quota| [charge("app", "k", window(quota, 60.0), 1)];
    for _ in 0..15 {
        take(&ledger, &of(20), at(0.0));
    }
    assert_eq!(refused(&ledger, &of(10), at(30.0)), [refusal("app", 30.0)], "no fresh bucket");
    assert_eq!(take(&ledger, &of(17), at(30.0)).0[0].remaining, 1);

    let pace = |quota, burst| [charge("pace", "k", gcra(quota, 60.0, burst), 1)];
    for _ in 0..10 {
        take(&ledger, &pace(10, 10), at(0.0));
    }
    assert_eq!(refused(&ledger, &pace(60, 1), at(0.0)), [refusal("pace", 60.0)]);

    let day = |quota| [charge("day", "k", calendar(quota, Period::Day, "UTC"), 4)];
    take(&ledger, &day(5), at(0.0));
    assert_eq!(take(&ledger, &day(9), at(0.0)).0[0].remaining, 1);
}

#[test]
fn usage_survives_a_period_that_was_made_longer() {
    let ledger = MemoryLedger::default();
    let of = |seconds| [charge("app", "k", window(3, seconds), 1)];
    for _ in 0..3 {
        take(&ledger, &of(5.0), at(0.0));
    }
    assert_eq!(refused(&ledger, &of(3_600.0), at(2.0)), [refusal("app", 3_598.0)]);
    assert_eq!(refused(&ledger, &of(3_600.0), at(3_599.0)), [refusal("app", 1.0)]);
    take(&ledger, &of(3_600.0), at(3_600.0));
}

#[test]
fn a_limit_of_another_kind_starts_afresh() {
    let ledger = MemoryLedger::default();
    take(&ledger, &[charge("app", "k", window(1, 60.0), 1)], at(0.0));
    take(&ledger, &[charge("app", "k", gcra(1, 60.0, 1), 1)], at(1.0));
    take(&ledger, &[charge("app", "k", calendar(1, Period::Day, "UTC"), 1)], at(2.0));
    take(&ledger, &[charge("app", "k", calendar(1, Period::Week, "UTC"), 1)], at(3.0));
    refused(&ledger, &[charge("app", "k", calendar(1, Period::Week, "UTC"), 1)], at(4.0));
}

#[test]
fn charges_that_no_limit_can_mean_are_invalid_and_charge_nothing() {
    let ledger = MemoryLedger::default();
    let good = charge("good", "k", window(1, 60.0), 1);
    for bad in [
        charge("", "k", window(1, 1.0), 1),
        charge(&"l".repeat(129), "k", window(1, 1.0), 1),
        charge("bad", &"k".repeat(257), window(1, 1.0), 1),
        charge("bad", "k", window(1, 0.0), 1),
        charge("bad", "k", window(1, 367.0 * 86_400.0), 1),
        charge("bad", "k", gcra(0, 1.0, 1), 1),
        charge("bad", "k", gcra(1, 1.0, 0), 1),
        charge("bad", "k", calendar(1, Period::Day, "Mars/Olympus"), 1),
        Charge { queue: true, ..charge("bad", "k", window(1, 1.0), 1) },
        good.clone(),
    ] {
        let answer = got(ledger.take("throttle", &[good.clone(), bad.clone()], at(0.0)));
        assert!(matches!(answer, Err(LedgerError::Invalid(_))), "{bad:?}: {answer:?}");
    }
    let many = vec![good.clone(); 65];
    assert!(matches!(got(ledger.take("throttle", &many, at(0.0))), Err(LedgerError::Invalid(_))));
    assert_eq!(
        got(ledger.take("throttle", &[], at(0.0))),
        Ok(Taken::Ok { standings: vec![], holds: vec![] })
    );
    take(&ledger, &[good], at(0.0));
}
