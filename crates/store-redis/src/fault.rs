//! Why a call had no answer.

use std::time::Duration;

use message::LedgerError;
use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Why a call had no answer. Shows nothing of what was asked: keys may be an app's own.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// The server was known to be away: nothing was sent.
    #[error("the shared store is away: {0}")]
    Away(String),
    /// It may have been done all the same.
    #[error("the shared store did not answer within {0:?}")]
    Slow(Duration),
    /// It broke off, and it may have been done all the same; or the server refused it.
    #[error("the shared store could not answer: {0}")]
    Failed(String),
    /// The clocks lie days apart, so that no quota by the calendar can be told.
    #[error(
        "the shared store's clock is in another day, week or month than this machine's; set both by NTP"
    )]
    Astray,
}

impl From<Fault> for LedgerError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

/// What is said of a wrong password, by whichever command it was shown.
const REFUSES: &str = "it refuses the user or the password";

/// Whether the number in the URL is that of no database. A Redis has a sentence for it and no code.
pub(crate) fn lacks_database(error: &RedisError) -> bool {
    error.detail().is_some_and(|said| said.contains("DB index is out of range"))
}

/// What an operator needs to know of `error`. A server's own words are left out but for the code, since they may repeat
/// what was asked.
pub(crate) fn reason(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Io => error.to_string(),
        ErrorKind::AuthenticationFailed => REFUSES.into(),
        ErrorKind::Server(_) | ErrorKind::Extension if error.code() == Some("WRONGPASS") => {
            REFUSES.into()
        }
        ErrorKind::Server(_) | ErrorKind::Extension if lacks_database(error) => {
            "it has no database of that number".into()
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            format!("it answered {}", error.code().unwrap_or("an error"))
        }
        _ => error.category().into(),
    }
}
