mod ahead;
mod behaviour;
mod clock;
mod limits;
mod many;
mod server;
mod settling;

use std::ops::Deref;
use std::sync::Arc;

use message::{Calendar, Gcra, LimitKind, LimitRefusal, Period, Standing, Window};
use store::MemoryLedger;

use super::*;
use crate::testing::Server;

/// A ledger of either kind, to be asked the same.
struct Asked {
    name: &'static str,
    ledger: Arc<dyn Ledger>,
}

/// Starts servers' ledgers and memories, each empty.
struct Bench {
    server: Server,
    started: u32,
}

impl Bench {
    fn new() -> Self {
        Self { server: Server::start(), started: 0 }
    }

    /// Both kinds by the caller's clock, empty.
    async fn both(&mut self) -> [Asked; 2] {
        self.started += 1;
        let prefix = format!("{}:", self.started);
        let connection = self.server.connection_with(|options| options.prefix = prefix).await;
        [
            Asked { name: "memory", ledger: Arc::new(MemoryLedger::default()) },
            Asked {
                name: "server",
                ledger: Arc::new(RedisLedger::by_the_callers_clock(connection)),
            },
        ]
    }
}

impl Deref for Asked {
    type Target = dyn Ledger;

    fn deref(&self) -> &Self::Target {
        &*self.ledger
    }
}

impl Asked {
    /// Takes and expects to be served.
    async fn serves(&self, charges: &[Charge], now: Timestamp) -> (Vec<Standing>, Vec<Hold>) {
        match self.ledger.take("throttle", charges, now).await.expect("an answer") {
            Taken::Ok { standings, holds } => (standings, holds),
            Taken::Refused(refusals) => panic!("{} refused at {now:?}: {refusals:?}", self.name),
        }
    }

    /// Takes and expects to be refused.
    async fn refuses(&self, charges: &[Charge], now: Timestamp) -> Vec<LimitRefusal> {
        match self.ledger.take("throttle", charges, now).await.expect("an answer") {
            Taken::Refused(refusals) => refusals,
            Taken::Ok { standings, .. } => panic!("{} served at {now:?}: {standings:?}", self.name),
        }
    }

    async fn reserved(&self, key: &str, by: &str, now: Timestamp) -> Reserved {
        self.ledger.reserve("dedup", key, secs(30.0), &id(by), now).await.expect("an answer")
    }

    async fn hold(&self, key: &str, by: &str, now: Timestamp) -> Hold {
        match self.reserved(key, by, now).await {
            Reserved::Yes(hold) => hold,
            Reserved::Held(holder) => panic!("{}: {key} is held by {holder:?}", self.name),
        }
    }

    async fn settles(&self, holds: &[Hold], settlement: Settlement) {
        self.ledger.settle(holds.to_vec(), settlement).await.expect("an answer");
    }
}

/// `seconds` after the tests' first instant, which is a Thursday in May of 2026.
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

fn refusal(limit: &str, wait_s: f64) -> LimitRefusal {
    LimitRefusal { limit: limit.into(), wait: secs(wait_s), never: false }
}
