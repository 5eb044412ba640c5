use std::time::SystemTime;

use message::{LimitKind, Window};
use serde_json::json;
use store::MemoryLedger;

use super::*;
use crate::testing::Server;
use crate::{Connection, Status};

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn charge(limit: &str) -> Charge {
    let kind = LimitKind::Window(Window { quota: 1, per: Duration::from_secs(3_600) });
    Charge { limit: limit.into(), key: "k".into(), kind, cost: 1, queue: false }
}

fn may() -> LocalLimits {
    let mut may = LocalLimits::default();
    may.add("throttle", &json!({ "limits": [{ "name": "app", "on_unavailable": "local" }] }));
    may.add("dedup", &json!({ "on_unavailable": "local" }));
    may
}

async fn is_down(connection: &Connection) {
    connection.until(|status| matches!(status, Status::Down { .. })).await;
}

async fn fallback(server: &Server) -> (Connection, WithFallback) {
    let connection = server.connection().await;
    let shared = RedisLedger::new(connection.clone());
    let local = Arc::new(MemoryLedger::default());
    (connection, WithFallback::new(shared, local, may()))
}

fn holds(taken: Result<Taken, LedgerError>) -> Vec<Hold> {
    match taken {
        Ok(Taken::Ok { holds, .. }) => holds,
        other => panic!("not served: {other:?}"),
    }
}

#[tokio::test]
async fn without_the_server_only_what_is_local_is_served() {
    let mut server = Server::start();
    let (connection, ledger) = fallback(&server).await;
    server.kill();
    is_down(&connection).await;

    let take = async |limits: &[&str]| {
        let charges: Vec<Charge> = limits.iter().map(|limit| charge(limit)).collect();
        ledger.take("throttle", &charges, now()).await
    };
    for refused in [take(&["country"]).await, take(&["app", "country"]).await] {
        assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    }
    assert_eq!(holds(take(&["app"]).await).len(), 1, "the refused ones charged nothing");
    assert!(matches!(take(&["app"]).await, Ok(Taken::Refused(_))), "the quota holds here too");
    let peeked = ledger.peek("throttle", &[charge("app")], now()).await;
    assert!(matches!(peeked, Ok(Taken::Refused(_))), "{peeked:?}");

    let (second, by) = (Duration::from_secs(1), MessageId("m1".into()));
    let reserved = ledger.reserve("dedup", "k", second, &by, now()).await;
    assert!(matches!(reserved, Ok(Reserved::Yes(_))), "{reserved:?}");
    let holder = ledger.holder("dedup", "k", now()).await.unwrap();
    assert_eq!(holder.map(|holder| holder.by), Some(by.clone()));
    for refused in [
        ledger.reserve("throttle", "k", second, &by, now()).await.map(|_| ()),
        ledger.holder("throttle", "k", now()).await.map(|_| ()),
        ledger.get("dedup", "k", now()).await.map(|_| ()),
        ledger.put("dedup", "k", vec![], second, false, now()).await.map(|_| ()),
        ledger.increment("dedup", "k", 1, second, now()).await.map(|_| ()),
    ] {
        assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn with_the_server_nothing_is_local() {
    let server = Server::start();
    let (_, first) = fallback(&server).await;
    let (_, second) = fallback(&server).await;
    holds(first.take("throttle", &[charge("app")], now()).await);
    let refused = second.take("throttle", &[charge("app")], now()).await;
    assert!(matches!(refused, Ok(Taken::Refused(_))), "replicas share: {refused:?}");
}

#[tokio::test]
async fn holds_are_settled_where_they_were_made() {
    let mut server = Server::start();
    let (connection, ledger) = fallback(&server).await;
    let mut both = holds(ledger.take("throttle", &[charge("app")], now()).await);
    server.kill();
    is_down(&connection).await;
    both.extend(holds(ledger.take("throttle", &[charge("app")], now()).await));
    let settled = ledger.settle(both.clone(), Settlement::GiveBack).await;
    assert!(matches!(settled, Err(LedgerError::Unavailable(_))), "the shared one: {settled:?}");
    both = holds(ledger.take("throttle", &[charge("app")], now()).await);
    assert_eq!(both.len(), 1, "the local one was given back");

    server.start_again();
    connection.up().await;
    both.extend(holds(ledger.take("throttle", &[charge("app")], now()).await));
    ledger.settle(both, Settlement::GiveBack).await.unwrap();
    holds(ledger.take("throttle", &[charge("app")], now()).await);
}

#[tokio::test]
async fn another_word_of_the_operator_is_in_force_at_once() {
    let mut server = Server::start();
    let (connection, ledger) = fallback(&server).await;
    server.kill();
    is_down(&connection).await;
    ledger.allow(LocalLimits::default());
    let refused = ledger.take("throttle", &[charge("app")], now()).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    ledger.allow(may());
    holds(ledger.take("throttle", &[charge("app")], now()).await);
}
