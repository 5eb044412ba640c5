//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The sidecar between apps and Plivo: policies in WebAssembly, one send for one request.
#[derive(Debug, Parser)]
#[command(name = "sendgate", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT, then drain.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "sidecar.toml")]
        config: PathBuf,
        /// Keep messages in memory only, whatever `[store]` says.
        #[arg(long)]
        ephemeral: bool,
    },
    /// Read the configuration, load every policy, and say everything that is wrong. Opens no port, sends nothing.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "sidecar.toml")]
        config: PathBuf,
    },
}
