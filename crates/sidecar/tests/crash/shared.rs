//! The same with a Redis that replicas share, under policies that count there: whatever a replica is killed at, and
//! whoever is asked again, a message is sent once, and the Redis holds what was sent and nothing else.

mod held;
mod play;

use std::sync::Arc;

use fastrand::Rng;
use plivo_sim::Step as Answer;
use tokio::task::JoinSet;

use crate::app::Order;
use crate::harness::Redis;
use crate::place::Place;
use crate::runs::{number, panic_text, seed, show};
use crate::table::Table;
use play::play;

/// Runs at once; they mostly wait for leases.
const AT_ONCE: usize = 24;
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
    let (mut table, mut failures) = (Table::default(), Vec::new());
    play_all(&redis, seed, runs.clone(), &mut table, &mut failures).await;
    let round = POINTS.len() as u64;
    let all = runs.end - runs.start >= round;
    let beyond = runs.end.next_multiple_of(round);
    if all {
        let never = table.never_reached();
        let nths = (0..round).filter(|nth| never.contains(&Place::Point(POINTS[*nth as usize])));
        let more: Vec<u64> =
            nths.flat_map(|nth| (0..MORE).map(move |n| beyond + n * round + nth)).collect();
        play_all(&redis, seed, more.into_iter(), &mut table, &mut failures).await;
    }
    show(&format!("\nwith a Redis, seed {seed}, runs {} to {}\n{table}", runs.start, runs.end - 1));
    assert!(failures.is_empty(), "{} runs failed:\n{}", failures.len(), failures.join("\n"));
    let never = table.never_reached();
    assert!(
        !all || never.is_empty(),
        "no run was killed at {never:?}; has the program its fail points?"
    );
}

async fn play_all(
    redis: &Arc<Redis>,
    seed: u64,
    mut next: impl Iterator<Item = u64>,
    table: &mut Table,
    failures: &mut Vec<String>,
) {
    let mut playing = JoinSet::new();
    loop {
        while playing.len() < AT_ONCE
            && let Some(run) = next.next()
        {
            let redis = Arc::clone(redis);
            let played = tokio::spawn(async move { play(Plan::of(seed, run), &redis).await });
            playing.spawn(async move { (run, played.await.map_err(panic_text)) });
        }
        let Some(ended) = playing.join_next().await else { break };
        let (run, played) = ended.expect("a panic is a result");
        let point = Plan::of(seed, run).point;
        let wrong = match &played {
            Ok(played) => {
                table.add(Place::Point(point), false, played);
                played.wrong().join("\n    ")
            }
            Err(why) => why.clone(),
        };
        if !wrong.is_empty() {
            failures.push(format!(
                "  run {run}, killed at {point}; again with: cargo xtask crash --redis --seed {seed} --run {run}\n    {wrong}"
            ));
        }
    }
}
