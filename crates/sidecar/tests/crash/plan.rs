//! What happens in one run, all of it drawn from a seed.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use plivo_sim::{Callbacks, SimConfig, Step as Answer};
use serde_json::{Value, json};

use crate::app::Order;
use crate::harness::{App, Policy, Setup, TOKEN};
use crate::place::{Met, Place};

/// One run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) place: Place,
    /// One for each process that is killed, in order.
    pub(crate) kills: Vec<Kill>,
    pub(crate) orders: Vec<Order>,
    /// Of these, the first so many are asked for, and the sidecar killed, before the first of `kills`.
    pub(crate) before: usize,
    /// All are asked for at once, or one after the other.
    pub(crate) at_once: bool,
    /// What Plivo does with the first requests that it gets.
    pub(crate) script: Vec<Answer>,
    /// How late Plivo's list shows a message.
    pub(crate) list_delay: Duration,
    /// Plivo's list cannot be had.
    pub(crate) no_list: bool,
    /// A message of which nobody finds out is sent again: at least once, and not at most.
    pub(crate) resends: bool,
    /// All go to one number.
    pub(crate) one_number: bool,
    /// Plivo reports on what it has, and the app is told.
    pub(crate) reports: bool,
    /// After so many calls that Plivo turned away a message is given up; Plivo turns away so many that some are.
    pub(crate) gives_up: Option<u32>,
    policies: bool,
    durability: &'static str,
}

/// Where a sidecar finds everybody else, and Plivo the sidecar.
#[derive(Clone, Copy)]
pub(crate) struct Around {
    pub(crate) plivo: SocketAddr,
    /// Leads to the sidecar's callback listener.
    pub(crate) callbacks: SocketAddr,
    /// Where the app is told what became of its messages.
    pub(crate) listener: SocketAddr,
}

/// How one process is killed.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) place: Place,
    /// How often it passes there before.
    pub(crate) spare: u32,
    /// Whether bytes that it had written still get to Plivo.
    pub(crate) goes_on: bool,
}

/// How long a call may take.
const CALL: Duration = Duration::from_secs(2);

impl Plan {
    /// The run with this number; the same for the same seed.
    pub(crate) fn of(seed: u64, run: u64) -> Self {
        let places = Place::all();
        let place = places[usize::try_from(run).unwrap_or(0) % places.len()];
        // Runs of neighbouring seeds have nothing in common.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (run << 1 | 1));
        let chance = |rng: &mut Rng, of: u32| rng.u32(..of) == 0;
        let one_number = chance(&mut rng, 4);
        let orders = orders(&mut rng, run, one_number);
        let before = if chance(&mut rng, 4) { rng.usize(..orders.len()) } else { 0 };
        let met = place.met();
        let no_list = met != Met::Recovery && chance(&mut rng, 10);
        let kills = kills(&mut rng, place, orders.len());
        let gives_up = (matches!(met, Met::Sending | Met::Reporting) && chance(&mut rng, 4))
            .then(|| rng.u32(1..=2));
        let reported = kills.iter().any(|kill| kill.place.met() == Met::Reporting);
        Self {
            place,
            kills,
            before,
            at_once: rng.bool(),
            script: match gives_up {
                Some(attempts) => turned_away(&mut rng, attempts),
                None => script(&mut rng, met),
            },
            list_delay: Duration::from_millis(if chance(&mut rng, 4) {
                rng.u64(..1_200)
            } else {
                0
            }),
            no_list,
            resends: chance(&mut rng, if no_list { 3 } else { 8 }),
            one_number,
            reports: reported || chance(&mut rng, 6),
            gives_up,
            policies: chance(&mut rng, 8),
            durability: if rng.bool() { "power" } else { "process" },
            orders,
        }
    }

    /// What the sidecar is configured with.
    pub(crate) fn setup(&self, around: Around) -> Setup {
        // Plivo's list is asked a second after the call, then when it must show what there is.
        let settle = if self.no_list { json!([1]) } else { json!([1, 3]) };
        let setup = Setup::with_base_url(&format!("http://{}", around.plivo))
            .set("store.ephemeral", Value::Null)
            .set("store.min_free_percent", 0)
            .set("store.path", "sendgate.db")
            .set("store.durability", self.durability)
            .set("delivery.settle_s", settle)
            .set("delivery.on_unresolved", if self.resends { "resend" } else { "fail" })
            .set("plivo.connect_timeout_ms", 1_000)
            .set("plivo.call_timeout_ms", u64::try_from(CALL.as_millis()).unwrap_or(u64::MAX));
        let setup = match self.gives_up {
            Some(attempts) => setup.set("plivo.attempts", attempts),
            None => setup,
        };
        let setup = if self.reports { self.with_reports(setup, around) } else { setup };
        if !self.policies {
            return setup;
        }
        let wide =
            json!({"limits": [{"name": "app", "scope": "app", "quota": 1_000, "per_s": 60}]});
        setup.policy(Policy::new("dedup")).policy(Policy::new("throttle").settings(wide))
    }

    /// What Plivo is like.
    pub(crate) fn plivo(&self) -> SimConfig {
        let callbacks = if self.reports { Callbacks::auto() } else { Callbacks::Off };
        // Plivo's own pace would be a minute.
        let callback_retry = Duration::from_millis(200);
        SimConfig { callbacks, callback_retry, ..SimConfig::default() }
    }

    fn with_reports(&self, setup: Setup, around: Around) -> Setup {
        let app = App::new("demo", TOKEN)
            .set("relay_url", format!("http://{}/told", around.listener))
            .set("relay_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        setup
            .set("listen.callbacks", "127.0.0.1:0")
            .set("listen.callbacks_url", format!("http://{}", around.callbacks))
            // Reports that no process was there to take are asked for.
            .set("delivery.report_silence_s", 1)
            .set("delivery.poll_s", json!([1]))
            .app(app)
    }
}

fn orders(rng: &mut Rng, run: u64, one_number: bool) -> Vec<Order> {
    let count = rng.u64(1..=5);
    let order = |nth: u64| Order {
        key: format!("run-{run}-{nth}"),
        to: format!("+1415555{:04}", if one_number { 100 } else { 100 + nth }),
        // Some take two segments.
        text: format!("run {run}, message {nth}{}", " and more".repeat(rng.usize(..2) * 18)),
        waits: rng.bool(),
        delay: (rng.u32(..6) == 0).then(|| jiff::SignedDuration::from_millis(rng.i64(200..1_500))),
    };
    (0..count).map(order).collect()
}

fn kills(rng: &mut Rng, place: Place, messages: usize) -> Vec<Kill> {
    let messages = u32::try_from(messages).unwrap_or(u32::MAX);
    let kill = |rng: &mut Rng, place: Place| Kill {
        place,
        spare: rng.u32(..place.most_spared(messages)),
        goes_on: rng.bool(),
    };
    let mut kills = vec![kill(rng, place)];
    if place.met() == Met::Recovery {
        // Somebody must leave something behind first.
        let cut_off = ["delivery.intent", "delivery.answered", "delivery.outcome"];
        let first = Place::Point(cut_off[rng.usize(..cut_off.len())]);
        kills.insert(0, Kill { place: first, spare: 0, goes_on: false });
    } else if rng.u32(..4) == 0 {
        let places = Place::all();
        let next = places[rng.usize(..places.len())];
        kills.push(kill(rng, next));
    }
    kills
}

/// Enough to give one message up or two, or to have several tried again; too few to open the breaker.
fn turned_away(rng: &mut Rng, attempts: u32) -> Vec<Answer> {
    let steps = rng.u32(attempts..=4);
    (0..steps).map(|_| Answer::status(if rng.bool() { 503 } else { 429 })).collect()
}

/// At most two steps turn a message away, so that none is given up; some leave it open whether it was taken.
fn script(rng: &mut Rng, met: Met) -> Vec<Answer> {
    let unknown = [
        Answer::status(500).queued(),
        Answer::status(500),
        Answer::reset().queued(),
        Answer::reset(),
        Answer::close(),
        Answer::truncate(),
        Answer::hang(CALL * 2),
        Answer::hang(CALL * 2).not_queued(),
    ];
    let any = |rng: &mut Rng| unknown[rng.usize(..unknown.len())].clone();
    if met == Met::InDoubt {
        return vec![any(rng)];
    }
    match rng.u32(..6) {
        0 => vec![any(rng), any(rng)],
        1 => vec![Answer::status(429), any(rng)],
        2 => vec![Answer::status(503).with_header("retry-after", "1")],
        _ => Vec::new(),
    }
}
