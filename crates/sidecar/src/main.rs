//! `sendgate`: the sidecar between apps and Plivo.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use sidecar::cli::{Cli, Command};
use sidecar::config::{Config, Environment};
use sidecar::{Failure, check, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let ended = match &cli.command {
        Command::Run { config, ephemeral } => {
            Config::load(config, &environment).map_err(Failure::from).and_then(|loaded| {
                let loaded = if *ephemeral { loaded.ephemeral() } else { loaded };
                run::run(config, loaded, environment)
            })
        }
        Command::Check { config } => check::check(config, &environment),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody can be told that standard error is gone.
            drop(writeln!(std::io::stderr(), "{failure}"));
            failure.exit_code()
        }
    }
}
