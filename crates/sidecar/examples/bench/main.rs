//! What Sendgate costs, measured in one run: `cargo xtask bench`.
//!
//! The programs take turns under the same load, each a process of its own in front of the same upstream: the bare hop
//! ([`hop`]), the same hop with the four rules as native code ([`rules`]), and `sendgate` without policies, with four and
//! with eight, each with its store in memory and in a file. Besides, the chain alone, in this process ([`chain`]), and the
//! time from a start to the first 202 ([`start`]).
//!
//! The upstream is the plainest server that answers as Plivo does ([`upstream`]), so that it is never what is measured.
//! Every request is unique in recipient and text, and must be answered with a `message_uuid`; anything else ends the
//! run, and so does a message that came to the upstream twice, or not at all.
//!
//! What takes longer, or is no matter of throughput, has a command of its own: a log decided again ([`replay`]), modules
//! replaced ([`reloads`]), memory after many messages ([`endurance`]), a guest that never ends ([`spin`]), others that are
//! dead or slow ([`away`]).
#![expect(clippy::print_stdout, reason = "a benchmark is printed")]

mod away;
mod chain;
mod compare;
mod connection;
mod endurance;
mod figures;
mod hop;
mod load;
mod machine;
mod policies;
mod program;
mod reloads;
mod replay;
mod report;
mod rules;
mod sample;
mod serve;
mod spin;
mod stage;
mod start;
mod svg;
mod upstream;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::Load;
use crate::report::Report;
use crate::stage::Stage;

// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How every program is loaded, in this order.
const LOADS: [Load; 4] = [
    Load::Closed { connections: 1 },
    Load::Closed { connections: 16 },
    Load::Closed { connections: 64 },
    Load::Open { per_s: 1_000 },
];
/// How long one program is under one load in one round.
const CELL: Duration = Duration::from_millis(1_500);
/// The same where only the books matter.
const SHORT_CELL: Duration = Duration::from_millis(200);
/// Rounds where the command line gives no other number: odd, so that a median is a measured value.
const ROUNDS: usize = 3;

const USAGE: &str = "usage: bench [--rounds N] [--compare FILE] | bench --short | bench chain | bench replay [COUNT] | \
                     bench reloads [COUNT] [--idle] | bench endurance [COUNT] | bench spin [SECONDS] | \
                     bench away [SECONDS]";

fn main() -> Result<()> {
    // The HTTP client is built for any TLS, and used without.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["upstream"] => serve::run(upstream::Upstream::default()),
        ["collector"] => serve::run(away::Collector),
        ["hop", to] => serve::run(hop::Hop::new(to, None)?),
        ["rules", to] => serve::run(hop::Hop::new(to, Some(rules::Rules::new()?))?),
        [] => measure(ROUNDS, None),
        ["chain"] => {
            println!("{}", run(chain::measure(chain::ROUNDS))?);
            Ok(())
        }
        ["--short"] => short(),
        ["--rounds", rounds] => measure(rounds.parse()?, None),
        ["--compare", file] => measure(ROUNDS, Some(file)),
        ["--rounds", rounds, "--compare", file] | ["--compare", file, "--rounds", rounds] => {
            measure(rounds.parse()?, Some(file))
        }
        ["replay"] => run(replay::measure(replay::COUNT)),
        ["replay", count] => run(replay::measure(count.parse()?)),
        ["reloads"] => run(reloads::measure(reloads::COUNT, false)),
        ["reloads", "--idle"] => run(reloads::measure(reloads::COUNT, true)),
        ["reloads", count] => run(reloads::measure(count.parse()?, false)),
        ["reloads", count, "--idle"] | ["reloads", "--idle", count] => {
            run(reloads::measure(count.parse()?, true))
        }
        ["endurance"] => run(endurance::measure(endurance::COUNT)),
        ["endurance", count] => run(endurance::measure(count.parse()?)),
        ["spin"] => run(spin::measure(spin::SECONDS)),
        ["spin", seconds] => run(spin::measure(seconds.parse()?)),
        ["away"] => run(away::measure(away::SECONDS)),
        ["away", seconds] => run(away::measure(seconds.parse()?)),
        _ => Err(USAGE.into()),
    }
}

/// Runs what drives the programs, in one thread, so that they get the cores.
fn run<T>(driven: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(driven)
}

/// Measures, prints it and writes it down; beside what `before` names, where it is given.
fn measure(rounds: usize, before: Option<&str>) -> Result<()> {
    // Read first: the run may take its place.
    let before = before.map(compare::read).transpose()?;
    let report = run(report(chain::ROUNDS, rounds.max(1), CELL))?;
    println!("{report}");
    let json = report.to_json();
    if let Some(before) = before {
        println!("{}", compare::compared(&before, &json)?);
    }
    let folder = target().join("bench");
    std::fs::write(folder.join("latest.json"), serde_json::to_vec_pretty(&json)?)?;
    std::fs::write(folder.join("latest.svg"), svg::drawn(&report, LOADS[3])?)?;
    println!("written to {}/latest.json, and drawn in latest.svg", folder.display());
    Ok(())
}

/// All of it once and briefly, whatever was built: what came to the upstream is what was accepted, or it fails. No figure
/// of it is kept.
fn short() -> Result<()> {
    println!("{}", run(report(1, 1, SHORT_CELL))?);
    println!(
        "short, of programs as they are tested: the books are in order, the figures say nothing"
    );
    Ok(())
}

async fn report(chain_rounds: usize, rounds: usize, cell: Duration) -> Result<Report> {
    let chain = chain::measure(chain_rounds).await?;
    let starts = start::measure().await?;
    let mut stage = Stage::set().await?;
    stage.warm_up().await?;
    for round in 0..rounds {
        for load in LOADS {
            stage.turn(round, load, cell).await?;
        }
    }
    Ok(Report::of(chain, starts, stage.end()?))
}

/// Where cargo builds: examples lie in a folder below the programs', which lie in a folder of their profile.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(3).map(PathBuf::from).unwrap_or_default()
}
