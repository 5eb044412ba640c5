//! Limits under clocks that lag, jump and run.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const QUOTA: u32 = 5;
const PER_MS: u64 = 1_000;

fn served(ledger: &MemoryLedger, kind: &LimitKind, cost: u32, now: u64) -> Option<Vec<Hold>> {
    match got(ledger.take("p", &[charge("l", "k", kind.clone(), cost)], Timestamp(now))).unwrap() {
        Taken::Ok { holds, .. } => Some(holds),
        Taken::Refused(_) => None,
    }
}

/// The most cost in any `PER_MS`, of (instant, cost) in order.
fn densest(served: &[(u64, u32)]) -> u32 {
    let (mut inside, mut sum, mut most) = (VecDeque::new(), 0, 0);
    for &(at, cost) in served {
        inside.push_back((at, cost));
        sum += cost;
        while let Some((_, left)) = inside.pop_front_if(|(first, _)| *first + PER_MS <= at) {
            sum -= left;
        }
        most = most.max(sum);
    }
    most
}

#[test]
fn a_clock_set_back_an_hour_neither_frees_nor_blocks_for_an_hour() {
    for kind in [window(2, 60.0), gcra(2, 60.0, 2)] {
        let ledger = MemoryLedger::default();
        let one = [charge("l", "k", kind, 1)];
        take(&ledger, &one, at(3_600.0));
        take(&ledger, &one, at(3_600.0));
        let wait = refused(&ledger, &one, at(0.0))[0].wait;
        assert!(wait <= secs(60.0), "{wait:?}");
        take(&ledger, &one, at(0.0).after(wait));
    }
}

#[test]
fn a_clock_set_back_over_midnight_keeps_the_days_usage() {
    let ledger = MemoryLedger::default();
    let day = [charge("day", "k", calendar(1, Period::Day, "UTC"), 1)];
    let midnight = 1_780_012_800_000;
    take(&ledger, &day, Timestamp(midnight));
    assert_eq!(refused(&ledger, &day, Timestamp(midnight - 3_600_000)), [refusal("day", 3_600.0)]);
    take(&ledger, &day, Timestamp(midnight));
}

proptest! {
    /// The model: a list of everything that was ever served.
    #[test]
    fn a_window_serves_exactly_what_a_full_log_would(steps in prop::collection::vec((0_u64..400, 1_u32..4), 1..120)) {
        let (ledger, kind) = (MemoryLedger::default(), window(QUOTA, 1.0));
        let (mut now, mut log) = (at(0.0).0, Vec::<(u64, u32)>::new());
        for (later, cost) in steps {
            now += later;
            let used: u32 = log.iter().filter(|(at, _)| at + PER_MS > now).map(|(_, cost)| cost).sum();
            let fits = used + cost <= QUOTA;
            prop_assert_eq!(served(&ledger, &kind, cost, now).is_some(), fits, "at {} with {} used", now, used);
            if fits {
                log.push((now, cost));
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_never_admits_more(
        steps in prop::collection::vec((0_u64..400, 1_u32..4, prop_oneof![8 => Just(0_u64), 1 => 1_u64..5_000, 1 => 60_000_u64..10_000_000]), 1..200),
    ) {
        let (ledger, kind) = (MemoryLedger::default(), window(QUOTA, 1.0));
        // True time only grows; the clock shows it less all the steps back.
        let (mut truth, mut behind, mut log) = (at(0.0).0, 0, Vec::new());
        for (later, cost, back) in steps {
            truth += later;
            behind += back;
            if served(&ledger, &kind, cost, truth - behind).is_some() {
                log.push((truth, cost));
            }
        }
        prop_assert!(densest(&log) <= QUOTA, "{:?}", log);
    }

    #[test]
    fn requests_that_overtake_each_other_never_get_more(
        steps in prop::collection::vec((0_u64..400, 1_u32..4, 0_u64..60_000), 1..200),
    ) {
        let (ledger, kind) = (MemoryLedger::default(), window(QUOTA, 1.0));
        let (mut latest, mut truth, mut log) = (0, at(0.0).0, Vec::new());
        for (later, cost, lag) in steps {
            truth += later;
            let reading = truth - lag;
            latest = latest.max(reading);
            if served(&ledger, &kind, cost, reading).is_some() {
                log.push((latest, cost));
            }
        }
        prop_assert!(densest(&log) <= QUOTA, "{:?}", log);
    }

    #[test]
    fn gcra_admits_at_most_quota_and_burst_in_any_period(
        burst in 1_u32..6,
        steps in prop::collection::vec((0_u64..400, prop_oneof![8 => Just(0_u64), 1 => 60_000_u64..10_000_000]), 1..200),
    ) {
        let (ledger, kind) = (MemoryLedger::default(), gcra(QUOTA, 1.0, burst));
        let (mut truth, mut behind, mut log) = (at(0.0).0, 0, Vec::new());
        for (later, back) in steps {
            truth += later;
            behind += back;
            if served(&ledger, &kind, 1, truth - behind).is_some() {
                log.push((truth, 1));
            }
        }
        prop_assert!(densest(&log) < QUOTA + burst, "{:?}", log);
    }

    /// Giving back never lets more through than if the given back had never been asked for.
    #[test]
    fn gcra_with_what_was_given_back_left_out_keeps_its_bound(
        burst in 1_u32..6,
        steps in prop::collection::vec((0_u64..400, any::<bool>(), 0_usize..6), 1..200),
    ) {
        let (ledger, kind) = (MemoryLedger::default(), gcra(QUOTA, 1.0, burst));
        let (mut now, mut log, mut open) = (at(0.0).0, Vec::new(), Vec::<(usize, Vec<Hold>)>::new());
        for (later, give_back, which) in steps {
            now += later;
            if let Some(holds) = served(&ledger, &kind, 1, now) {
                open.push((log.len(), holds));
                log.push((now, 1_u32));
            }
            if give_back && !open.is_empty() {
                let (at, holds) = open.swap_remove(which % open.len());
                got(ledger.settle(holds, Settlement::GiveBack)).unwrap();
                log[at].1 = 0;
            }
        }
        prop_assert!(densest(&log) < QUOTA + burst, "{:?}", log);
    }

    #[test]
    fn a_wait_is_neither_too_short_nor_too_long(
        kind in prop_oneof![Just(window(QUOTA, 1.0)), Just(gcra(QUOTA, 1.0, 3)), Just(calendar(QUOTA, Period::Day, "UTC"))],
        costs in prop::collection::vec((0_u64..300, 1_u32..4), 1..40),
    ) {
        let ledger = MemoryLedger::default();
        let mut now = at(0.0).0;
        for (later, cost) in costs {
            now += later;
            let one = [charge("l", "k", kind.clone(), cost)];
            if let Taken::Refused(refusals) = got(ledger.take("p", &one, Timestamp(now))).unwrap() {
                let wait = refusals[0].wait;
                prop_assert!(wait > Duration::ZERO);
                let early = Timestamp(now).after(wait.saturating_sub(Duration::from_millis(1)));
                let peek = |now| got(ledger.peek("p", &one, now)).unwrap();
                prop_assert!(matches!(peek(early), Taken::Refused(_)), "a millisecond before {:?}", wait);
                now = Timestamp(now).after(wait).0;
                prop_assert!(matches!(peek(Timestamp(now)), Taken::Ok { .. }), "after {:?}", wait);
            }
        }
    }
}
