//! Several replicas at once, by the server's own clock.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::*;

/// One replica: what it asks for, one after the other, and whether it gives back what it was given.
type Replica = Vec<(u32, bool)>;

/// Runs all replicas at once; returns the cost that stayed charged, and the cost of all that was ever served.
async fn run(
    server: &Server,
    prefix: &str,
    kind: &LimitKind,
    replicas: Vec<Replica>,
) -> (u32, u32) {
    let mut running = JoinSet::new();
    for replica in replicas {
        // Each has a connection of its own, as processes do.
        let prefix = prefix.to_owned();
        let connection = server.connection_with(|options| options.prefix = prefix).await;
        let (ledger, kind) = (RedisLedger::new(connection), kind.clone());
        running.spawn(async move {
            let (mut stayed, mut served) = (0, 0);
            for (cost, gives_back) in replica {
                let charges = [charge("l", "k", kind.clone(), cost)];
                let now = std::time::SystemTime::now().into();
                let taken = ledger.take("p", &charges, now).await.unwrap();
                let Taken::Ok { holds, .. } = taken else { continue };
                served += cost;
                match gives_back {
                    true => ledger.settle(holds, Settlement::GiveBack).await.unwrap(),
                    false => stayed += cost,
                }
            }
            (stayed, served)
        });
    }
    let ends = running.join_all().await;
    (ends.iter().map(|end| end.0).sum(), ends.iter().map(|end| end.1).sum())
}

/// What could still be charged.
async fn left(server: &Server, prefix: &str, kind: &LimitKind) -> u32 {
    let prefix = prefix.to_owned();
    let connection = server.connection_with(|options| options.prefix = prefix).await;
    let charges = [charge("l", "k", kind.clone(), 0)];
    let now = std::time::SystemTime::now().into();
    match RedisLedger::new(connection).peek("p", &charges, now).await.unwrap() {
        Taken::Ok { standings, .. } => standings[0].remaining,
        Taken::Refused(refusals) => panic!("a cost of nothing was refused: {refusals:?}"),
    }
}

#[test]
fn replicas_together_never_get_one_more_than_the_limit() {
    let (runtime, server) = (Runtime::new().unwrap(), Server::start());
    let replica = prop::collection::vec((1_u32..4, prop::bool::weighted(0.3)), 1..12);
    let cases = (prop::collection::vec(replica, 2..6), 5_u32..30, 0_usize..3, any::<u64>());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) };
    let never_more = |(replicas, quota, kind, prefix): (Vec<Replica>, u32, usize, u64)| {
        // Long enough that nothing leaves while the test runs.
        let month = 31.0 * 86_400.0;
        let kinds =
            [window(quota, month), gcra(1, month, quota), calendar(quota, Period::Month, "UTC")];
        let (kind, prefix) = (&kinds[kind], format!("{prefix}:"));
        let asked: u32 = replicas.iter().flatten().map(|(cost, _)| cost).sum();
        let (stayed, served) = runtime.block_on(run(&server, &prefix, kind, replicas));
        prop_assert!(stayed <= quota, "{stayed} of {quota}");
        let left = runtime.block_on(left(&server, &prefix, kind));
        prop_assert_eq!(left, quota - stayed, "what stayed and what is left are the quota");
        // A charge costs three at most, so one is refused only where fewer are left.
        prop_assert!(asked == served || served + 3 > quota, "{served} of {quota} served");
        Ok(())
    };
    TestRunner::new(config).run(&cases, never_more).unwrap();
}

#[tokio::test]
async fn of_fifty_equal_reservations_at_once_one_is_served() {
    let server = Server::start();
    let replicas = [server.connection().await, server.connection().await].map(RedisLedger::new);
    let mut asking = JoinSet::new();
    for n in 0..50 {
        let ledger = replicas[n % 2].clone();
        asking.spawn(async move {
            let now = std::time::SystemTime::now().into();
            ledger.reserve("dedup", "k", secs(30.0), &id(&n.to_string()), now).await.unwrap()
        });
    }
    let answers = asking.join_all().await;
    let served = answers.iter().filter(|answer| matches!(answer, Reserved::Yes(_))).count();
    assert_eq!(served, 1);
    let Some(Reserved::Held(first)) =
        answers.iter().find(|answer| matches!(answer, Reserved::Held(_)))
    else {
        panic!("forty-nine were told who holds it")
    };
    let mut told = answers.iter().filter(|answer| **answer != Reserved::Held(first.clone()));
    assert!(matches!(told.next(), Some(Reserved::Yes(_))), "all are told the same holder");
    assert_eq!(told.next(), None);
}

#[tokio::test]
async fn the_callers_clocks_do_not_count() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let one = [charge("l", "k", window(1, 60.0), 1)];
    let now: Timestamp = std::time::SystemTime::now().into();
    for (now, served) in [(now.after(secs(300.0)), true), (now.after(secs(600.0)), false)] {
        let taken = ledger.take("p", &one, now).await.unwrap();
        assert_eq!(matches!(taken, Taken::Ok { .. }), served);
    }
    let Taken::Refused(refusals) = ledger.take("p", &one, Timestamp(0)).await.unwrap() else {
        panic!("one a minute")
    };
    assert!(refusals[0].wait <= secs(60.0), "{refusals:?}");

    let day = [charge("d", "k", calendar(1, Period::Day, "UTC"), 1)];
    let astray = ledger.take("p", &day, now.after(secs(3.0 * 86_400.0))).await;
    assert!(matches!(astray, Err(LedgerError::Unavailable(_))), "{astray:?}");
    let near = ledger.take("p", &day, now.after(secs(20.0 * 3_600.0))).await.unwrap();
    let Taken::Ok { standings, .. } = near else { panic!("nothing was charged before") };
    assert!(standings[0].reset <= secs(86_400.0), "the server's day: {standings:?}");
}
