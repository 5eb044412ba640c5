use thiserror::Error;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The bound on records, keys or bytes is reached, and nothing that is kept may be dropped.
    #[error("the store is full; raise its bounds, or wait until messages are finished")]
    Full,
    /// There is no such record.
    #[error("the store has no such record")]
    NotFound,
    /// There is such a record already.
    #[error("the store has a record with this id already")]
    Exists,
    /// A key or value out of bounds; the text says which.
    #[error("the store does not take this: {0}")]
    Invalid(&'static str),
}
