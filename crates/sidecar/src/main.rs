//! `sendgate`: the sidecar between apps and Plivo.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use sidecar::cli::{self, Cli, Command};
use sidecar::config::Environment;
use sidecar::{Failure, check, doctor, messages, policy, replay, run, terminal};

/// A request allocates some hundred times; the C library's allocator took a quarter of its processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => return misused(&err),
    };
    let environment = Environment::of_process();
    let ended = match &cli.command {
        Command::Run { config, ephemeral } => run::run(config, *ephemeral, environment),
        Command::Check { config, print } => check::check(config, *print, &environment),
        Command::Doctor { config, json } => {
            return match doctor::doctor(config, *json, &environment) {
                Ok(health) => health.exit_code(),
                Err(failure) => end(Err(failure), Failure::exit_code),
            };
        }
        Command::Messages { command } => {
            return end(messages::messages(command, &environment), messages::Failure::exit_code);
        }
        Command::Differences { policy, reach, json } => {
            return end(
                messages::differences(policy, *json, reach, &environment),
                messages::Failure::exit_code,
            );
        }
        Command::Promote { policy, reach } => {
            return end(
                messages::promote(policy, reach, &environment),
                messages::Failure::exit_code,
            );
        }
        Command::Rollback { to, reach } => {
            return end(messages::rollback(*to, reach, &environment), messages::Failure::exit_code);
        }
        Command::Replay { logs, by, all, notes, json } => {
            let wanted = replay::Wanted { all: *all, notes: *notes, json: *json };
            return match replay::replay(logs, by, wanted, &environment) {
                Ok(replay::Found::Nothing) => ExitCode::SUCCESS,
                Ok(replay::Found::Changes) => ExitCode::from(1),
                Err(failure) => end(Err(failure), |_| ExitCode::from(2)),
            };
        }
        Command::Policy { command } => {
            return end(policy::policy(command, &environment), policy::Failure::exit_code);
        }
        Command::Events { command } => {
            return end(messages::events(command, &environment), messages::Failure::exit_code);
        }
        Command::Optouts { command } => {
            return end(messages::optouts(command, &environment), messages::Failure::exit_code);
        }
    };
    end(ended, Failure::exit_code)
}

fn end<E: Error>(ended: Result<(), E>, exit_code: fn(&E) -> ExitCode) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough, as `head` has.
        Err(failure) if is_of_a_closed_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody can be told that standard error is gone.
            let told = terminal::plain_lines(&failure.to_string());
            drop(writeln!(std::io::stderr(), "{told}"));
            exit_code(&failure)
        }
    }
}

fn is_of_a_closed_pipe(failure: &dyn Error) -> bool {
    let err = failure.source().and_then(|source| source.downcast_ref::<io::Error>());
    err.is_some_and(|err| err.kind() == io::ErrorKind::BrokenPipe)
}

/// Help as it is; of an error everything but the numbers and credentials that were typed, which may be kept by whoever ran
/// this.
fn misused(err: &clap::Error) -> ExitCode {
    if err.use_stderr() {
        drop(write!(io::stderr(), "{}", cli::without_secrets(err)));
    } else {
        drop(err.print());
    }
    ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(2))
}
