use std::io::ErrorKind;
use std::path::PathBuf;

use thiserror::Error;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The bound on records is reached, and nothing that is kept may be dropped.
    #[error("the store is full; raise its bounds, or wait until messages are finished")]
    Full,
    /// The bound on idempotency keys is reached, and each is in force.
    #[error(
        "the store has no room for another idempotency key; raise its bound, or wait until one ends"
    )]
    KeysFull,
    /// There is no such record.
    #[error("the store has no such record")]
    NotFound,
    /// There is such a record already.
    #[error("the store has a record with this id already")]
    Exists,
    /// A key or value out of bounds; the text says which.
    #[error("the store does not take this: {0}")]
    Invalid(&'static str),
    /// The disk has less free than [`MinFree`](crate::MinFree) says.
    #[error("the store's disk is nearly full; free some of it, or lower [store] min_free_mb")]
    LowSpace,
    /// The database's file is not where it was opened: what would be written would be lost with the process.
    #[error(
        "{0} was moved or deleted under the running sidecar; put the same file back, or stop the sidecar first"
    )]
    Moved(PathBuf),
    /// The same of the log beside it, which has what was committed last.
    #[error(
        "{0} was moved or deleted under the running sidecar; put the same file back, or end it by SIGTERM and not by \
         SIGKILL, so that what the log had is saved"
    )]
    LogMoved(PathBuf),
    /// The database's file does not begin as one any more.
    #[error(
        "{0} was emptied or overwritten under the running sidecar; stop it, and put a copy of before in its place"
    )]
    Overwritten(PathBuf),
    /// The database cannot be written or read; nothing was changed.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
}

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another sendgate; give each its own [store] path")]
    InUse(PathBuf),
    /// A newer version wrote it.
    #[error(
        "{path} was written by a newer sendgate (schema {found}, this one knows {known}); run that version, or move \
         the file away"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// Another program's database.
    #[error("{0} is the database of another program; give [store] path a file of its own")]
    Foreign(PathBuf),
    /// Something at the file system.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in the database.
    #[error("{path} is not a database that can be used")]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Whether somebody may mend it while the program waits: the database is locked, damaged or read-only, or its disk
    /// is full. Otherwise `[store] path` names the wrong file.
    pub fn may_be_mended(&self) -> bool {
        match self {
            Self::File { source, .. } => {
                use ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
                matches!(source.kind(), StorageFull | ReadOnlyFilesystem | PermissionDenied)
            }
            // Of what is no database at all nobody can say whether it was one, and ours.
            Self::Database { .. } => true,
            Self::InUse(_) | Self::Newer { .. } | Self::Foreign(_) => false,
        }
    }
}
