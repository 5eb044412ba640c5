//! Values, reservations, and what becomes of holds, by memory and by the server.

use super::*;

#[tokio::test]
async fn a_value_is_there_until_its_time_is_over() {
    for ledger in Bench::new().both().await {
        for (value, absent, now, put) in
            [("one", true, 0.0, true), ("two", true, 9.999, false), ("three", true, 10.0, true)]
        {
            let answer = ledger.put("p", "k", value.into(), secs(10.0), absent, at(now)).await;
            assert_eq!(answer, Ok(put), "{value}");
        }
        let get = async |owner, key, now| ledger.get(owner, key, at(now)).await.unwrap();
        assert_eq!(get("p", "k", 19.999).await.as_deref(), Some(&b"three"[..]));
        assert_eq!(get("p", "k", 20.0).await, None);
        ledger.put("a", "bc", vec![0, 255, 10], secs(10.0), false, at(0.0)).await.unwrap();
        assert_eq!(get("ab", "c", 0.0).await, None, "every owner has a name space of its own");
        assert_eq!(get("a", "bc", 0.0).await, Some(vec![0, 255, 10]));
    }
}

#[tokio::test]
async fn a_counter_saturates_and_lives_from_its_first_addition() {
    for ledger in Bench::new().both().await {
        let add = async |delta, now| ledger.increment("p", "n", delta, secs(10.0), at(now)).await;
        for (delta, now, sum) in [
            (2, 0.0, 2),
            (-5, 5.0, -3),
            (i64::MAX, 6.0, i64::MAX - 3),
            (9, 7.0, i64::MAX),
            (i64::MIN, 8.0, -1),
            (i64::MIN, 8.0, i64::MIN),
            (1, 10.0, 1),
        ] {
            assert_eq!(add(delta, now).await, Ok(sum), "{} at {now}", ledger.name);
        }
        ledger.put("p", "n", b"word".into(), secs(10.0), false, at(11.0)).await.unwrap();
        assert!(matches!(add(1, 11.0).await, Err(LedgerError::Invalid(_))));
    }
}

#[tokio::test]
async fn keys_values_and_times_out_of_bounds_are_invalid() {
    for ledger in Bench::new().both().await {
        let longest = Duration::from_secs(10 * 366 * 86_400);
        let put = async |key: &str, bytes, ttl| {
            ledger.put("p", key, vec![0; bytes], ttl, false, at(0.0)).await
        };
        assert_eq!(put(&"k".repeat(256), 4_096, longest).await, Ok(true));
        for answer in [
            put(&"k".repeat(257), 1, secs(1.0)).await,
            put("k", 4_097, secs(1.0)).await,
            put("k", 1, Duration::ZERO).await,
            put("k", 1, longest + Duration::from_millis(1)).await,
        ] {
            assert!(matches!(answer, Err(LedgerError::Invalid(_))), "{answer:?}");
        }
        let reserved = ledger.reserve("p", "k", Duration::ZERO, &id("m1"), at(0.0)).await;
        assert!(matches!(reserved, Err(LedgerError::Invalid(_))), "{reserved:?}");
    }
}

#[tokio::test]
async fn a_reservation_is_its_first_messages_until_it_ends_or_is_given_back() {
    for ledger in Bench::new().both().await {
        let first = ledger.hold("k", "m1", at(0.0)).await;
        let held = Holder { by: id("m1"), until: at(30.0) };
        assert_eq!(ledger.reserved("k", "m2", at(19.0)).await, Reserved::Held(held.clone()));
        assert_eq!(ledger.holder("dedup", "k", at(19.0)).await, Ok(Some(held)));
        assert_eq!(ledger.holder("other", "k", at(19.0)).await, Ok(None));

        let second = ledger.hold("k", "m1", at(20.0)).await;
        ledger.settles(&[first], Settlement::GiveBack).await;
        let held = ledger.holder("dedup", "k", at(49.0)).await.unwrap().unwrap();
        assert_eq!(held.until, at(50.0), "the later of its holds stands");
        ledger.settles(std::slice::from_ref(&second), Settlement::GiveBack).await;
        let third = ledger.hold("k", "m2", at(49.0)).await;
        ledger.settles(&[second], Settlement::GiveBack).await;
        assert!(matches!(ledger.reserved("k", "m3", at(49.0)).await, Reserved::Held(_)));

        ledger.settles(std::slice::from_ref(&third), Settlement::Keep).await;
        ledger.settles(&[third], Settlement::GiveBack).await;
        let held = Holder { by: id("m2"), until: at(79.0) };
        assert_eq!(ledger.reserved("k", "m3", at(78.999)).await, Reserved::Held(held), "kept");
        ledger.hold("k", "m3", at(79.0)).await;
    }
}

#[tokio::test]
async fn a_reservation_of_a_message_that_was_never_accepted_ends_after_half_a_minute() {
    let server = Server::start();
    let ledger = RedisLedger::by_the_callers_clock(server.connection().await);
    let reserve = async |key: &str, by: &str, now: f64| {
        ledger.reserve("dedup", key, secs(60.0), &id(by), at(now)).await.unwrap()
    };
    let held = |until: f64| Some(Holder { by: id("m1"), until: at(until) });
    for (key, word) in [
        ("lost", None),
        ("accepted", Some(Word::Owned)),
        ("sent", Some(Word::Settled(Settlement::Keep))),
    ] {
        let Reserved::Yes(hold) = reserve(key, "m1", 0.0).await else { panic!("{key} is free") };
        assert_eq!(ledger.holder("dedup", key, at(1.0)).await, Ok(held(30.0)), "{key}");
        if let Some(word) = word {
            // Twice is no longer than once.
            for _ in 0..2 {
                ledger.told(std::slice::from_ref(&hold), word).await.unwrap();
            }
        }
        let until = if word.is_some() { 60.0 } else { 30.0 };
        assert_eq!(ledger.holder("dedup", key, at(29.9)).await, Ok(held(until)), "{key}");
        let later = if word.is_some() { held(60.0) } else { None };
        assert_eq!(ledger.holder("dedup", key, at(30.0)).await, Ok(later.clone()), "{key}");
        assert_eq!(ledger.holder("dedup", key, at(59.9)).await, Ok(later), "{key}");
        assert!(matches!(reserve(key, "m2", 60.0).await, Reserved::Yes(_)), "{key}");
    }
}

#[tokio::test]
async fn a_hold_stays_as_first_settled() {
    for ledger in Bench::new().both().await {
        for kind in [window(2, 60.0), gcra(2, 60.0, 2), calendar(2, Period::Day, "UTC")] {
            let one = [charge("l", "k", kind.clone(), 1)];
            let (_, kept) = ledger.serves(&one, at(0.0)).await;
            let (_, given_back) = ledger.serves(&one, at(0.0)).await;
            ledger.refuses(&one, at(0.0)).await;
            let foreign = Hold { owner: "other".into(), ..given_back[0].clone() };
            let unknown = Hold { token: u64::MAX >> 1, ..given_back[0].clone() };
            ledger.settles(&[foreign, unknown], Settlement::GiveBack).await;
            ledger.refuses(&one, at(0.0)).await;

            ledger.settles(&kept, Settlement::Keep).await;
            ledger.settles(&kept, Settlement::GiveBack).await;
            for _ in 0..3 {
                ledger.settles(&given_back, Settlement::GiveBack).await;
            }
            ledger.settles(&given_back, Settlement::Keep).await;
            ledger.serves(&one, at(0.0)).await;
            let refused = ledger.refuses(&one, at(0.0)).await;
            assert_eq!(refused.len(), 1, "{} {kind:?}: kept one, took one since", ledger.name);
        }
    }
}

#[tokio::test]
async fn what_is_over_is_not_given_back_to_what_came_after() {
    for ledger in Bench::new().both().await {
        let day = [charge("day", "k", calendar(1, Period::Day, "UTC"), 1)];
        let (_, yesterday) = ledger.serves(&day, at(0.0)).await;
        ledger.serves(&day, at(86_400.0)).await;
        ledger.settles(&yesterday, Settlement::GiveBack).await;
        ledger.refuses(&day, at(86_401.0)).await;

        // Only eight seconds of the first two charges are still ahead of the clock when the third comes.
        let two = [charge("two", "k", gcra(2, 20.0, 2), 1)];
        let (_, first) = ledger.serves(&two, at(0.0)).await;
        let (_, second) = ledger.serves(&two, at(5.0)).await;
        ledger.serves(&two, at(12.0)).await;
        ledger.settles(&first, Settlement::GiveBack).await;
        ledger.settles(&second, Settlement::GiveBack).await;
        ledger.serves(&two, at(12.0)).await;
        ledger.refuses(&two, at(12.0)).await;
    }
}

/// The memory keeps those longer that a store has not written down yet, for which see its own tests.
#[tokio::test]
async fn of_too_many_open_charges_the_oldest_count_as_kept() {
    let mut bench = Bench::new();
    let [_, server] = bench.both().await;
    let day = [charge("day", "k", calendar(1_025, Period::Day, "UTC"), 1)];
    let mut holds = Vec::new();
    for _ in 0..1_025 {
        holds.extend(server.serves(&day, at(0.0)).await.1);
    }
    server.refuses(&day, at(0.0)).await;
    server.settles(&holds[..1], Settlement::GiveBack).await;
    server.refuses(&day, at(0.0)).await;
    server.settles(&holds[1..2], Settlement::GiveBack).await;
    server.serves(&day, at(0.0)).await;
}
