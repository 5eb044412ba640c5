//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::ModuleSource;

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
    /// Look messages up in a running sidecar, and decide about those that wait for a person.
    Messages {
        /// What to do with them.
        #[command(subcommand)]
        command: MessagesCommand,
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
pub struct By {
    /// A module, in the place of the one that decided, with its settings, grants and limits as the log has them.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "config",
        conflicts_with = "config"
    )]
    pub candidate: Option<PathBuf>,
    /// The policy that it is for, by its name in the configuration; the module's own name where absent.
    #[arg(long, value_name = "NAME", requires = "candidate")]
    pub policy: Option<String>,
    /// All policies of a configuration.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Tools for whoever writes policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Begin a policy: a folder that builds, tests and loads with the commands that its README.md names.
    New {
        /// The policy's name, or the path of the folder that is to be called so.
        #[arg(value_name = "NAME")]
        name: PathBuf,
        /// The language to write it in.
        #[arg(long, value_enum, default_value_t = Lang::Rust)]
        lang: Lang,
        /// Where the SDK for Rust is: the folder `crates/policy-sdk`, or a repository's URL. Found where this runs in Sendgate's
        /// repository, or was built there.
        #[arg(long, value_name = "WHERE")]
        sdk: Option<String>,
    },
    /// Say what a module is: manifest, settings, imports, contract, digest, and the lines that load it.
    Inspect {
        /// The module: a file, or oci://REGISTRY/NAME:TAG@sha256:DIGEST.
        #[arg(value_name = "FILE", value_parser = module_source)]
        module: ModuleSource,
        /// How to ask the registry.
        #[command(flatten)]
        access: Access,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run cases against a built module, under the limits that it has in production.
    Test {
        /// The module: a file, or oci://REGISTRY/NAME:TAG@sha256:DIGEST.
        #[arg(value_name = "FILE", value_parser = module_source)]
        module: ModuleSource,
        /// How to ask the registry.
        #[command(flatten)]
        access: Access,
        /// The cases, as TOML or JSON Lines; those that the module brings along where absent.
        #[arg(long, value_name = "FILE")]
        cases: Option<PathBuf>,
        /// The limits, where the configuration has other ones than its defaults.
        #[command(flatten)]
        limits: LimitsOf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Push a module to a registry, and print the reference that goes into the configuration.
    #[cfg(feature = "oci")]
    Push {
        /// The module's file.
        #[arg(value_name = "FILE")]
        module: PathBuf,
        /// Where to: oci://REGISTRY/NAME:TAG.
        #[arg(value_name = "REFERENCE", value_parser = registry::Reference::parse)]
        reference: registry::Reference,
        /// Sign it with this key: ECDSA on P-256, PKCS #8 in PEM, not encrypted.
        #[arg(long, value_name = "FILE")]
        sign_key: Option<PathBuf>,
        /// How to ask the registry.
        #[command(flatten)]
        access: Access,
    },
}

#[cfg(feature = "oci")]
fn module_source(text: &str) -> Result<ModuleSource, registry::ReferenceFault> {
    match text.starts_with(registry::SCHEME) {
        true => registry::Reference::parse(text).map(ModuleSource::Registry),
        false => Ok(ModuleSource::File(text.into())),
    }
}

#[cfg(not(feature = "oci"))]
fn module_source(text: &str) -> Result<ModuleSource, &'static str> {
    match text.starts_with("oci://") {
        true => Err("needs the feature `oci`, which this program was built without"),
        false => Ok(ModuleSource::File(text.into())),
    }
}

/// How to ask a registry.
#[derive(Clone, Debug, Args)]
pub struct Access {
    /// Ask the registry without TLS.
    #[cfg(feature = "oci")]
    #[arg(long)]
    pub plain_http: bool,
    /// Ask it as this user; the password is in the variable SENDGATE_REGISTRY_PASSWORD, or in a file.
    #[cfg(feature = "oci")]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The file with the password.
    #[cfg(feature = "oci")]
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}

/// A language that policies are written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Lang {
    /// Rust, with `policy-sdk`.
    Rust,
    /// JavaScript, with `componentize-qjs` of npm.
    Javascript,
    /// Python, with `componentize-py` of PyPI.
    Python,
}

/// What one decision may cost: the keys of the same names under `[[policies]]`.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitsOf {
    /// Most time, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub time_ms: u64,
    /// Most memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=512))]
    pub memory_mb: u64,
    /// Most calls of the host.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub host_calls: u32,
}

/// What to do with messages.
#[derive(Debug, Subcommand)]
pub enum MessagesCommand {
    /// List messages, the newest first.
    List {
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
        /// Which ones.
        #[command(flatten)]
        which: Which,
        /// How to print them.
        #[command(flatten)]
        form: Form,
    },
    /// Show all that is known of one message: its calls, decisions and events, and what it waits for.
    Show {
        /// Sendgate's id of it.
        #[arg(value_name = "ID")]
        id: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
        /// How to print it.
        #[command(flatten)]
        form: Form,
    },
    /// Send a message that is held, as if it had never been tried. Needs the admin token.
    Release {
        /// Sendgate's id of it.
        #[arg(value_name = "ID")]
        id: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// Take a message back that waits, is in doubt, or is held. Needs the admin token.
    Cancel {
        /// Sendgate's id of it.
        #[arg(value_name = "ID")]
        id: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
}

/// What to do with events.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List the events that were given up, the newest first.
    Dead {
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
        /// Of this app only.
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// At most so many, 1 to 1000.
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Call an app again with the events that were given up. Needs the admin token.
    Revive {
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
        /// The app.
        #[arg(long, value_name = "NAME")]
        app: String,
    },
}

/// What to do about opt-outs. All of it needs the admin token.
#[derive(Debug, Subcommand)]
pub enum OptoutsCommand {
    /// A recipient takes no more messages.
    Add {
        /// The recipient, as +14155550123.
        #[arg(value_name = "NUMBER")]
        number: String,
        /// From this sender, or its campaign; else from all.
        #[arg(long, value_name = "SENDER")]
        sender: Option<String>,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// A recipient takes messages again.
    Remove {
        /// The recipient, as +14155550123.
        #[arg(value_name = "NUMBER")]
        number: String,
        /// From this sender, or its campaign; else from all.
        #[arg(long, value_name = "SENDER")]
        sender: Option<String>,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// Many recipients take no more messages.
    Import {
        /// A file of lines NUMBER or NUMBER,SENDER; empty ones, and those that begin with #, are passed over.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// Print what the message URL of the account's numbers is set to at Plivo.
    Url {
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
}

/// Where the sidecar's admin listener is, and who asks.
#[derive(Clone, Debug, Args)]
pub struct Reach {
    /// The sidecar's configuration file, which says where its admin listener is, and its token.
    #[arg(long, value_name = "FILE", default_value = "sidecar.toml", conflicts_with = "admin")]
    pub config: PathBuf,
    /// The admin listener itself: http://HOST:PORT or unix:PATH.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// A file with the admin token; else the variable SENDGATE_ADMIN_TOKEN, else what the configuration says.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Which messages.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Of this app only.
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// In this state only, such as held or `in_doubt`.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// To this number only, as +14155550123.
    #[arg(long, value_name = "NUMBER")]
    pub to: Option<String>,
    /// Older than this message only: the last one of the page before.
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// At most so many, 1 to 100.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct Form {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print whole numbers, texts, media and tags. Needs the admin token.
    #[arg(long)]
    pub full: bool,
}
