//! One run, from the first process to the count at Plivo.

use std::collections::{HashMap, HashSet};

use plivo_sim::PlivoSim;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::app::{App, Reply, Standing};
use crate::count::Played;
use crate::harness::{Folder, PATIENCE, TOKEN};
use crate::listener::Listener;
use crate::place::Place;
use crate::plan::{Around, Kill, Plan};
use crate::proxy::{Aim, Proxy};
use crate::victim::Victim;

/// Everything that outlives the processes.
struct Stage {
    plan: Plan,
    folder: Folder,
    plivo: PlivoSim,
    to_plivo: Proxy,
    /// From the app to the sidecar.
    door: Proxy,
    /// From Plivo to the sidecar, with reports.
    ingress: Proxy,
    /// From the sidecar to the app's listener.
    outlet: Proxy,
    listener: Listener,
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
    let plivo = PlivoSim::start(plan.plivo()).await;
    plivo.script(plan.script.clone()).await;
    plivo.set_list_delay(plan.list_delay);
    let (to_plivo, door, ingress, outlet) =
        (Proxy::start(), Proxy::start(), Proxy::start(), Proxy::start());
    let listener = Listener::start();
    to_plivo.lead_to(plivo.address());
    outlet.lead_to(listener.address);
    if plan.no_list {
        to_plivo.hide();
    }
    let mut stage = Stage {
        app: App::new(door.address, TOKEN),
        told: vec![None; plan.orders.len()],
        folder: Folder::new(),
        played: Played::default(),
        plan,
        plivo,
        to_plivo,
        door,
        ingress,
        outlet,
        listener,
    };
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
    /// One process, which the app asks for the first `orders`, until it dies as `kill` says, or has no more to do and
    /// is killed. Whether it died of itself.
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
        let mut given_up = HashSet::new();
        let standings = loop {
            self.ask(usize::MAX, &alive).await;
            let standings = self.settled(&alive).await.expect("nothing kills it");
            if !self.forget_given_up(&standings, &mut given_up) {
                break standings;
            }
        };
        self.ask_again().await;
        victim.kill().await;
        let Self { plan, plivo, listener, told, mut played, .. } = self;
        played.count(&plan, &told, &standings, &plivo.sends());
        played.count_events(&listener.told());
        played
    }

    /// What was given up is asked for again under its key, which is free; whether anything is that was not before.
    fn forget_given_up(
        &mut self,
        standings: &HashMap<String, Standing>,
        before: &mut HashSet<String>,
    ) -> bool {
        let mut any = false;
        for told in &mut self.told {
            let id = told.as_ref().and_then(Reply::id).map(str::to_owned);
            let standing = id.as_ref().and_then(|id| standings.get(id));
            if standing.is_some_and(Standing::is_given_up) && before.insert(id.unwrap_or_default())
            {
                (*told, any) = (None, true);
            }
        }
        any
    }

    async fn start(&self, kill: Option<&Kill>) -> Option<Victim> {
        let setup = self.plan.setup(Around {
            plivo: self.to_plivo.address,
            callbacks: self.ingress.address,
            listener: self.outlet.address,
        });
        let fail = kill.and_then(|kill| match kill.place {
            Place::Point(name) => Some(format!("{name}:{}", kill.spare + 1)),
            _ => None,
        });
        let victim = Victim::start(&self.folder, &setup, fail).await?;
        self.door.lead_to(victim.apps);
        if self.plan.reports {
            let Some(callbacks) = victim.callbacks().await else {
                victim.kill().await;
                return None;
            };
            self.ingress.lead_to(callbacks);
        }
        if let Some(Kill { place, spare, goes_on }) = kill {
            let aim =
                |step| Aim { step, spare: *spare, goes_on: *goes_on, killer: victim.killer() };
            match *place {
                Place::Point(_) => {}
                Place::App(step) => self.door.aim(aim(step)),
                Place::Plivo(step) => self.to_plivo.aim(aim(step)),
                Place::Report(step) => self.ingress.aim(aim(step)),
                Place::Relay(step) => self.outlet.aim(aim(step)),
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
                    && standings.values().all(|standing| self.is_settled(standing))
                    && self.untold(&standings).is_empty()
                {
                    return Some(standings);
                }
                App::pause().await;
            }
            None
        });
        let Ok(found) = waited.await else {
            let last = self.app.standings().await;
            let untold = last.as_ref().map(|last| self.untold(last));
            panic!(
                "after {PATIENCE:?} these are still on their way: {last:#?}\nuntold: {untold:?}"
            );
        };
        found
    }

    fn is_settled(&self, standing: &Standing) -> bool {
        if self.plan.reports { standing.is_final() } else { !standing.is_open() }
    }

    /// Messages whose end the app is still to be told.
    fn untold(&self, standings: &HashMap<String, Standing>) -> Vec<String> {
        if !self.plan.reports {
            return Vec::new();
        }
        let told = self.listener.told();
        let ends = standings.iter().map(|(id, standing)| (id.clone(), standing.status.clone()));
        ends.filter(|end| !told.contains_key(end)).map(|(id, _)| id).collect()
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
}
