//! One run, from the first process to the count at Plivo.

use std::collections::HashMap;

use plivo_sim::{PlivoSim, SimConfig};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::app::{App, Reply, Standing};
use crate::harness::{Folder, PATIENCE};
use crate::place::Place;
use crate::plan::{Kill, Plan};
use crate::proxy::{Aim, Proxy};
use crate::victim::Victim;

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// The process died where it should.
    pub(crate) reached: bool,
    /// Messages at Plivo.
    pub(crate) sent: usize,
    /// Requests that were answered again.
    pub(crate) replayed: usize,
    /// Messages of which it is said that nobody knows.
    pub(crate) unknown: usize,
    /// Each by its text.
    pub(crate) duplicates: Vec<String>,
    /// Messages that are accepted, not at Plivo, and not said to be unknown.
    pub(crate) losses: Vec<String>,
    /// Whatever else is not as it should be.
    pub(crate) faults: Vec<String>,
}

/// Everything that outlives the processes.
struct Stage {
    plan: Plan,
    folder: Folder,
    plivo: PlivoSim,
    to_plivo: Proxy,
    door: Proxy,
    app: App,
    /// What the app was told, by order.
    told: Vec<Option<Reply>>,
    played: Played,
}

/// Plays a run.
///
/// # Panics
///
/// Where something hangs, or a process ends by anything but the kill.
pub(crate) async fn play(plan: Plan) -> Played {
    let plivo = PlivoSim::start(SimConfig::default()).await;
    plivo.script(plan.script.clone()).await;
    plivo.set_list_delay(plan.list_delay);
    let (to_plivo, door) = (Proxy::start(), Proxy::start());
    to_plivo.lead_to(plivo.address());
    if plan.no_list {
        to_plivo.hide();
    }
    let app = App::new(door.address);
    let told = vec![None; plan.orders.len()];
    let (folder, played) = (Folder::new(), Played::default());
    let mut stage = Stage { plan, folder, plivo, to_plivo, door, app, told, played };
    if stage.plan.before > 0 {
        stage.live(None, stage.plan.before).await;
    }
    for kill in stage.plan.kills.clone() {
        let met = stage.live(Some(&kill), usize::MAX).await;
        stage.played.reached |= met && kill.place == stage.plan.place;
    }
    stage.end().await
}

impl Stage {
    /// One process, which the app asks for the first `orders`, until it dies as `kill` says, or has no more to do and is
    /// killed. Whether it died of itself.
    async fn live(&mut self, kill: Option<&Kill>, orders: usize) -> bool {
        let Some(victim) = self.start(kill).await else { return true };
        let killer = victim.killer();
        let alive = || killer.is_alive();
        self.ask(orders, &alive).await;
        if kill.is_some() {
            drop(self.settled(&alive).await);
        }
        let met = !alive();
        victim.kill().await;
        met
    }

    /// The last process, which is left alone; then the count.
    async fn end(mut self) -> Played {
        let victim = self.start(None).await.expect("nothing kills it");
        let killer = victim.killer();
        let alive = || killer.is_alive();
        self.ask(usize::MAX, &alive).await;
        let standings = self.settled(&alive).await.expect("nothing kills it");
        self.ask_again().await;
        victim.kill().await;
        self.count(&standings);
        self.played
    }

    async fn start(&self, kill: Option<&Kill>) -> Option<Victim> {
        let setup = self.plan.setup(&format!("http://{}", self.to_plivo.address));
        let fail = kill.and_then(|kill| match kill.place {
            Place::Point(name) => Some(format!("{name}:{}", kill.spare + 1)),
            Place::App(_) | Place::Plivo(_) => None,
        });
        let victim = Victim::start(&self.folder, &setup, fail).await?;
        self.door.lead_to(victim.apps);
        if let Some(Kill { place, spare, goes_on }) = kill {
            let aim =
                |step| Aim { step, spare: *spare, goes_on: *goes_on, killer: victim.killer() };
            match *place {
                Place::Point(_) => {}
                Place::App(step) => self.door.aim(aim(step)),
                Place::Plivo(step) => self.to_plivo.aim(aim(step)),
            }
        }
        Some(victim)
    }

    /// Asks for the first `orders` that have no answer, for as long as the process is alive.
    async fn ask(&mut self, orders: usize, alive: &(impl Fn() -> bool + Clone + Send)) {
        let open = |told: &[Option<Reply>]| -> Vec<usize> {
            (0..told.len().min(orders)).filter(|nth| told[*nth].is_none()).collect()
        };
        let began = Instant::now();
        while alive() {
            assert!(began.elapsed() < PATIENCE, "no answers within {PATIENCE:?}");
            let unanswered = open(&self.told);
            if unanswered.is_empty() {
                return;
            }
            let mut asked = JoinSet::new();
            for nth in unanswered {
                let (app, order) = (self.app.clone(), self.plan.orders[nth].clone());
                asked.spawn(async move { (nth, app.ask(&order).await) });
                if !self.plan.at_once {
                    self.hear(&mut asked).await;
                    if !alive() {
                        return;
                    }
                }
            }
            self.hear(&mut asked).await;
            if !open(&self.told).is_empty() {
                App::pause().await;
            }
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

    /// Waits until no message is on its way any more; none where the process died before.
    async fn settled(&self, alive: &impl Fn() -> bool) -> Option<HashMap<String, Standing>> {
        let waited = timeout(PATIENCE, async {
            while alive() {
                if let Some(standings) = self.app.standings().await
                    && !standings.values().any(Standing::is_open)
                {
                    return Some(standings);
                }
                App::pause().await;
            }
            None
        });
        let Ok(found) = waited.await else {
            let last = self.app.standings().await;
            panic!("messages are still on their way after {PATIENCE:?}: {last:?}");
        };
        found
    }

    /// Every request once more: each is the same message still.
    async fn ask_again(&mut self) {
        for (nth, order) in self.plan.orders.iter().enumerate() {
            let reply = self.app.ask_until_answered(order).await;
            let before = self.told[nth].as_ref().and_then(Reply::id);
            if !reply.replayed || reply.id() != before {
                let fault = format!("`{}` was {before:?} and is {:?} now", order.key, reply.id());
                self.played.faults.push(fault);
            }
            self.played.replayed += usize::from(reply.replayed);
        }
    }

    /// Holds what the sidecar says against what Plivo has.
    fn count(&mut self, standings: &HashMap<String, Standing>) {
        let at_plivo = self.plivo.sends();
        let Self { plan, told, played, .. } = self;
        played.sent = at_plivo.len();
        for (order, told) in plan.orders.iter().zip(told) {
            let copies = at_plivo.iter().filter(|sent| sent.text == order.text).count();
            if copies > 1 {
                played.duplicates.push(format!("`{}` is at Plivo {copies} times", order.key));
            }
            let standing = told.as_ref().and_then(Reply::id).and_then(|id| standings.get(id));
            match standing {
                None => played.losses.push(format!("`{}` has no record: {told:?}", order.key)),
                Some(standing) if standing.is_unknown() => played.unknown += 1,
                Some(standing) if standing.is_sent() && copies > 0 => {}
                Some(standing) => played
                    .losses
                    .push(format!("`{}` is at Plivo {copies} times, and {standing:?}", order.key)),
            }
        }
        if standings.len() != plan.orders.len() {
            let fault = format!("{} records of {} orders", standings.len(), plan.orders.len());
            played.faults.push(fault);
        }
        let mut uuids: Vec<&str> =
            standings.values().filter_map(|standing| standing.uuid.as_deref()).collect();
        let claimed = uuids.len();
        uuids.sort_unstable();
        uuids.dedup();
        if uuids.len() != claimed {
            played.faults.push("two records have one message at Plivo".to_owned());
        }
        // Where the list can be had and no two messages look alike there, everything can be known.
        if played.unknown > 0 && !plan.no_list && !plan.one_number {
            played.faults.push(format!("{} unknown that Plivo's list would tell", played.unknown));
        }
    }
}

impl Played {
    /// All that is wrong, in words.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let all = self.duplicates.iter().chain(&self.losses).chain(&self.faults);
        all.map(String::as_str).collect()
    }
}
