//! The right to answer for a key: nobody else has it, and what it stands for already.

use std::sync::Arc;

use message::Timestamp;
use tokio::sync::watch;

use super::{
    BRIEF, CLAIMS, Claim, ClaimGuard, Claimed, Fingerprint, Held, InFlight, KEY_BYTES, KeptAnswer,
    locked, rows,
};
use crate::expiring::name_of;
use crate::{Store, StoreError};

impl Store {
    /// Claims `key` of `app` for a request, or says what stands in its way. The claim ends with its guard, or with the
    /// transaction that binds the key where that is later.
    ///
    /// To wait for [`Claim::InFlight`] or [`Claim::Unlike`], await [`InFlight::settled`] and claim again: the other request
    /// may have been refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for a key that is empty or above 255 bytes; [`StoreError::KeysFull`] where the bounds are
    /// reached; [`StoreError::Unavailable`].
    pub async fn claim(
        &self,
        app: &str,
        key: &str,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        self.claim_among(self.bounds.keys, (app, key), fingerprint, now).await
    }

    /// [`Store::claim`] for a key that lives for seconds: for 10,000 of these there is room when all others are taken.
    ///
    /// # Errors
    ///
    /// As [`Store::claim`].
    pub async fn claim_briefly(
        &self,
        app: &str,
        key: &str,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let most = self.bounds.keys.saturating_add(BRIEF);
        self.claim_among(most, (app, key), fingerprint, now).await
    }

    async fn claim_among(
        &self,
        most: u64,
        (app, key): (&str, &str),
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        if !(1..=KEY_BYTES).contains(&key.len()) {
            return Err(StoreError::Invalid("an idempotency key is empty or above 255 bytes"));
        }
        let guard = match self.claim_in_flight(most, (app, key), &fingerprint)? {
            Claim::New(guard) => guard,
            // What the key stands for counts, and not what somebody wants it for who is about to be refused.
            Claim::Unlike { other, fields } => {
                let kept = self.kept_under(app, key, now).await?;
                return Ok(
                    kept.map_or(Claim::Unlike { other, fields }, |kept| kept.told(&fingerprint))
                );
            }
            taken => return Ok(taken),
        };
        // Only now that nobody else can bind the key: what is in the database stays as it is read.
        let bound = self.bound(most, (app, key), now).await?;
        Ok(bound.map_or(Claim::New(guard), |kept| kept.told(&fingerprint)))
    }

    pub(super) fn claim_in_flight(
        &self,
        most: u64,
        (app, key): (&str, &str),
        fingerprint: &Fingerprint,
    ) -> Result<Claim, StoreError> {
        let name = name_of([app, key]);
        let mut claims = locked(&self.claims);
        if let Some(claimed) = claims.get(&name) {
            let other = InFlight(claimed.settled.clone());
            return Ok(match claimed.fingerprint.differences(fingerprint) {
                fields if fields.is_empty() => Claim::InFlight(other),
                fields => Claim::Unlike { other, fields },
            });
        }
        if claims.len() >= CLAIMS {
            return Err(StoreError::KeysFull);
        }
        let (sender, settled) = watch::channel(());
        claims.insert(name, Claimed { fingerprint: fingerprint.clone(), settled });
        let (app, key) = (app.to_owned(), key.to_owned());
        let claims = Arc::clone(&self.claims);
        let fingerprint = fingerprint.clone();
        let held = Held { claims, app, key, fingerprint, most, _settled: sender };
        Ok(Claim::New(ClaimGuard(Arc::new(held))))
    }

    pub(super) async fn bound(
        &self,
        most: u64,
        (app, key): (&str, &str),
        now: Timestamp,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        let (app, key) = (app.to_owned(), key.to_owned());
        self.database
            .read(move |connection| match rows::find(connection, &app, &key, now)? {
                None if rows::is_full(connection, most, now)? => Err(StoreError::KeysFull.into()),
                found => Ok(found),
            })
            .await
    }
}
