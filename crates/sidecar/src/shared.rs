//! What replicas share, where they share anything.

mod lease;

use std::sync::Arc;
use std::time::Duration;

use message::{Ledger, Timestamp};
use store::{KeptAnswer, Store, StoreError};
use store_redis::{
    Bound, Connection, LocalLimits, OptionsError, RedisLedger, SharedError, SharedKeys,
    SharedOptions, Status, WithFallback,
};

pub(crate) use self::lease::KeyLease;
use crate::config::{self, PolicyEntry};

/// The server that replicas share, and what is kept there.
#[derive(Debug)]
pub(crate) struct Shared {
    connection: Connection,
    ledger: Arc<WithFallback>,
    keys: Option<SharedKeys>,
}

/// A key that replicas share, of messages that are ours: nothing is sent before it is known that no other replica answers
/// for it.
#[derive(Clone, Debug)]
pub(crate) struct Unconfirmed {
    keys: SharedKeys,
    app: String,
    key: String,
    kept: KeptAnswer,
}

impl Shared {
    /// Connects in the background; `local` decides what may go on without the server.
    ///
    /// # Errors
    ///
    /// An address or bound that cannot be used.
    pub(crate) fn open(
        shared: &config::Shared,
        local: Arc<dyn Ledger>,
        entries: &[PolicyEntry],
    ) -> Result<Self, OptionsError> {
        let url = shared.url.expose().parse()?;
        let options = SharedOptions {
            prefix: shared.prefix.clone(),
            timeout: shared.timeout,
            ..SharedOptions::new(url)
        };
        let connection = Connection::open(options)?;
        let ledger = RedisLedger::new(connection.clone());
        let ledger = Arc::new(WithFallback::new(ledger, local, local_limits(entries)));
        let keys = shared.keys.then(|| SharedKeys::new(connection.clone()));
        Ok(Self { connection, ledger, keys })
    }

    /// What policies remember.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.ledger) as Arc<dyn Ledger>
    }

    /// Idempotency keys, where they are shared too.
    pub(crate) fn keys(&self) -> Option<&SharedKeys> {
        self.keys.as_ref()
    }

    /// Takes what a reload's policies say may go on without the server.
    pub(crate) fn allow(&self, entries: &[PolicyEntry]) {
        self.ledger.allow(local_limits(entries));
    }

    /// Why the server cannot be used, if so.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.connection.status() {
            Status::Up => None,
            Status::Down { reason, .. } => Some(reason),
        }
    }
}

impl Unconfirmed {
    /// The key that a message came under, where there is one and keys are shared.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) async fn of(
        shared: Option<&Shared>,
        store: &Store,
        app: &str,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let (Some(keys), Some(key)) = (shared.and_then(Shared::keys), key) else { return Ok(None) };
        let Some(kept) = store.kept_under(app, key, now).await? else { return Ok(None) };
        let (app, key) = (app.to_owned(), key.to_owned());
        Ok(Some(Self { keys: keys.clone(), app, key, kept }))
    }

    /// Whether the key is these messages': binds it, unless another replica answers for it.
    ///
    /// # Errors
    ///
    /// The server is away: nobody knows.
    pub(crate) async fn is_ours(&self, now: Timestamp) -> Result<bool, SharedError> {
        let KeptAnswer { fingerprint, answer, ends } = &self.kept;
        let keep = ends.since(now).max(Duration::from_millis(1));
        let bound = self.keys.bind_if_absent(&self.app, &self.key, fingerprint, answer, keep);
        Ok(bound.await?.0 == Bound::Mine)
    }
}

fn local_limits(entries: &[PolicyEntry]) -> LocalLimits {
    let mut limits = LocalLimits::default();
    for entry in entries {
        limits.add(&entry.name, entry.settings());
    }
    limits
}
