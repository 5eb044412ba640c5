use std::io;
use std::path::PathBuf;

use policy_host::{LoadFault, RuntimeError};

use crate::policies::chain;

/// Why nothing can be said of a log. Each prints what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file that is not to be read.
    #[error("{file} cannot be read: {1}", file = .0.display())]
    Unread(PathBuf, io::Error),
    /// A reference where a file is wanted.
    #[error(
        "--candidate takes a file, and {0} is in a registry; a configuration may name it: --config"
    )]
    InRegistry(String),
    /// No line tells of a decision.
    #[error(
        "the logs tell of no decision ({0} lines are none); is it the file that [decisions] path names?"
    )]
    NoDecisions(u64),
    /// Decisions, of which none could be decided again.
    #[error(
        "none of {0} decisions could be compared, so nothing is known of what would change; the report says why"
    )]
    NothingCompared(u64),
    /// A log of another form.
    #[error(
        "{place}: has form {form}, and this sendgate reads form {known}; take the one that wrote it"
    )]
    Form {
        /// File and line.
        place: String,
        /// What it has.
        form: u32,
        /// What can be read.
        known: u32,
    },
    /// Too many sets of policies for one run.
    #[error("{0}: these are more than {1} sets of policies; replay fewer logs at once")]
    TooMany(String, usize),
    /// A file that is no policy of this contract.
    #[error("{file}: {fault}", file = .0.display(), fault = chain(.1))]
    Module(PathBuf, LoadFault),
    /// The module does not take what the log says of the policy that it is to replace.
    #[error("{place}: {file} cannot stand for policy `{policy}`: {why}", file = .file.display())]
    Unfit {
        /// File and line.
        place: String,
        /// The module.
        file: PathBuf,
        /// The policy's name.
        policy: String,
        /// What does not fit.
        why: String,
    },
    /// The log has no policy of this name.
    #[error("no log has a policy `{0}`; name one with --policy: {1}")]
    NoPolicy(String, String),
    /// The configuration, or its policies.
    #[error("{0}")]
    Config(#[from] crate::Failure),
    /// A policy that spins would keep this for days.
    #[error(
        "a policy ran out of time on {0} messages, although it has {1} s for each here; mend it first"
    )]
    OutOfTime(u64, u64),
    /// The engine of policies.
    #[error("the policy engine could not start: {0}")]
    Engine(#[from] RuntimeError),
    /// The runtime, or standard output.
    #[error("{0}")]
    System(#[from] io::Error),
}
