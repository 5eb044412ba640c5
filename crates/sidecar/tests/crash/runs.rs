//! Many runs, some at once; the table at their end, and how to play again what failed.

use std::env;
use std::ops::Range;

use tokio::task::{JoinError, JoinSet};

use crate::count::Played;
use crate::place::Place;
use crate::plan::Plan;
use crate::play::play;
use crate::table::Table;

/// Runs at once; they mostly wait, those with a Redis for leases.
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

/// What runs came to.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) table: Table,
    pub(crate) failures: Vec<String>,
}

impl Books {
    /// Takes in a run that was to be killed at `place`; its panic is what it failed of. `resends`: whether what nobody
    /// knows of was to be sent again. `again` plays it once more.
    pub(crate) fn add(
        &mut self,
        (place, resends): (Place, bool),
        again: &str,
        played: Result<Played, String>,
    ) {
        let wrong = match played {
            Ok(played) => {
                self.table.add(place, resends, &played);
                played.wrong().join("\n    ")
            }
            Err(why) => why,
        };
        if !wrong.is_empty() {
            self.failures.push(format!("  killed at {place}; again with: {again}\n    {wrong}"));
        }
    }

    /// Shows the table, and fails where a run did or, of `all` places, one was never reached.
    pub(crate) fn close(&self, what: &str, all: bool) {
        let Self { table, failures } = self;
        show(&format!("\n{what}\n{table}"));
        assert!(failures.is_empty(), "{} runs failed:\n{}", failures.len(), failures.join("\n"));
        let never = table.never_reached();
        assert!(
            !all || never.is_empty(),
            "no run was killed at {never:?}; has the program its fail points?"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_nothing_is_sent_twice_and_nothing_is_lost() {
    let Wanted { seed, runs } = Wanted::read();
    let mut books = Books::default();
    let one = |run| play(Plan::of(seed, run));
    let note = |books: &mut Books, run, played| {
        let Plan { place, resends, .. } = Plan::of(seed, run);
        let again = format!("cargo xtask crash --seed {seed} --run {run}");
        books.add((place, resends), &again, played);
    };
    play_all(runs.clone(), one, |run, played| note(&mut books, run, played)).await;
    // Each run has one place, in turn; too few runs have not tried every one.
    let round = Place::all().len() as u64;
    let all = runs.end - runs.start >= round;
    let mut beyond = runs.end.next_multiple_of(round);
    for _ in 0..if all { MORE.1 } else { 0 } {
        let never = books.table.never_reached();
        let nths = (0..round).filter(|nth| never.contains(&Plan::of(seed, *nth).place));
        let more = nths.flat_map(|nth| (0..MORE.0).map(move |n| beyond + n * round + nth));
        play_all(more, one, |run, played| note(&mut books, run, played)).await;
        beyond += MORE.0 * round;
    }
    books.close(&format!("seed {seed}, runs {} to {}", runs.start, runs.end - 1), all);
}

/// Plays these runs, some at once, and tells what each came to; the panic of one is what it failed of.
pub(crate) async fn play_all<P>(
    runs: impl IntoIterator<Item = u64>,
    play: impl Fn(u64) -> P,
    mut ended: impl FnMut(u64, Result<Played, String>),
) where
    P: Future<Output = Played> + Send + 'static,
{
    let (mut next, mut playing) = (runs.into_iter(), JoinSet::new());
    loop {
        while playing.len() < AT_ONCE
            && let Some(run) = next.next()
        {
            let played = tokio::spawn(play(run));
            playing.spawn(async move { (run, played.await.map_err(panic_text)) });
        }
        let Some(one) = playing.join_next().await else { break };
        let (run, played) = one.expect("a panic is a result");
        ended(run, played);
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

/// What a run that panicked says.
fn panic_text(err: JoinError) -> String {
    match err.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_owned(),
            (None, None) => "a panic without a text".to_owned(),
        },
        Err(err) => err.to_string(),
    }
}

/// Tells what was counted.
#[expect(clippy::print_stdout, reason = "the figures are what all of this is for")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
