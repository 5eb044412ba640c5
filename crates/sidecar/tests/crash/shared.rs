//! The same with a Redis that replicas share, under policies that count there: whatever a replica is killed at, and
//! whoever is asked again, a message is sent once, and the Redis holds what was sent and nothing else.

mod held;
mod play;

use std::sync::Arc;

use fastrand::Rng;
use plivo_sim::Step as Answer;

use crate::app::Order;
use crate::harness::Redis;
use crate::place::Place;
use crate::runs::{Books, number, play_all, seed};
use play::play;

/// Runs, unless `cargo xtask crash --redis` says otherwise: one at each place.
const RUNS: u64 = POINTS.len() as u64;
/// Where no run was killed at a place, so many more are played for it.
const MORE: u64 = 4;

/// Where a replica dies: at each step of what it shares, and between them.
const POINTS: [&str; 20] = [
    "shared.claim",
    "shared.ahead",
    "shared.foretold",
    "shared.claimed",
    "accept.begin",
    "accept.in_transaction",
    "key.in_transaction",
    "accept.done",
    "shared.confirm",
    "shared.confirmed",
    "delivery.intent",
    "delivery.answered",
    "delivery.outcome",
    "delivery.written",
    "answer.begin",
    "shared.own",
    "shared.owned",
    "shared.tell",
    "shared.told",
    "store.committed",
];

/// One run, drawn from a seed.
struct Plan {
    point: &'static str,
    /// How often the replica passes there before.
    spare: u32,
    orders: Vec<Order>,
    at_once: bool,
    /// What Plivo does with the first requests that it gets.
    script: Vec<Answer>,
    /// The app asks another replica while the one that was killed is away; else the one that was killed, once it is
    /// back.
    elsewhere: bool,
    prefix: String,
}

impl Plan {
    fn of(seed: u64, run: u64) -> Self {
        let point = POINTS[usize::try_from(run).unwrap_or(0) % POINTS.len()];
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (run << 1 | 1));
        let count = rng.u64(1..=4);
        // Only what is not settled within a second is told of on its acceptance; and it counts for what outlasts a lease.
        let is_late = matches!(point, "shared.own" | "shared.owned");
        let delay = jiff::SignedDuration::from_millis(if is_late { 7_000 } else { 500 });
        let order = |nth: u64| Order {
            key: format!("shared-{run}-{nth}"),
            to: format!("+1415555{:04}", 100 + nth),
            text: format!("shared run {run}, message {nth}"),
            waits: !is_late && rng.bool(),
            delay: (is_late || rng.u32(..6) == 0).then_some(delay),
        };
        let orders: Vec<Order> = (0..count).map(order).collect();
        Self {
            point,
            spare: if is_late { 0 } else { rng.u32(..u32::try_from(count).unwrap_or(1)) },
            orders,
            at_once: rng.bool(),
            script: match rng.u32(..6) {
                0 => vec![Answer::status(400)],
                1 => vec![Answer::status(429), Answer::status(400)],
                2 => vec![Answer::status(500).queued()],
                3 => vec![Answer::reset()],
                _ => Vec::new(),
            },
            elsewhere: rng.bool(),
            prefix: format!("crash-{run}:"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn among_replicas_nothing_is_sent_twice_or_lost_and_the_redis_holds_what_was_sent() {
    let (seed, redis) = (seed(), Arc::new(Redis::start()));
    let runs = match number("SENDGATE_CRASH_REDIS_RUN") {
        Some(run) => run..run + 1,
        None => 0..number("SENDGATE_CRASH_REDIS_RUNS").unwrap_or(RUNS),
    };
    let mut books = Books::default();
    let one = |run| {
        let redis = Arc::clone(&redis);
        async move { play(Plan::of(seed, run), &redis).await }
    };
    let note = |books: &mut Books, run, played| {
        let place = Place::Point(Plan::of(seed, run).point);
        let again = format!("cargo xtask crash --redis --seed {seed} --run {run}");
        books.add((place, false), &again, played);
    };
    play_all(runs.clone(), one, |run, played| note(&mut books, run, played)).await;
    let round = POINTS.len() as u64;
    let all = runs.end - runs.start >= round;
    let beyond = runs.end.next_multiple_of(round);
    if all {
        let never = books.table.never_reached();
        let nths = (0..round).filter(|nth| never.contains(&Place::Point(POINTS[*nth as usize])));
        let more = nths.flat_map(|nth| (0..MORE).map(move |n| beyond + n * round + nth));
        play_all(more, one, |run, played| note(&mut books, run, played)).await;
    }
    let what = format!("with a Redis, seed {seed}, runs {} to {}", runs.start, runs.end - 1);
    books.close(&what, all);
}
