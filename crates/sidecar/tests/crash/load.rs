//! The store keeps what it acknowledged, however often the process is killed under load.

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use plivo_sim::{PlivoSim, SimConfig};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::{App, Order, Standing};
use crate::harness::{Folder, Setup, TOKEN, eventually};
use crate::runs::{seed, show};
use crate::victim::Victim;

const KILLS: u32 = 20;
const PER_S: u32 = 500;

/// What the apps know at the end.
#[derive(Default)]
struct Told {
    asked: u32,
    /// Texts of acknowledged messages, by id.
    acknowledged: HashMap<String, String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_at_500_requests_a_second_is_found_after_every_one_of_20_kills() {
    let plivo = PlivoSim::start(SimConfig::default()).await;
    let setup = Setup::with_base_url(&plivo.base_url())
        .set("store.ephemeral", Value::Null)
        .set("store.min_free_percent", 0)
        .set("store.path", "sendgate.db")
        .set("delivery.settle_s", [1, 3].to_vec());
    let (folder, mut told, mut rng) = (Folder::new(), Told::default(), Rng::with_seed(seed()));

    for _ in 0..KILLS {
        let victim = Victim::start(&folder, &setup, None).await.expect("nothing kills it yet");
        // Between 0.2 s and 0.8 s of load.
        told.ask(victim, rng.u32(PER_S / 5..PER_S * 4 / 5)).await;
    }

    let victim = Victim::start(&folder, &setup, None).await.expect("nothing kills it");
    let app = App::new(victim.apps, TOKEN);
    let ended = async || {
        let standings = app.standings().await?;
        Some(standings).filter(|all| !all.values().any(Standing::is_open))
    };
    let standings = eventually("no message is on its way any more", ended).await;
    victim.kill().await;
    let mut at_plivo: HashMap<String, u32> = HashMap::new();
    for sent in plivo.sends() {
        *at_plivo.entry(sent.text).or_default() += 1;
    }
    let twice: Vec<&String> =
        at_plivo.iter().filter(|(_, copies)| **copies > 1).map(|(text, _)| text).collect();
    let lost: Vec<String> = told
        .acknowledged
        .iter()
        .filter_map(|(id, text)| {
            let standing = standings.get(id);
            let kept = standing.is_some_and(Standing::is_sent) && at_plivo.contains_key(text);
            (!kept).then(|| format!("{text}: {standing:?}"))
        })
        .collect();
    show(&format!(
        "{KILLS} kills at {PER_S} requests a second: {} asked, {} acknowledged, {} records, {} sent, {} twice, {} lost",
        told.asked,
        told.acknowledged.len(),
        standings.len(),
        at_plivo.len(),
        twice.len(),
        lost.len(),
    ));
    assert!(twice.is_empty(), "sent twice: {twice:#?}");
    assert!(lost.is_empty(), "acknowledged, and lost: {lost:#?}");
    // How many answers come between two kills is the machine's affair.
    let enough = 10 * KILLS as usize;
    assert!(told.acknowledged.len() > enough, "too few were acknowledged to show anything");
}

impl Told {
    /// Asks for `count` messages at a steady pace, whatever the answers, and kills the process after the last of them.
    async fn ask(&mut self, victim: Victim, count: u32) {
        let app = App::new(victim.apps, TOKEN);
        let mut pace = interval(Duration::from_secs(1) / PER_S);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut asked = JoinSet::new();
        for _ in 0..count {
            pace.tick().await;
            let (app, order) = (app.clone(), order(self.asked));
            self.asked += 1;
            asked.spawn(async move { (app.ask(&order).await, order.text) });
        }
        victim.kill().await;
        while let Some(answered) = asked.join_next().await {
            let (reply, text) = answered.expect("asking does not panic");
            if let Some(id) =
                reply.filter(|reply| reply.status == 202).as_ref().and_then(|reply| reply.id())
            {
                self.acknowledged.insert(id.to_owned(), text);
            }
        }
    }
}

/// Every one to another number.
fn order(nth: u32) -> Order {
    Order {
        key: format!("load-{nth}"),
        to: format!("+1415{:07}", 2_000_000 + nth),
        text: format!("load {nth}"),
        waits: nth.is_multiple_of(4),
        delay: None,
    }
}
