//! The right to answer for a key among replicas, for as long as a request lasts.

use std::sync::Arc;
use std::time::Duration;

use store::StoredAnswer;
use store_redis::{Bound, Lease, SharedError, SharedKeys};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A lease that renews itself. Dropped before the key is bound, it is given up.
#[derive(Debug)]
pub(crate) struct KeyLease {
    keys: SharedKeys,
    lease: Arc<Mutex<Lease>>,
    renewing: JoinHandle<()>,
}

impl KeyLease {
    /// What a lease is taken for: so long a replica that dies leaves a key locked.
    pub(crate) fn time() -> Duration {
        store::fail::shortened(Duration::from_secs(10))
    }

    /// Keeps `lease`, which was taken for [`KeyLease::time`].
    pub(crate) fn keep(keys: SharedKeys, lease: Lease) -> Self {
        let lease = Arc::new(Mutex::new(lease));
        let (renewed, held) = (keys.clone(), Arc::downgrade(&lease));
        let renewing = tokio::spawn(async move {
            loop {
                sleep(Self::time() / 3).await;
                let Some(lease) = held.upgrade() else { return };
                // Where it fails, the next one may succeed; where others have the key, binding it will tell.
                drop(renewed.renew(&*lease.lock().await, Self::time()).await);
            }
        });
        Self { keys, lease, renewing }
    }

    /// Keys among replicas.
    pub(crate) fn keys(&self) -> &SharedKeys {
        &self.keys
    }

    /// Gives up a key under which nothing was sent, bound or not.
    ///
    /// # Errors
    ///
    /// The server is away: the key may still be bound.
    pub(crate) async fn give_up(&self) -> Result<(), SharedError> {
        self.renewing.abort();
        self.keys.give_up(&*self.lease.lock().await).await
    }

    /// Binds the key; `false` where another replica has it by now.
    ///
    /// # Errors
    ///
    /// The server is away: it may be bound or not.
    pub(crate) async fn bind(
        &self,
        answer: &StoredAnswer,
        keep: Duration,
    ) -> Result<bool, SharedError> {
        self.renewing.abort();
        let bound = self.keys.bind(&mut *self.lease.lock().await, answer, keep).await?;
        Ok(bound == Bound::Mine)
    }
}

impl Drop for KeyLease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
