use thiserror::Error;

use crate::fault::Fault;

/// Why shared keys did not do what they were asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SharedError {
    /// A key, time or answer out of bounds; the text says which.
    #[error("the shared store does not take this: {0}")]
    Invalid(&'static str),
    /// The server is away, slow, or does not work as it should.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Fault> for SharedError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}
