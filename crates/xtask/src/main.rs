//! `cargo xtask …`: what a person or CI does with this repository, besides plain cargo.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]
#![expect(clippy::print_stderr, reason = "a command-line tool complains on stderr")]

mod apt;
mod bench;
mod ci;
mod contract;
mod crash;
mod demo;
mod deny;
mod dist;
mod fuzz;
mod packages;
mod policies;
mod process;
mod soak;
mod test;
mod tidy;
mod wasm_imports;
mod wasm_toolchain;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  policies [NAME…]   build every policy, or those named, for wasm32 into target/policies
  policies PATH…     build the policy crates there for wasm32, as cargo build --release does
  contract           write crates/policy-wit/CONTRACT.md from the policy contract
  test               policies, then unit, whole-process, example and documentation tests
  tidy               the rules that the compiler cannot check
  deny               licences, bans and sources of all crates, as .cargo/deny.toml says
  ci                 format, tidy, deny, lints, documentation, test with some of soak and fuzz, bench --short
  dist               a tarball to give away: program, policies, licences, SBOM, Dockerfile
  demo               policies, simulator and sidecar at work, with a live reload and a trace
  crash [--runs N] [--seed S] [--run R] [--redis]
                     the sidecar killed at every durable write and every socket step; 2000 runs that may send
                     nothing twice, some 300 that may, a table, about ten minutes; --redis: at every step of what
                     replicas share, 400 runs
  fuzz [READER…] [--seconds N] [--seed S] [--at-once N]
                     readers of outside bytes fed with bytes that nobody meant, ten minutes each, led by coverage;
                     as many at once as there are cores
  soak [--minutes N] [--seed S]
                     load, reloads, faults of Plivo and restarts all at once, thirty minutes; then the books
  bench [--rounds N] [--compare FILE]
                     what the sidecar costs beside a bare hop and native rules; a table and target/bench/latest.json
  bench --short      the same briefly, as it is tested: whether what is accepted comes once
  bench chain        what the four policies by themselves cost, warm, fresh and as native code
  bench parts        what each part of a request costs by itself: reading, facts, chain, store, answer
  bench replay [N]   how long `sendgate replay` takes for N decisions, 100,000 where none are named
  bench reloads [N] [--idle]
                     N modules replaced one after the other, 100 where none are named, while an app sends 500 messages
                     a second, or none: how soon each is in force, who was slow or failed meanwhile, memory
  bench endurance [N]
                     memory at each tenth of N messages, a million where none are named
  bench spin [N]     what an app whose guest spins on every core costs another one, in N seconds, 10 where none are named
  bench away [N]     what it costs an app that a collector, scrapers, dashboards or a Redis are dead or slow, in N seconds
                     beside each, 9 where none are named
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match fuzz::wrapped(&arguments) {
        Ok(None) => {}
        Ok(Some(code)) => return code,
        Err(err) => {
            eprintln!("error: {err:#}");
            return ExitCode::FAILURE;
        }
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match command(&words) {
        Ok(code) => code,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(words: &[&str]) -> anyhow::Result<ExitCode> {
    match words {
        ["policies", names @ ..] => policies::run(&Workspace::read()?, names)?,
        ["contract"] => contract::run(&Workspace::read()?)?,
        ["test"] => test::run(&Workspace::read()?, test::For::Desk, || Ok(()))?,
        ["deny"] => deny::run(&Workspace::read()?)?,
        ["dist"] => dist::run(&Workspace::read()?)?,
        ["tidy"] => tidy::run(&Workspace::read()?)?,
        ["ci"] => ci::run(&Workspace::read()?)?,
        ["crash", words @ ..] => crash::run(&Workspace::read()?, words)?,
        ["fuzz", words @ ..] => fuzz::run(&Workspace::read()?, words)?,
        ["soak", words @ ..] => soak::run(&Workspace::read()?, words)?,
        ["demo"] => demo::run(&Workspace::read()?)?,
        ["bench", "help" | "--help" | "-h", ..] => print!("{USAGE}"),
        ["bench", words @ ..] => bench::run(&Workspace::read()?, words)?,
        ["help" | "--help" | "-h"] => print!("{USAGE}"),
        _ => {
            eprint!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
