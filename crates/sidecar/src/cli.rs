//! The command line.

mod operators;
mod policies;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

use crate::config::hidden::shown;
use crate::reasons;

pub use self::operators::{EventsCommand, Form, MessagesCommand, OptoutsCommand, Reach, Which};
pub use self::policies::{Access, Lang, LimitsOf, PolicyCommand};

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
        /// Show every key that is written or has a default first; of secrets only where they come from.
        #[arg(long)]
        print: bool,
    },
    /// Check what a sidecar needs (Plivo and the credentials, clock, disk, store, ports, Redis, collector and more), and
    /// say what to do. Sends nothing, and is harmless beside a running sidecar.
    ///
    /// Ends with 0 where nothing failed, with 1 where something did, with 2 where the configuration is wrong.
    Doctor {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "sidecar.toml")]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look messages up in a running sidecar, and decide about those that wait for a person.
    Messages {
        /// What to do with them.
        #[command(subcommand)]
        command: MessagesCommand,
    },
    /// Show about which messages the candidate of a policy decided otherwise than the policy in force.
    Differences {
        /// The policy's name in the configuration.
        #[arg(value_name = "POLICY")]
        policy: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Bring the candidate of a policy into force, in its place. Needs the admin token.
    Promote {
        /// The policy's name in the configuration.
        #[arg(value_name = "POLICY")]
        policy: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// Return to the policies before those in force, at once. Needs the admin token.
    Rollback {
        /// Return to those of this generation, which `/policies` lists as kept.
        #[arg(long, value_name = "GENERATION")]
        to: Option<u64>,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// Decide again what a decision log tells, by another module or by a whole configuration, and say what would change.
    ///
    /// Ends with 0 where nothing changes, with 1 where something does, with 2 where it cannot tell.
    Replay {
        /// Decision logs, in the order in which they were written.
        #[arg(value_name = "LOG", required = true)]
        logs: Vec<PathBuf>,
        /// By what.
        #[command(flatten)]
        by: By,
        /// Tell every id and every line that was passed over.
        #[arg(long)]
        all: bool,
        /// Compare notes, too.
        #[arg(long)]
        notes: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tools for whoever writes policies. None of them needs a configuration or a running sidecar.
    Policy {
        /// Which one.
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// What apps could not be told.
    Events {
        /// What to do with it.
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Who takes no messages any more, as the policies in force are to know it.
    Optouts {
        /// What to do.
        #[command(subcommand)]
        command: OptoutsCommand,
    },
}

/// What decides again.
#[derive(Clone, Debug, Args)]
#[command(group(clap::ArgGroup::new("decides").required(true).args(["candidate", "config"])))]
pub struct By {
    /// A module, in the place of the one that decided, with its settings, grants and limits as the log has them.
    #[arg(long, value_name = "FILE")]
    pub candidate: Option<PathBuf>,
    /// The policy that it is for, by its name in the configuration; the module's own name where absent.
    #[arg(long, value_name = "NAME", requires = "candidate", conflicts_with = "config")]
    pub policy: Option<String>,
    /// All policies of a configuration.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// An error of the command line without the numbers and the credentials that were typed there.
#[must_use]
pub fn without_secrets(error: &clap::Error) -> String {
    let told = error.to_string();
    let told = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(typed)) if typed.contains(['@', '?']) => {
            // Of an address that is none, too, nothing is told behind the host.
            let bare = shown(typed);
            let bare = bare.split_once('?').map_or(&*bare, |(bare, _)| bare);
            told.replace(typed.as_str(), bare)
        }
        _ => told,
    };
    reasons::masked(&told)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{Cli, without_secrets};

    #[test]
    fn what_was_typed_wrongly_is_told_without_its_numbers() {
        for words in [
            &["sendgate", "optouts", "add", "+14155550123", "+14155550177"][..],
            &["sendgate", "messages", "list", "--limit", "+14155550177"],
        ] {
            let error = Cli::try_parse_from(words).unwrap_err();
            assert!(error.to_string().contains("+14155550177"), "{error}");
            let told = without_secrets(&error);
            assert!(told.contains("+1415") && !told.contains("50177"), "{told}");
        }
    }

    #[cfg(feature = "oci")]
    #[test]
    fn a_reference_that_is_refused_is_told_without_its_password() {
        for typed in [
            "oci://u:SEKRET@reg.invalid/x:1",
            "u:SEKRET@reg.invalid/x:1",
            "oci://reg.invalid:99999/x:1?token=SEKRET",
        ] {
            let error = Cli::try_parse_from(["sendgate", "policy", "push", "a.wasm", typed]);
            let told = without_secrets(&error.unwrap_err());
            assert!(told.contains("reg.invalid") && !told.contains("SEKRET"), "{told}");
        }
        for (typed, wanted) in [
            (
                "oci://reg.invalid:5000/team/x:1@sha256:0",
                "oci://reg.invalid:5000/team/x:1@sha256:0",
            ),
            ("oci://u:SEKRET@reg.invalid/x:1@sha256:0g", "oci://reg.invalid/x:1@sha256:0g"),
        ] {
            let error = Cli::try_parse_from(["sendgate", "policy", "push", "a.wasm", typed]);
            let told = without_secrets(&error.unwrap_err());
            assert!(told.contains(&format!("'{wanted}'")), "{told}");
        }
    }
}
