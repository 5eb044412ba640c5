//! What only a server can do: forget scripts, be slow, be full, keep keys too long.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::*;
use crate::{SharedOptions, Status};

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn one() -> [Charge; 1] {
    [charge("l", "k", window(1, 3_600.0), 1)]
}

/// Waits until `wanted` is so: each look is a round trip to the server, or nothing while that is away.
async fn until(wanted: impl AsyncFn() -> bool) {
    let looking = async {
        while !wanted().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("it is so in a minute");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    for flushed in 0..3 {
        let taken = ledger.take("p", &one(), now()).await.unwrap();
        assert_eq!(matches!(taken, Taken::Ok { .. }), flushed == 0, "charged once, not lost");
        let () = server.ask(&["SCRIPT", "FLUSH"]).await;
    }
}

#[tokio::test]
async fn a_call_is_one_round_trip_of_one_command() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let all = [
        charge("w", "k", window(9, 60.0), 1),
        charge("g", "k", gcra(9, 60.0, 9), 1),
        charge("c", "k", calendar(9, Period::Month, "UTC"), 1),
    ];
    ledger.take("p", &all, now()).await.unwrap();
    let () = server.ask(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..10 {
        ledger.take("p", &all, now()).await.unwrap();
    }
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let evalsha = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
    assert!(evalsha.is_some_and(|line| line.contains("calls=10,")), "{stats}");
    assert!(!stats.contains("cmdstat_script"), "{stats}");
}

#[tokio::test]
async fn every_key_ends_by_itself() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let day = secs(86_400.0);
    ledger.put("p", "v", b"x".into(), secs(10.0), false, now()).await.unwrap();
    ledger.increment("p", "n", 1, secs(10.0), now()).await.unwrap();
    ledger.reserve("p", "r", secs(10.0), &id("m"), now()).await.unwrap();
    for cost in [0, 1] {
        let all = [
            charge("w", &cost.to_string(), window(9, 10.0), cost),
            charge("g", &cost.to_string(), gcra(9, 10.0, 9), cost),
            charge("c", &cost.to_string(), calendar(9, Period::Day, "UTC"), cost),
        ];
        let Taken::Ok { holds, .. } = ledger.take("p", &all, now()).await.unwrap() else {
            panic!("nothing was used before")
        };
        ledger.settle(holds, Settlement::Keep).await.unwrap();
    }
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    assert!(keys.len() >= 9, "{keys:?}");
    for key in keys {
        let ttl: i64 = server.ask(&["PTTL", &key]).await;
        // A minute more than it counts, for clocks that lag.
        let most = if key.contains(":1:c") { day } else { secs(10.0) } + secs(60.0);
        assert!((1..=most.as_millis() as i64).contains(&ttl), "{key} ends in {ttl} ms");
    }
}

#[tokio::test]
async fn a_windows_memory_is_bounded_by_its_quota() {
    let server = Server::start();
    let ledger = RedisLedger::by_the_callers_clock(server.connection().await);
    let charges = [charge("l", "k", window(20, 10.0), 1)];
    for step in 0..2_000 {
        let taken = ledger.take("p", &charges, at(f64::from(step) * 0.1)).await.unwrap();
        if let (Taken::Ok { holds, .. }, 1) = (taken, step % 3) {
            ledger.settle(holds, Settlement::Keep).await.unwrap();
        }
    }
    let keys: Vec<String> = server.ask(&["KEYS", "*1:k"]).await;
    let keys: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
    assert!(keys.is_empty(), "the key is the limit's name and the key's: {keys:?}");
    let entries: u64 = server.ask(&["ZCARD", "sendgate:1:pz:1:lk"]).await;
    let fields: u64 = server.ask(&["HLEN", "sendgate:1:pl:1:lk"]).await;
    assert!(entries <= 20 && fields <= 20 + 10, "{entries} entries, {fields} fields");
}

#[tokio::test]
async fn a_slow_server_meets_the_timeout_and_what_it_did_late_is_given_back() {
    let server = Server::start();
    let timeout = Duration::from_millis(50);
    let connection = server.connection_with(|options| options.timeout = timeout).await;
    let ledger = RedisLedger::new(connection.clone());
    let patient = RedisLedger::new(server.connection().await);
    // So that the script is known there, and late is done in the order it was asked.
    ledger.peek("p", &one(), now()).await.unwrap();
    ledger.holder("p", "r", now()).await.unwrap();

    let () = server.ask(&["CLIENT", "PAUSE", "400", "ALL"]).await;
    let late = ledger.take("p", &one(), now()).await;
    let Err(LedgerError::Unavailable(why)) = late else { panic!("{late:?}") };
    assert_eq!(why, "the shared store did not answer within 50ms");
    connection.until(|status| matches!(status, Status::Down { .. })).await;
    let at_once = ledger.reserve("p", "r", secs(60.0), &id("m1"), now()).await;
    let Err(LedgerError::Unavailable(why)) = at_once else { panic!("{at_once:?}") };
    assert!(why.starts_with("the shared store is away: "), "{why}");

    connection.up().await;
    until(async || matches!(patient.take("p", &one(), now()).await, Ok(Taken::Ok { .. }))).await;
}

#[tokio::test]
async fn a_call_whose_caller_went_away_is_given_back() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    ledger.peek("p", &one(), now()).await.unwrap();
    ledger.holder("p", "r", now()).await.unwrap();
    let () = server.ask(&["CLIENT", "PAUSE", "500", "WRITE"]).await;
    {
        let (mut charges, mut by) = (one(), id("m1"));
        charges[0].cost = 1;
        by.0 = "m1".into();
        let mut taking = ledger.take("p", &charges, now());
        let mut reserving = ledger.reserve("p", "r", secs(3_600.0), &by, now());
        // Both are on their way before they are dropped.
        for _ in 0..100 {
            tokio::select! {
                biased;
                taken = &mut taking => panic!("the server is paused, yet {taken:?}"),
                reserved = &mut reserving => panic!("the server is paused, yet {reserved:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    until(async || matches!(ledger.take("p", &one(), now()).await, Ok(Taken::Ok { .. }))).await;
    let by = id("m2");
    until(async || {
        let reserved = ledger.reserve("p", "r", secs(3_600.0), &by, now()).await;
        matches!(reserved, Ok(Reserved::Yes(_)))
    })
    .await;
}

#[tokio::test]
async fn a_full_server_is_one_that_is_away_and_comes_back() {
    let server = Server::start();
    let connection = server.connection().await;
    let ledger = RedisLedger::new(connection.clone());
    let () = server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    // Settling frees, so it is done all the same.
    let kept = Hold { owner: "p".into(), key: "l:1:lk".into(), token: LEAST_TOKEN };
    if let Err(refused) = ledger.settle(vec![kept], Settlement::GiveBack).await {
        let found_first = refused.to_string().contains("is away");
        assert!(found_first, "only by what the keeper found already: {refused}");
    }
    let full = ledger.take("p", &one(), now()).await;
    let Err(LedgerError::Unavailable(why)) = full else { panic!("{full:?}") };
    assert!(why.ends_with("it answered OOM"), "{why}");
    connection.until(|status| matches!(status, Status::Down { .. })).await;
    let () = server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    connection.up().await;
    assert!(matches!(ledger.take("p", &one(), now()).await, Ok(Taken::Ok { .. })));
}

#[tokio::test]
async fn a_key_of_another_program_under_the_same_name_is_no_usage() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let () = server.ask(&["SET", "sendgate:1:pl:1:lk", "foreign"]).await;
    let taken = ledger.take("p", &one(), now()).await;
    let Err(LedgerError::Unavailable(why)) = taken else { panic!("{taken:?}") };
    assert!(!why.contains("foreign") && !why.contains("1:lk"), "{why}");
}

#[tokio::test]
async fn at_the_end_of_a_process_the_server_is_told_of_accepted_messages_at_once() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let by = id("m1");
    let Ok(Reserved::Yes(hold)) = ledger.reserve("p", "r", secs(3_600.0), &by, now()).await else {
        panic!("nobody holds it")
    };
    ledger.own(&[hold]);

    ledger.tell_all().await;

    let left: u64 = server.ask(&["PTTL", "sendgate:1:pr:r"]).await;
    assert!(left > 3_600_000, "the reservation ends in {left} ms");
}

#[tokio::test]
async fn a_hold_that_another_program_wrote_over_keeps_no_other_from_being_settled() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let by = id("m1");
    let Ok(Reserved::Yes(spoilt)) = ledger.reserve("p", "r", secs(60.0), &by, now()).await else {
        panic!("nobody holds it")
    };
    let Ok(Taken::Ok { mut holds, .. }) = ledger.take("p", &one(), now()).await else {
        panic!("nothing was taken before")
    };
    let () = server.ask(&["SET", "sendgate:1:pr:r", "foreign"]).await;
    holds.insert(0, spoilt);
    for word in [Word::Owned, Word::Settled(Settlement::GiveBack)] {
        assert!(ledger.untold.tell(&ledger, holds.clone(), word));
    }
    until(async || matches!(ledger.take("p", &one(), now()).await, Ok(Taken::Ok { .. }))).await;
    let left: String = server.ask(&["GET", "sendgate:1:pr:r"]).await;
    assert_eq!(left, "foreign");
}

#[tokio::test]
async fn what_a_call_may_have_taken_is_given_back_once_the_server_can_be_reached_again() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let quick = |options: &mut SharedOptions| options.timeout = Duration::from_millis(50);
    let connection = server.connection_with(quick).await;
    let ledger = RedisLedger::new(connection.clone());
    let reserve = async |by: &str| ledger.reserve("p", "k", secs(3_600.0), &id(by), now()).await;
    // The server does it, after nobody waits for the answer any more, and then nobody can reach it.
    let () = server.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    let unheard = reserve("m1").await;
    assert!(matches!(unheard, Err(LedgerError::Unavailable(_))), "{unheard:?}");
    connection.until(|status| *status != Status::Up).await;
    let () = server.ask(&["CLIENT", "UNPAUSE"]).await;
    connection.up().await;
    until(async || matches!(reserve("m2").await, Ok(Reserved::Yes(_)))).await;

    // What is settled while it is away is settled later.
    let Ok(Reserved::Yes(hold)) = reserve("m2").await else { panic!("it is its own") };
    server.kill();
    connection.until(|status| *status != Status::Up).await;
    assert!(ledger.settle(vec![hold], Settlement::GiveBack).await.is_err());
    server.start_again();
    until(async || matches!(reserve("m3").await, Ok(Reserved::Yes(_)))).await;
}
