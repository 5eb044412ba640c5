//! Limits hold to the message, however often the process is killed between.

use std::collections::HashMap;

use fastrand::Rng;
use plivo_sim::{PlivoSim, SimConfig, Step};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{App, Order, Standing};
use crate::harness::{Folder, Policy, Setup, TOKEN, eventually};
use crate::runs::{seed, show};
use crate::victim::Victim;

const KILLS: u32 = 12;
/// Most messages of the app, and of one number, in an hour.
const OF_APP: usize = 40;
const OF_NUMBER: usize = 9;
/// Five numbers could take more than the app may send.
const NUMBERS: u32 = 5;
const POINTS: [&str; 8] = [
    "accept.begin",
    "accept.in_transaction",
    "accept.done",
    "store.commit",
    "store.committed",
    "delivery.intent",
    "delivery.answered",
    "key.in_transaction",
];

/// What the app wants, in order, and what it was told.
struct Wishes {
    open: Vec<Order>,
    refused: usize,
    accepted: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn never_one_more_than_the_limit_is_sent_and_never_one_less_however_often_it_is_killed() {
    let plivo = PlivoSim::start(SimConfig::default()).await;
    // What Plivo refuses is given back.
    plivo.script([Step::default(), Step::status(400), Step::default(), Step::status(400)]).await;
    let limits = json!({"limits": [
        {"name": "app", "scope": "app", "quota": OF_APP, "per_s": 3_600},
        {"name": "number", "scope": "recipient", "kind": "gcra", "quota": 1, "per_s": 3_600, "burst": OF_NUMBER},
    ]});
    let setup = Setup::with_base_url(&plivo.base_url())
        .set("store.ephemeral", Value::Null)
        .set("store.min_free_percent", 0)
        .set("store.path", "sendgate.db")
        .set("delivery.settle_s", [1, 3].to_vec())
        .policy(Policy::new("throttle").settings(limits));
    let (folder, mut rng, mut wishes) = (Folder::new(), Rng::with_seed(seed()), Wishes::new());
    let mut killed = 0;

    for _ in 0..KILLS {
        let fail = format!("{}:{}", POINTS[rng.usize(..POINTS.len())], rng.u32(1..6));
        let Some(victim) = Victim::start(&folder, &setup, Some(fail)).await else {
            killed += 1;
            continue;
        };
        let killer = victim.killer();
        // No more than four rounds, so that every process has something to do.
        for _ in 0..4 {
            if killer.is_alive() {
                wishes.ask(&App::new(victim.apps, TOKEN), 4).await;
            }
        }
        killed += u32::from(!killer.is_alive());
        victim.kill().await;
    }
    let victim = Victim::start(&folder, &setup, None).await.expect("nothing kills it");
    let app = App::new(victim.apps, TOKEN);
    let standings = settled(&app).await;
    let failed = |all: &HashMap<String, Standing>| {
        all.values()
            .filter(|standing| standing.status == "failed" && !standing.is_unknown())
            .count()
    };
    assert!(standings.len() - failed(&standings) <= OF_APP, "before the end: {standings:#?}");
    // Now that nothing is on its way whose charge may be given back, the rest of the limit is used up.
    while !wishes.open.is_empty() {
        wishes.ask(&app, 1).await;
    }
    let standings = settled(&app).await;
    victim.kill().await;

    let mut by_number: HashMap<String, usize> = HashMap::new();
    for sent in plivo.sends() {
        *by_number.entry(sent.dst).or_default() += 1;
    }
    let sent: usize = by_number.values().sum();
    let unknown = standings.values().filter(|standing| standing.is_unknown()).count();
    show(&format!(
        "{killed} kills under a limit of {OF_APP}: {} accepted, {} refused, {} given back, {sent} sent, {unknown} \
         unknown",
        wishes.accepted,
        wishes.refused,
        failed(&standings),
    ));
    let held = standings.len() - failed(&standings);
    assert_eq!(held, OF_APP, "the limit of the app, as the records have it");
    assert!(sent <= OF_APP, "{sent} at Plivo under a limit of {OF_APP}");
    assert!(sent + unknown >= OF_APP, "what is accepted is sent, or said to be unknown");
    assert!(by_number.values().all(|count| *count <= OF_NUMBER), "by number: {by_number:?}");
    assert!(
        killed > KILLS / 2,
        "only {killed} processes came to where they die; has the program its fail points?"
    );
}

impl Wishes {
    fn new() -> Self {
        let order = |nth: u32| Order {
            key: format!("limit-{nth}"),
            to: format!("+1415555{:04}", 100 + nth % NUMBERS),
            text: format!("limit {nth}"),
            waits: nth.is_multiple_of(2),
            delay: None,
        };
        // As many for each number as it may have, and a few more.
        let many = u32::try_from(OF_NUMBER + 4).unwrap_or(u32::MAX) * NUMBERS;
        Self { open: (0..many).map(order).collect(), refused: 0, accepted: 0 }
    }

    /// Asks for the next `many` at once; those that get no answer are asked for again first.
    async fn ask(&mut self, app: &App, many: usize) {
        let mut asked = JoinSet::new();
        for order in self.open.drain(..many.min(self.open.len())) {
            let app = app.clone();
            asked.spawn(async move { (app.ask(&order).await, order) });
        }
        while let Some(answered) = asked.join_next().await {
            let (reply, order) = answered.expect("asking does not panic");
            match reply {
                Some(reply) if reply.status == 429 => self.refused += 1,
                Some(reply) if !reply.is_not_yet() => self.accepted += 1,
                _ => self.open.insert(0, order),
            }
        }
    }
}

async fn settled(app: &App) -> HashMap<String, Standing> {
    let ended = async || {
        let standings = app.standings().await?;
        Some(standings).filter(|all| !all.values().any(Standing::is_open))
    };
    eventually("no message is on its way any more", ended).await
}
