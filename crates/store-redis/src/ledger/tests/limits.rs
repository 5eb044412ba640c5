//! How each kind of limit counts, by memory and by the server.

use super::*;

fn app(cost: u32) -> [Charge; 1] {
    [charge("app", "billing", window(10, 60.0), cost)]
}

fn queued(quota: u32, burst: u32, cost: u32) -> [Charge; 1] {
    [Charge { queue: true, ..charge("sender", "+1", gcra(quota, 1.0, burst), cost) }]
}

#[tokio::test]
async fn a_window_is_half_open_and_slides() {
    for ledger in Bench::new().both().await {
        for second in 0..10 {
            ledger.serves(&app(1), at(f64::from(second))).await;
        }
        assert_eq!(ledger.refuses(&app(1), at(59.999)).await, [refusal("app", 0.001)]);
        let (standings, _) = ledger.serves(&app(1), at(60.0)).await;
        assert_eq!((standings[0].remaining, standings[0].reset), (0, secs(1.0)));
        assert_eq!(ledger.refuses(&app(3), at(60.0)).await, [refusal("app", 3.0)]);
        let never = LimitRefusal { never: true, ..refusal("app", 0.0) };
        assert_eq!(ledger.refuses(&app(11), at(500.0)).await, [never]);
    }
}

#[tokio::test]
async fn a_period_that_was_made_longer_counts_what_the_shorter_one_still_counted() {
    for ledger in Bench::new().both().await {
        let of = |seconds| [charge("app", "k", window(3, seconds), 1)];
        for _ in 0..3 {
            ledger.serves(&of(5.0), at(0.0)).await;
        }
        assert_eq!(ledger.refuses(&of(3_600.0), at(2.0)).await, [refusal("app", 3_598.0)]);
        assert_eq!(ledger.refuses(&of(3_600.0), at(3_599.0)).await, [refusal("app", 1.0)]);
        ledger.serves(&of(3_600.0), at(3_600.0)).await;
    }
}

#[tokio::test]
async fn gcra_paces_after_its_burst_and_queues_where_it_may() {
    for ledger in Bench::new().both().await {
        let paced = |cost| [charge("app", "billing", gcra(10, 60.0, 10), cost)];
        for used in 1..=10 {
            let (standings, _) = ledger.serves(&paced(1), at(0.0)).await;
            let reset = secs(6.0 * f64::from(used));
            assert_eq!((standings[0].remaining, standings[0].reset), (10 - used, reset));
        }
        assert_eq!(ledger.refuses(&paced(1), at(5.0)).await, [refusal("app", 1.0)]);
        assert_eq!(ledger.refuses(&paced(2), at(6.0)).await, [refusal("app", 6.0)]);
        assert!(ledger.refuses(&paced(11), at(500.0)).await[0].never);

        let mut delays = Vec::new();
        for cost in [3, 1, 1] {
            delays.push(ledger.serves(&queued(1, 1, cost), at(0.0)).await.0[0].delay);
        }
        assert_eq!(delays, [secs(0.0), secs(3.0), secs(4.0)].map(|delay| delay), "{}", ledger.name);
    }
}

#[tokio::test]
async fn a_pace_below_a_millisecond_is_kept() {
    for ledger in Bench::new().both().await {
        // One in 333,334 nanoseconds.
        let charge = [charge("app", "k", gcra(3_000, 1.0, 1), 1)];
        let mut served = 0;
        for ms in 0..300 {
            for _ in 0..4 {
                let taken = ledger.take("p", &charge, Timestamp(at(0.0).0 + ms)).await.unwrap();
                served += u32::from(matches!(taken, Taken::Ok { .. }));
            }
        }
        assert_eq!(served, 300, "{}: clocks show milliseconds, and the burst is one", ledger.name);
        let queued = Charge { queue: true, ..charge[0].clone() };
        let mut last = Duration::ZERO;
        for _ in 0..3_000 {
            last = ledger.serves(std::slice::from_ref(&queued), at(10.0)).await.0[0].delay;
        }
        assert_eq!(
            last,
            secs(1.0),
            "{}: the three thousandth is due after 2,999 spans",
            ledger.name
        );
    }
}

#[tokio::test]
async fn a_calendar_quota_ends_at_the_zones_midnight() {
    for ledger in Bench::new().both().await {
        let zone = "America/Los_Angeles";
        let day = |cost| [charge("tollfree", "+1800", calendar(500, Period::Day, zone), cost)];
        let midnight: jiff::Timestamp = "2026-03-08T08:00:00Z".parse().unwrap();
        let midnight = u64::try_from(midnight.as_millisecond()).unwrap();
        ledger.serves(&day(500), Timestamp(midnight - 3_600_000)).await;
        let refused = ledger.refuses(&day(1), Timestamp(midnight - 1_000)).await;
        assert_eq!(refused, [refusal("tollfree", 1.0)]);
        let (standings, _) = ledger.serves(&day(1), Timestamp(midnight)).await;
        let reset = secs(23.0 * 3_600.0);
        assert_eq!((standings[0].remaining, standings[0].reset), (499, reset), "a day of 23 hours");
    }
}

#[tokio::test]
async fn all_limits_are_charged_or_none_and_each_that_refuses_is_named() {
    for ledger in Bench::new().both().await {
        let charges = [
            charge("a", "k", window(1, 10.0), 1),
            charge("b", "k", gcra(1, 60.0, 1), 1),
            charge("c", "k", window(9, 10.0), 1),
            charge("d", "k", calendar(0, Period::Day, "UTC"), 1),
        ];
        ledger.serves(&charges[..3], at(0.0)).await;
        let never = LimitRefusal { never: true, ..refusal("d", 0.0) };
        let refused = ledger.refuses(&charges, at(4.0)).await;
        assert_eq!(refused, [refusal("a", 6.0), refusal("b", 56.0), never]);
        let peeked = ledger.peek("throttle", &charges[2..3], at(4.0)).await.unwrap();
        let Taken::Ok { standings, holds } = peeked else { panic!("c has room") };
        assert_eq!((standings[0].remaining, holds), (7, vec![]), "charged once, looked at once");
    }
}

#[tokio::test]
async fn usage_survives_a_change_of_the_quota_and_not_one_of_the_kind() {
    for ledger in Bench::new().both().await {
        let of = |quota| [charge("app", "k", window(quota, 60.0), 1)];
        for _ in 0..15 {
            ledger.serves(&of(20), at(0.0)).await;
        }
        assert_eq!(ledger.refuses(&of(10), at(30.0)).await, [refusal("app", 30.0)]);
        assert_eq!(ledger.serves(&of(17), at(30.0)).await.0[0].remaining, 1);
        let pace = |quota, burst| [charge("pace", "k", gcra(quota, 60.0, burst), 1)];
        for _ in 0..10 {
            ledger.serves(&pace(10, 10), at(0.0)).await;
        }
        assert_eq!(ledger.refuses(&pace(60, 1), at(0.0)).await, [refusal("pace", 60.0)]);
        for kind in [
            gcra(1, 60.0, 1),
            calendar(1, Period::Day, "UTC"),
            calendar(1, Period::Week, "UTC"),
            calendar(1, Period::Week, "Asia/Tokyo"),
            window(1, 60.0),
        ] {
            let one = [charge("app", "k", kind, 1)];
            ledger.serves(&one, at(31.0)).await;
            ledger.refuses(&one, at(31.0)).await;
        }
    }
}

#[tokio::test]
async fn charges_that_no_limit_can_mean_are_invalid_and_charge_nothing() {
    for ledger in Bench::new().both().await {
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
            let answer = ledger.take("throttle", &[good.clone(), bad.clone()], at(0.0)).await;
            let name = ledger.name;
            assert!(matches!(answer, Err(LedgerError::Invalid(_))), "{name} {bad:?}: {answer:?}");
        }
        let many: Vec<_> =
            (0..65).map(|n| charge("l", &n.to_string(), window(1, 1.0), 1)).collect();
        let answer = ledger.take("throttle", &many, at(0.0)).await;
        assert!(matches!(answer, Err(LedgerError::Invalid(_))), "{answer:?}");
        assert_eq!(ledger.serves(&many[..64], at(0.0)).await.1.len(), 64);
        assert_eq!(ledger.serves(&[], at(0.0)).await, (vec![], vec![]));
        ledger.serves(&[good], at(0.0)).await;
    }
}
