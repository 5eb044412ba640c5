//! What Sendgate costs, measured in one run: `cargo xtask bench`.
//!
//! Four programs take turns under the same load, each a process of its own in front of the same upstream: the bare hop
//! ([`hop`]), the same hop with the four rules as native code ([`rules`]), `sendgate` without policies and `sendgate`
//! with the four policies. Then the chain alone, in this process ([`chain`]).
//!
//! The upstream is the plainest server that answers as Plivo does ([`upstream`]), so that it is never what is measured.
//! Every request is unique in recipient and text, and must be answered with a `message_uuid`; anything else ends the
//! run.
#![expect(clippy::print_stdout, reason = "a benchmark is printed")]

mod chain;
mod connection;
mod hop;
mod load;
mod machine;
mod policies;
mod program;
mod replay;
mod report;
mod rules;
mod sample;
mod serve;
mod stage;
mod upstream;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::Load;
use crate::report::Report;
use crate::stage::Stage;

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
/// Rounds where the command line gives no other number: odd, so that a median is a measured value.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    // The HTTP client is built for any TLS, and used without.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["upstream"] => serve::run(upstream::Upstream),
        ["hop", to] => serve::run(hop::Hop::new(to, None)?),
        ["rules", to] => serve::run(hop::Hop::new(to, Some(rules::Rules::new()?))?),
        [] => measure(ROUNDS),
        ["--rounds", rounds] => measure(rounds.parse()?),
        ["replay"] => replayed(replay::COUNT),
        ["replay", count] => replayed(count.parse()?),
        _ => Err("usage: bench [--rounds N | replay [COUNT]]".into()),
    }
}

fn replayed(count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(replay::measure(count))
}

fn measure(rounds: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let chain = chain::measure().await?;
        let mut stage = Stage::set().await?;
        stage.warm_up().await?;
        for round in 0..rounds.max(1) {
            for load in LOADS {
                stage.turn(round, load, CELL).await?;
            }
        }
        Result::Ok(Report::of(chain, stage.end()?))
    })?;
    println!("{report}");
    let path = target().join("bench/latest.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&report.to_json())?)?;
    println!("written to {}", path.display());
    Ok(())
}

/// Where cargo builds: examples lie in a folder below the programs', which lie in a folder of their profile.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(3).map(PathBuf::from).unwrap_or_default()
}
