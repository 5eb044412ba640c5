//! Why a server cannot be used, by kinds: each wants something else of the operator.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::fault::{lacks_database, reason};

/// Why a server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong.
    pub trouble: Trouble,
    /// The same for people, without anything secret.
    pub why: String,
}

/// What is wrong with a server, or with the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens there.
    Refused,
    /// Its name leads nowhere.
    UnknownName,
    /// There is no way to it, or it does not answer in time.
    Unanswered,
    /// It ends the connection, or speaks otherwise.
    Broken,
    /// No TLS comes about.
    Tls,
    /// It does not take the user or the password, or wants some.
    Login,
    /// Its user may not do what is needed.
    Rights,
    /// It is a replica, and takes no writes.
    ReadOnly,
    /// It has as much memory as it may.
    OutOfMemory,
    /// It has no database of the number in the URL.
    Database,
    /// Anything else.
    Other,
}

impl Unusable {
    pub(crate) fn of(error: &RedisError) -> Self {
        Self { trouble: Trouble::of(error), why: reason(error) }
    }
}

impl Trouble {
    fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Login,
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Rights,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            ErrorKind::Server(_) | ErrorKind::Extension if lacks_database(error) => Self::Database,
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::coded(error.code().unwrap_or_default())
            }
            ErrorKind::Io => connection_kind(error).map_or(Self::Tls, Self::of_connection),
            ErrorKind::Parse => Self::Broken,
            _ => Self::Other,
        }
    }

    /// By the word that the server's answer begins with.
    pub(crate) fn coded(code: &str) -> Self {
        match code {
            "WRONGPASS" | "NOAUTH" => Self::Login,
            "NOPERM" => Self::Rights,
            "READONLY" => Self::ReadOnly,
            "OOM" => Self::OutOfMemory,
            _ => Self::Other,
        }
    }

    fn of_connection(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Self::Unanswered,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => Self::Broken,
            // As the TLS library gives whatever it has to say.
            io::ErrorKind::InvalidData => Self::Tls,
            _ => Self::Other,
        }
    }
}

/// The system's word, which the client keeps behind a pointer; none of what TLS is set up with.
fn connection_kind(error: &RedisError) -> Option<io::ErrorKind> {
    let cause = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}
