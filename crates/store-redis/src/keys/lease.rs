use std::time::Duration;
use std::{fmt, mem};

use store::Fingerprint;
use tokio::time::{sleep, timeout};

use super::scripts;
use crate::Connection;
use crate::fault::Fault;

/// After a call that failed while the server is said to be up.
const PAUSE: Duration = Duration::from_millis(200);

/// The right to answer for a key, for as long as it is renewed. Dropped before the key was bound, it is given up in the
/// background, as if the key had never been used: until the server has heard it, or the lease has ended.
pub struct Lease {
    connection: Connection,
    pub(super) key: String,
    pub(super) token: u64,
    pub(super) fingerprint: String,
    /// How long the key is locked where nobody renews it or gives it up.
    pub(super) time: Duration,
    /// Whether there may be something to give up.
    open: bool,
}

impl Lease {
    pub(super) fn new(
        connection: &Connection,
        key: String,
        fingerprint: &Fingerprint,
        time: Duration,
    ) -> Self {
        let (token, fingerprint) = (fastrand::u64(..), fingerprint.to_json());
        Self { connection: connection.clone(), key, token, fingerprint, time, open: true }
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
        let time = self.time;
        self.connection.clone().tell(async move {
            let giving_up = async {
                while released(&connection, &key, token).await.is_err() {
                    sleep(PAUSE).await;
                    connection.up().await;
                }
            };
            if timeout(time, giving_up).await.is_err() {
                tracing::warn!(
                    "an idempotency key could not be given up in time: its lease has ended"
                );
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
