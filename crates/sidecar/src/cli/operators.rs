//! The command line of operators: what is asked of a running sidecar.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
        /// Sendgate's id of it, or Plivo's.
        #[arg(value_name = "ID")]
        id: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
        /// How to print it.
        #[command(flatten)]
        form: Form,
    },
    /// Send a message that is in doubt or held, whatever became of its first call. Needs the admin token.
    Release {
        /// Sendgate's id of it, or Plivo's.
        #[arg(value_name = "ID")]
        id: String,
        /// Where to ask.
        #[command(flatten)]
        reach: Reach,
    },
    /// Take a message back that waits, is in doubt, or is held. Needs the admin token.
    Cancel {
        /// Sendgate's id of it, or Plivo's.
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
        /// A file of lines NUMBER or NUMBER,SENDER; without a sender it is about all. Empty ones, and those that begin with
        /// #, are passed over.
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
    /// Print whole numbers, and of one message its text, media and tags. Needs the admin token.
    #[arg(long)]
    pub full: bool,
}
