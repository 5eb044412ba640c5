//! What replicas share, where they share anything.

mod lease;
mod unconfirmed;

use std::sync::Arc;
use std::time::Duration;

use message::Ledger;
use policy_host::PolicyName;
use store_redis::{
    Connection, LocalLimits, OptionsError, RedisLedger, ServerUrl, SharedKeys, SharedOptions,
    SharedReports, Status, WithFallback,
};
use tokio::time::timeout;

pub(crate) use self::lease::KeyLease;
pub(crate) use self::unconfirmed::{Unconfirmed, Whose};
use crate::config::{self, PolicyEntry, Secret};

/// The server that replicas share, and what is kept there.
#[derive(Debug)]
pub(crate) struct Shared {
    connection: Connection,
    ledger: Arc<WithFallback>,
    keys: Option<SharedKeys>,
}

/// How the server is reached, by its URL.
///
/// # Errors
///
/// An address that cannot be used.
pub(crate) fn options(
    shared: &config::Shared,
    url: &Secret,
) -> Result<SharedOptions, OptionsError> {
    let url = url.expose().parse()?;
    let (prefix, timeout) = (shared.prefix.clone(), shared.timeout);
    Ok(SharedOptions { prefix, timeout, ..SharedOptions::new(url) })
}

impl Shared {
    /// Connects in the background; `local` decides what may go on without the server.
    ///
    /// # Errors
    ///
    /// An address or bound that cannot be used.
    pub(crate) fn open(
        (shared, url): (&config::Shared, &Secret),
        local: Arc<dyn Ledger>,
        entries: &[PolicyEntry],
    ) -> Result<Self, OptionsError> {
        let connection = Connection::open(options(shared, url)?)?;
        let ledger = RedisLedger::new(connection.clone());
        let ledger = Arc::new(WithFallback::new(ledger, local, local_limits(entries)));
        let keys = shared.keys.then(|| SharedKeys::new(connection.clone()));
        Ok(Self { connection, ledger, keys })
    }

    /// Waits until the server can be used, but for no longer than `most`.
    pub(crate) async fn up_within(&self, most: Duration) {
        // Where it is away, everything that needs it says so.
        drop(timeout(most, self.connection.up()).await);
    }

    /// Waits until the server can be used.
    pub(crate) async fn up(&self) {
        self.connection.up().await;
    }

    /// Tells the server now of accepted messages that it has not heard of.
    pub(crate) fn tell_accepted(&self) {
        self.ledger.tell_accepted();
    }

    /// Tells the server all that it is still to be told, and waits until it has heard.
    pub(crate) async fn tell_all(&self) {
        self.ledger.tell_all().await;
    }

    /// What policies remember.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.ledger) as Arc<dyn Ledger>
    }

    /// Idempotency keys, where they are shared too.
    pub(crate) fn keys(&self) -> Option<&SharedKeys> {
        self.keys.as_ref()
    }

    /// Delivery reports that came to another replica than their message's.
    pub(crate) fn reports(&self) -> SharedReports {
        SharedReports::new(self.connection.clone())
    }

    /// Goes over to the credentials of a reload.
    pub(crate) fn log_in(&self, url: &ServerUrl) {
        self.connection.log_in(url);
    }

    /// Takes what a reload's policies say may go on without the server.
    pub(crate) fn allow(&self, entries: &[PolicyEntry]) {
        self.ledger.allow(local_limits(entries));
    }

    /// Whether the server can be used.
    pub(crate) fn is_up(&self) -> bool {
        self.connection.status() == Status::Up
    }

    /// Why the server cannot be used, or will not be once the connection ends that there is.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.connection.status() {
            Status::Up => self.connection.refused().map(|why| {
                format!(
                    "of the new user or password: {why}; the connection by those before goes on"
                )
            }),
            Status::Down { reason, .. } => Some(reason),
        }
    }
}

fn local_limits(entries: &[PolicyEntry]) -> LocalLimits {
    let mut limits = LocalLimits::default();
    for entry in entries {
        limits.add(&entry.name, entry.settings());
        // What is not heeded remembers under a name of its own, by the same rules.
        let shadow = PolicyName::new(entry.name.as_str()).shadow();
        limits.add(shadow.as_str(), entry.candidate_settings());
    }
    limits
}
