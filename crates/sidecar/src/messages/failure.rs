//! Why a command of an operator comes to nothing.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;

use crate::config::ConfigFaults;
use crate::terminal::plain;

/// Why a command of an operator came to nothing. Each prints what is wrong and what to do.
#[derive(Debug, Error)]
pub enum Failure {
    /// The configuration that should say where the sidecar is.
    #[error("{0}\nor say where the sidecar is: --admin http://HOST:PORT or --admin unix:PATH")]
    Config(ConfigFaults),
    /// The configuration leaves the port to the system.
    #[error(
        "[listen] admin leaves the port to the system, which only the sidecar's log tells; say where it is: --admin \
         http://HOST:PORT"
    )]
    NoPort,
    /// What `--admin` says.
    #[error("--admin {0}; write http://HOST:PORT or unix:PATH")]
    Admin(&'static str),
    /// The file of the token.
    #[error("--token-file {path}: {detail}")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The token cannot stand in a header.
    #[error(
        "the admin token holds a space, a line break or another character outside visible ASCII"
    )]
    Token,
    /// What was typed of a recipient and a sender.
    #[error("{}", .0.join("\n"))]
    Typed(Vec<String>),
    /// The list that is to be imported.
    #[error("{path}: {detail}")]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// No policy in force keeps opt-outs, or by other words.
    #[error(
        "no policy in force took {0:?}; `consent` does, where its `stop_words` and `start_words` have it"
    )]
    NobodyHears(String),
    /// Nobody listens there.
    #[error(
        "no sidecar answers at {place}: {source}; is it running, and is this its admin listener?"
    )]
    Away {
        /// Where.
        place: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It listens and does not answer.
    #[error("the sidecar at {0} has not answered within {1:?}")]
    Slow(String, Duration),
    /// What answers does not speak as a sidecar does.
    #[error("what answers at {place} is no sidecar's admin listener: {detail}")]
    Strange {
        /// Where.
        place: String,
        /// What it did.
        detail: String,
    },
    /// The sidecar says no.
    #[error("{} ({})", plain(sentence), plain(code))]
    Refused {
        /// Its HTTP status.
        status: u16,
        /// Its code.
        code: String,
        /// Its own words.
        sentence: String,
    },
    /// The system.
    #[error("the system refused what the command needs: {0}")]
    System(io::Error),
}

impl Failure {
    /// 2 where what was typed, or a file, must be mended; 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::NoPort
            | Self::Admin(_)
            | Self::TokenFile { .. }
            | Self::Token
            | Self::Typed(_)
            | Self::List { .. }
            | Self::Refused { status: 400, .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
