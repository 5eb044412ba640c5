//! One run: a replica that is killed, perhaps another that is asked meanwhile, and the count at their end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use plivo_sim::{PlivoSim, SimConfig};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::Plan;
use super::held::{Held, Reservation};
use crate::app::{App, Reply, Standing};
use crate::count::Played;
use crate::harness::{Folder, PATIENCE, Policy, Redis, Setup, TOKEN};
use crate::victim::Victim;

/// How long what a dead replica reserved stays: so much shorter are leases here than in any release.
const LEASE: Duration = Duration::from_secs(6);
/// So late the Redis may hear of a message that a replica took up.
const MARGIN: Duration = Duration::from_secs(1);

struct Stage<'a> {
    plan: Plan,
    redis: &'a Redis,
    plivo: PlivoSim,
    one: Folder,
    two: Folder,
    app: App,
    /// What the app was told, by order.
    told: Vec<Option<Reply>>,
    played: Played,
    /// Requests without an answer when the replica died.
    cut: usize,
    began: Instant,
    /// It was back so late that a reservation which the Redis had not heard to be accepted may have ended.
    was_long_away: bool,
}

/// Plays a run.
///
/// # Panics
///
/// Where something hangs, or a process ends by anything but the kill.
pub(super) async fn play(plan: Plan, redis: &Redis) -> Played {
    let plivo = PlivoSim::start(SimConfig::default()).await;
    plivo.script(plan.script.clone()).await;
    let mut stage = Stage {
        told: vec![None; plan.orders.len()],
        plan,
        redis,
        plivo,
        one: Folder::new(),
        two: Folder::new(),
        app: App::new(SocketAddr::from(([127, 0, 0, 1], 0)), TOKEN),
        played: Played::default(),
        cut: 0,
        began: Instant::now(),
        was_long_away: false,
    };
    stage.die().await;
    let fail = None;
    let two = match stage.plan.elsewhere {
        true => {
            let two = Victim::start(&stage.two, &stage.setup(), fail.clone()).await;
            let two = two.expect("nothing kills it");
            stage.ask(&two).await;
            Some(two)
        }
        false => None,
    };
    let one = Victim::start(&stage.one, &stage.setup(), fail).await.expect("nothing kills it");
    stage.was_long_away = stage.began.elapsed() > LEASE - MARGIN;
    stage.ask(&one).await;
    stage.end(one, two).await
}

impl Stage<'_> {
    /// The first replica, which is asked for everything and dies on the way.
    async fn die(&mut self) {
        let fail = format!("{}:{}", self.plan.point, self.plan.spare + 1);
        let setup = self.setup();
        if let Some(victim) = Victim::start(&self.one, &setup, Some(fail)).await {
            self.began = Instant::now();
            self.ask(&victim).await;
            let (app, killer) = (self.app.at(victim.apps), victim.killer());
            // What is told when a message's way has ended, or a second after it began.
            let began = Instant::now();
            while killer.is_alive() && began.elapsed() < LEASE / 2 {
                let all = app.standings().await.unwrap_or_default();
                if !all.values().any(Standing::is_open) && !self.plan.point.starts_with("shared.") {
                    break;
                }
                App::pause().await;
            }
            self.played.reached = !killer.is_alive();
            victim.kill().await;
        }
        self.cut = self.told.iter().filter(|told| told.is_none()).count();
    }

    fn setup(&self) -> Setup {
        let limit = json!({"name": "app", "scope": "app", "quota": 1_000, "per_s": 3_600});
        Setup::with_base_url(&self.plivo.base_url())
            .set("store.ephemeral", Value::Null)
            .set("store.min_free_percent", 0)
            .set("store.path", "sendgate.db")
            .set("store.shared", self.redis.url())
            .set("store.shared_prefix", &*self.plan.prefix)
            .set("store.shared_timeout_ms", 10_000)
            .set("store.hash_key", "one-key-for-all-the-replicas-of-a-test")
            .set("delivery.join_ms", 100)
            .set("delivery.settle_s", json!([1, 3]))
            .set("delivery.on_unresolved", "fail")
            .set("plivo.connect_timeout_ms", 1_000)
            .set("plivo.call_timeout_ms", 2_000)
            .policy(Policy::new("dedup").settings(json!({"window_s": 3_600})))
            .policy(Policy::new("throttle").settings(json!({"limits": [limit]})))
    }

    /// Asks for what has no answer, until all have one or the replica is dead.
    async fn ask(&mut self, victim: &Victim) {
        let (app, killer) = (self.app.at(victim.apps), victim.killer());
        let began = Instant::now();
        while killer.is_alive() {
            let open: Vec<usize> =
                (0..self.told.len()).filter(|nth| self.told[*nth].is_none()).collect();
            if open.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no answers within {PATIENCE:?}");
            let mut asked = JoinSet::new();
            for nth in open {
                let (app, order) = (app.clone(), self.plan.orders[nth].clone());
                asked.spawn(async move { (nth, app.ask(&order).await) });
                if !self.plan.at_once {
                    self.hear(&mut asked).await;
                    if !killer.is_alive() {
                        return;
                    }
                }
            }
            self.hear(&mut asked).await;
            App::pause().await;
        }
    }

    async fn hear(&mut self, asked: &mut JoinSet<(usize, Option<Reply>)>) {
        while let Some(heard) = asked.join_next().await {
            let (nth, reply) = heard.expect("asking does not panic");
            if let Some(reply) = reply.filter(|reply| !reply.is_not_yet()) {
                self.played.replayed += usize::from(reply.replayed);
                self.told[nth] = Some(reply);
            }
        }
    }

    /// Waits until no message is on its way and the Redis holds what it should; then the count.
    async fn end(mut self, one: Victim, two: Option<Victim>) -> Played {
        let apps: Vec<App> = [Some(&one), two.as_ref()]
            .into_iter()
            .flatten()
            .map(|victim| self.app.at(victim.apps))
            .collect();
        let mut last = None;
        let settled = timeout(PATIENCE, async {
            loop {
                if let Some(standings) = standings(&apps).await
                    && !standings.values().any(Standing::is_open)
                {
                    let wrong = self.held_otherwise(&standings);
                    let is_well = wrong.is_empty();
                    last = Some((standings, wrong));
                    if is_well {
                        return;
                    }
                }
                App::pause().await;
            }
        });
        drop(settled.await);
        let (standings, wrong) = last.unwrap_or_else(|| panic!("messages are still on their way"));
        self.played.faults.extend(wrong);
        self.ask_again(&apps, &standings).await;
        self.count(&standings);
        for victim in [Some(one), two].into_iter().flatten() {
            victim.kill().await;
        }
        self.played
    }

    /// Every request once more, of each replica: it is the same message still.
    async fn ask_again(&mut self, apps: &[App], standings: &HashMap<String, Standing>) {
        for (nth, order) in self.plan.orders.iter().enumerate() {
            let Some(before) = self.told[nth].as_ref().and_then(Reply::id) else { continue };
            // Under the key of one that was certainly not sent the app may ask afresh.
            if standings.get(before).is_some_and(Standing::is_refused) {
                continue;
            }
            for app in apps {
                let reply = app.ask_until_answered(order).await;
                if !reply.replayed || reply.id() != Some(before) {
                    self.played
                        .faults
                        .push(format!("`{}` was {before} and is {reply:?} now", order.key));
                }
                self.played.replayed += usize::from(reply.replayed);
            }
        }
    }

    /// How the Redis differs from what the messages account for.
    fn held_otherwise(&self, standings: &HashMap<String, Standing>) -> Vec<String> {
        let held = Held::of(self.redis, &self.plan.prefix);
        let mut wrong = Vec::new();
        let kept: HashMap<&String, &Standing> =
            standings.iter().filter(|(_, standing)| is_kept(standing)).collect();
        let waits = kept.values().filter(|standing| standing.is_held()).count();
        // A replica that dies after it charged and before it accepted leaves the charge as it is.
        let lost = held.used.checked_sub(kept.len());
        if lost.is_none_or(|lost| lost > self.cut || held.open != waits + lost) {
            wrong.push(format!(
                "the limit has {} used, of which {} may be given back; {} were sent, of which {waits} are held, and {} \
                 had no answer",
                held.used,
                held.open,
                kept.len(),
                self.cut
            ));
        }
        for (id, standing) in &kept {
            let expected = if standing.is_held() { Reservation::Open } else { Reservation::Kept };
            let found = held.reserved.get(*id);
            let is_over = found.is_none() && self.was_long_away;
            if found != Some(&expected) && !is_over {
                wrong.push(format!("the reservation of {id} is {found:?}: {standing:?}"));
            }
        }
        for id in held.reserved.keys().filter(|id| !kept.contains_key(id)) {
            wrong.push(format!("{id} was not sent and has a reservation"));
        }
        wrong
    }

    fn count(&mut self, standings: &HashMap<String, Standing>) {
        let at_plivo = self.plivo.sends();
        self.played.sent = at_plivo.len();
        for (order, told) in self.plan.orders.iter().zip(&self.told) {
            let copies = at_plivo.iter().filter(|sent| sent.text == order.text).count();
            if copies > 1 {
                self.played.duplicates.push(format!("`{}` is at Plivo {copies} times", order.key));
            }
            let its: Vec<&Standing> = standings
                .values()
                .filter(|standing| standing.to.as_ref() == Some(&order.to))
                .collect();
            let live: Vec<&&Standing> = its.iter().filter(|standing| is_kept(standing)).collect();
            match live[..] {
                [standing] if standing.is_unknown() => self.played.unknown += 1,
                [_] if copies > 0 => {}
                [] if copies == 0 && its.iter().any(|standing| standing.is_refused()) => {
                    self.played.given_up += 1;
                }
                _ => self.played.losses.push(format!(
                    "`{}` is at Plivo {copies} times, and {its:?}; told {told:?}",
                    order.key
                )),
            }
            let told = told.as_ref().and_then(Reply::id).and_then(|id| standings.get(id));
            if told.is_some_and(Standing::is_taken_back) {
                self.played.faults.push(format!("`{}` was told and taken back", order.key));
            }
        }
    }
}

/// Whether it counts: it was sent, or nobody knows.
fn is_kept(standing: &Standing) -> bool {
    standing.is_sent() || standing.is_unknown()
}

async fn standings(apps: &[App]) -> Option<HashMap<String, Standing>> {
    let mut all = HashMap::new();
    for app in apps {
        all.extend(app.standings().await?);
    }
    Some(all)
}
