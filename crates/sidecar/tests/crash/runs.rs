//! Many runs, some at once; the table at their end, and how to play again what failed.

use std::env;
use std::ops::Range;

use tokio::task::{JoinError, JoinSet};

use crate::count::Played;
use crate::place::Place;
use crate::plan::Plan;
use crate::play::play;
use crate::table::Table;

/// Runs at once; they mostly wait.
const AT_ONCE: usize = 24;
/// Runs and seed, unless `cargo xtask crash` says otherwise. Counted are those that may send nothing twice; those under
/// `on_unresolved = "resend"`, some one in seven, are played besides.
const RUNS: u64 = 153;
const SEED: u64 = 1;
/// Where no run was killed at a place, so many more are played for it at once, and so often.
const MORE: (u64, u64) = (4, 4);

/// What is to be run.
struct Wanted {
    seed: u64,
    runs: Range<u64>,
}

impl Wanted {
    fn read() -> Self {
        let seed = seed();
        let runs = match number("SENDGATE_CRASH_RUN") {
            Some(run) => run..run + 1,
            None => 0..numbers(seed, number("SENDGATE_CRASH_RUNS").unwrap_or(RUNS)),
        };
        Self { seed, runs }
    }
}

/// How many numbers it takes for so many runs under `on_unresolved = "fail"`.
fn numbers(seed: u64, runs: u64) -> u64 {
    let most_once = (0..).filter(|run| !Plan::of(seed, *run).resends);
    most_once.take(usize::try_from(runs).unwrap_or(usize::MAX)).last().map_or(0, |last| last + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_nothing_is_sent_twice_and_nothing_is_lost() {
    let Wanted { seed, runs } = Wanted::read();
    let (mut table, mut failures) = (Table::default(), Vec::new());
    play_all(seed, runs.clone(), &mut table, &mut failures).await;
    // Each run has one place, in turn; too few runs have not tried every one.
    let places = Place::all();
    let round = places.len() as u64;
    let mut beyond = runs.end.next_multiple_of(round);
    for _ in 0..if runs.end - runs.start < round { 0 } else { MORE.1 } {
        let never = table.never_reached();
        let nths = (0..round).filter(|nth| never.contains(&Plan::of(seed, *nth).place));
        let more = nths.flat_map(|nth| (0..MORE.0).map(move |n| beyond + n * round + nth));
        play_all(seed, more.collect::<Vec<_>>().into_iter(), &mut table, &mut failures).await;
        beyond += MORE.0 * round;
    }
    show(&format!("\nseed {seed}, runs {} to {}\n{table}", runs.start, runs.end - 1));
    assert!(failures.is_empty(), "{} runs failed:\n{}", failures.len(), failures.join("\n"));
    let never = table.never_reached();
    assert!(
        runs.end - runs.start < round || never.is_empty(),
        "no run was killed at {never:?}; has the program its fail points?"
    );
}

/// Plays these runs, some at once, and counts what they came to.
async fn play_all(
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
            playing.spawn(async move { (run, played(seed, run).await) });
        }
        let Some(ended) = playing.join_next().await else { break };
        let (run, played) = ended.expect("a panic is a result");
        let Plan { place, resends, .. } = Plan::of(seed, run);
        match &played {
            Ok(played) => {
                table.add(place, resends, played);
                let wrong = played.wrong();
                if !wrong.is_empty() {
                    failures.push(told(seed, run, &wrong.join("\n    ")));
                }
            }
            Err(why) => failures.push(told(seed, run, why)),
        }
    }
}

/// What everything here is drawn from.
pub(crate) fn seed() -> u64 {
    number("SENDGATE_CRASH_SEED").unwrap_or(SEED)
}

pub(crate) fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is `{value}`; give a number")))
}

/// A run; its panic is what it failed of.
async fn played(seed: u64, run: u64) -> Result<Played, String> {
    let playing = tokio::spawn(play(Plan::of(seed, run)));
    playing.await.map_err(panic_text)
}

/// What a run that panicked says.
pub(crate) fn panic_text(err: JoinError) -> String {
    match err.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_owned(),
            (None, None) => "a panic without a text".to_owned(),
        },
        Err(err) => err.to_string(),
    }
}

fn told(seed: u64, run: u64, why: &str) -> String {
    format!(
        "  run {run}, killed at {}; again with: cargo xtask crash --seed {seed} --run {run}\n    {why}",
        Plan::of(seed, run).place
    )
}

/// Tells what was counted.
#[expect(clippy::print_stdout, reason = "the figures are what all of this is for")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
