use std::{fmt, mem};

use store::Fingerprint;

use super::scripts;
use crate::Connection;
use crate::fault::Fault;

/// The right to answer for a key, for as long as it is renewed. Dropped before the key was bound, it is given up in the
/// background, as if the key had never been used.
pub struct Lease {
    connection: Connection,
    pub(super) key: String,
    pub(super) token: u64,
    pub(super) fingerprint: String,
    /// Whether there may be something to give up.
    open: bool,
}

impl Lease {
    pub(super) fn new(connection: &Connection, key: String, fingerprint: &Fingerprint) -> Self {
        let (token, fingerprint) = (fastrand::u64(..), fingerprint.to_json());
        Self { connection: connection.clone(), key, token, fingerprint, open: true }
    }

    /// There is nothing to give up: it is bound, or somebody else's.
    pub(super) fn is_not_open(&mut self) {
        self.open = false;
    }

    /// The answer to the claim itself: where nothing was sent, there is nothing to give up.
    pub(super) fn asked<T>(&mut self, answered: Result<T, Fault>) -> Result<T, Fault> {
        self.open = !matches!(answered, Err(Fault::Away(_)));
        answered
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (connection, key, token) =
            (self.connection.clone(), mem::take(&mut self.key), self.token);
        self.connection.runtime().spawn(async move {
            if let Err(fault) = released(&connection, &key, token).await {
                tracing::warn!(error = %fault, "an idempotency key could not be given up; its lease will end");
            }
        });
    }
}

/// A key is an app's own.
impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("open", &self.open).finish_non_exhaustive()
    }
}

pub(super) async fn released(connection: &Connection, key: &str, token: u64) -> Result<(), Fault> {
    let mut call = scripts::RELEASE.prepare_invoke();
    call.key(key).arg(token);
    connection.call(&call).await
}
