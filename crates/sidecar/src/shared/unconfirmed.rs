//! Messages that are ours, while it is not known whether another replica answers for their key.

use std::sync::Arc;
use std::time::Duration;

use message::Timestamp;
use store::{KeptAnswer, Store, StoreError};
use store_redis::{Bound, SharedClaim, SharedError, SharedKeys};

use super::{KeyLease, Shared};

/// A key that replicas share, of messages that are recorded here and not sent: nothing is sent before it is known that no
/// other replica answers for it.
#[derive(Clone, Debug)]
pub(crate) struct Unconfirmed {
    keys: SharedKeys,
    /// The request's own, where it was made by this process: it may hold the key still.
    lease: Option<Arc<KeyLease>>,
    app: String,
    key: String,
    kept: KeptAnswer,
}

/// Who answers for a key among replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// These messages, from now on.
    Ours,
    /// Others, which are sent.
    Others,
    /// A request that is in flight, or one that was when its replica died: it may come to nothing.
    Undecided,
}

impl Unconfirmed {
    /// Of a request in flight, whose messages `kept` answers for.
    pub(crate) fn of_request(lease: Arc<KeyLease>, app: &str, key: &str, kept: KeptAnswer) -> Self {
        let (app, key) = (app.to_owned(), key.to_owned());
        Self { keys: lease.keys().clone(), lease: Some(lease), app, key, kept }
    }

    /// The key that a message of an earlier process came under, where there is one and keys are shared.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) async fn left_behind(
        shared: Option<&Shared>,
        store: &Store,
        app: &str,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let (Some(keys), Some(key)) = (shared.and_then(Shared::keys), key) else { return Ok(None) };
        let Some(kept) = store.kept_under(app, key, now).await? else { return Ok(None) };
        let (keys, app, key) = (keys.clone(), app.to_owned(), key.to_owned());
        Ok(Some(Self { keys, lease: None, app, key, kept }))
    }

    /// Who answers for the key; binds it where nobody does.
    ///
    /// # Errors
    ///
    /// The server is away: nobody knows.
    pub(crate) async fn whose(&self, now: Timestamp) -> Result<Whose, SharedError> {
        let Self { keys, lease, app, key, kept: KeptAnswer { fingerprint, answer, ends } } = self;
        let keep = ends.since(now).max(Duration::from_millis(1));
        if let Some(lease) = lease
            && lease.bind(answer, keep).await?
        {
            return Ok(Whose::Ours);
        }
        Ok(match keys.claim(app, key, fingerprint, KeyLease::TIME).await? {
            SharedClaim::New(mut lease) => match keys.bind(&mut lease, answer, keep).await? {
                Bound::Mine => Whose::Ours,
                Bound::Others => Whose::Undecided,
            },
            // Bound before, by an answer to a call that was never heard.
            SharedClaim::Replay(there) if there.message == answer.message => Whose::Ours,
            SharedClaim::Replay(_) | SharedClaim::Mismatch { .. } => Whose::Others,
            SharedClaim::InFlight { .. } => Whose::Undecided,
        })
    }

    /// Lets the key go here, since others answer for it: the next request that brings it asks them.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub(crate) async fn let_go(&self, store: &Store) -> Result<(), StoreError> {
        store.unbind(&self.app, &self.key).await.map(drop)
    }
}
