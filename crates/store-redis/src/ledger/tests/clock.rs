//! A server's clock that lags and jumps, as a failover or a correction makes it.

use std::cell::RefCell;
use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use super::*;

const QUOTA: u32 = 5;
const PER_MS: u64 = 1_000;

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

#[tokio::test]
async fn a_clock_set_back_an_hour_neither_frees_nor_blocks_for_an_hour() {
    for ledger in Bench::new().both().await {
        for kind in [window(2, 60.0), gcra(2, 60.0, 2)] {
            let one = [charge("l", "k", kind, 1)];
            ledger.serves(&one, at(3_600.0)).await;
            ledger.serves(&one, at(3_600.0)).await;
            let wait = ledger.refuses(&one, at(0.0)).await[0].wait;
            assert!(wait <= secs(60.0), "{}: {wait:?}", ledger.name);
            ledger.serves(&one, at(0.0).after(wait)).await;
        }
        ledger.hold("k", "m1", at(7_200.0)).await;
        let held = ledger.holder("dedup", "k", at(0.0)).await.unwrap().unwrap();
        assert_eq!(held.until, at(30.0), "{}", ledger.name);
        ledger.hold("k", "m2", at(30.0)).await;
    }
}

#[tokio::test]
async fn a_clock_set_back_over_midnight_keeps_the_days_usage() {
    for ledger in Bench::new().both().await {
        let day = [charge("day", "k", calendar(1, Period::Day, "UTC"), 1)];
        let midnight = 1_780_012_800_000;
        ledger.serves(&day, Timestamp(midnight)).await;
        let refused = ledger.refuses(&day, Timestamp(midnight - 3_600_000)).await;
        assert_eq!(refused, [refusal("day", 3_600.0)]);
        ledger.serves(&day, Timestamp(midnight)).await;
    }
}

#[tokio::test]
async fn a_reading_that_lags_a_little_counts_as_the_latest() {
    for ledger in Bench::new().both().await {
        let one = [charge("l", "k", window(1, 30.0), 1)];
        ledger.serves(&one, at(100.0)).await;
        assert_eq!(ledger.refuses(&one, at(50.0)).await, [refusal("l", 30.0)], "{}", ledger.name);
        assert_eq!(ledger.refuses(&one, at(101.0)).await, [refusal("l", 29.0)], "{}", ledger.name);
        ledger.serves(&one, at(130.0)).await;
    }
}

#[test]
fn a_clock_that_is_set_back_never_admits_more() {
    let (runtime, bench) = (Runtime::new().unwrap(), RefCell::new(Bench::new()));
    let back = prop_oneof![8 => Just(0_u64), 1 => 1_u64..5_000, 1 => 60_000_u64..10_000_000];
    let steps = prop::collection::vec((0_u64..400, 1_u32..4, back), 1..100);
    let never_more = |steps: Vec<(u64, u32, u64)>| {
        let [_, server] = runtime.block_on(bench.borrow_mut().both());
        // True time only grows; the clock shows it less all the steps back.
        let (mut truth, mut behind, mut log) = (at(0.0).0, 0, [Vec::new(), Vec::new()]);
        for (later, cost, back) in steps {
            truth += later;
            behind += back;
            let now = Timestamp(truth - behind);
            for (log, kind) in log.iter_mut().zip([window(QUOTA, 1.0), gcra(QUOTA, 1.0, 3)]) {
                let name = if matches!(kind, LimitKind::Gcra(_)) { "g" } else { "w" };
                let charges = [charge(name, "k", kind, cost)];
                let taken = runtime.block_on(server.take("p", &charges, now)).unwrap();
                if matches!(taken, Taken::Ok { .. }) {
                    log.push((truth, cost));
                }
            }
        }
        prop_assert!(densest(&log[0]) <= QUOTA, "window: {:?}", log[0]);
        prop_assert!(densest(&log[1]) < QUOTA + 3, "gcra: {:?}", log[1]);
        Ok(())
    };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) };
    TestRunner::new(config).run(&steps, never_more).unwrap();
}
