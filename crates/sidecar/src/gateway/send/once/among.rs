//! Whose a key is among replicas that share keys.

use std::time::Duration;

use store_redis::SharedClaim;

use super::super::clear::Seated;
use super::super::sole::Sole;
use super::kept::replay;
use super::{Answer, Call, Gateway, Once, Plain, Refusal};
use crate::shared::KeyLease;

/// Whose a key is among replicas.
pub(super) enum Among {
    /// This request's; or nobody asked the others.
    Ours(Option<KeyLease>, Option<Box<Seated>>),
    /// Somebody asked before.
    Answered(Answer),
    /// It stood for messages that ended here unsent, which the others know by now.
    Freed,
    /// Somebody asks at this moment; for what differs from this in these fields, or for the same.
    InFlight { left: Duration, unlike: Option<Vec<String>> },
}

impl Gateway {
    /// Claims the key among replicas, where they share keys.
    pub(super) async fn among_replicas(
        &self,
        call: &Call,
        once: &Once,
        sole: Option<Sole<'_>>,
    ) -> Result<Among, Refusal> {
        let Some(keys) = self.shared.as_ref().and_then(|shared| shared.keys()) else {
            return Ok(Among::Ours(None, None));
        };
        let (app, key, print) = (&call.app.name, &once.key, &once.fingerprint);
        let foreseen = match sole {
            // On the heap, so that the way of all others has no room for it.
            Some(sole) => Box::pin(self.foreseen(call, sole)).await,
            None => None,
        };
        let claim = match foreseen {
            Some((seated, foreseen)) if !foreseen.is_empty() => {
                let about = (&seated.candidate().message.id, seated.candidate().now);
                let both = (app.as_str(), key.as_str());
                let told =
                    keys.claim_and_foretell(both, print, KeyLease::time(), foreseen, about).await;
                told.map(|(claim, foretold)| {
                    let foresight = call.in_force.chain.foresight(foretold);
                    (claim, Some(Box::new(seated.with(foresight))))
                })
            }
            foreseen => {
                let claim = keys.claim(app, key, print, KeyLease::time()).await;
                claim.map(|claim| (claim, foreseen.map(|(seated, _nothing)| Box::new(seated))))
            }
        };
        match claim {
            Ok((SharedClaim::New(lease), seated)) => {
                Ok(Among::Ours(Some(KeyLease::keep(keys.clone(), lease)), seated))
            }
            Ok((SharedClaim::Replay(stored), _)) => {
                match self.free_elsewhere(keys, (app, key), stored.message.as_ref()).await {
                    true => Ok(Among::Freed),
                    false => Ok(Among::Answered(replay(stored))),
                }
            }
            Ok((SharedClaim::Mismatch { fields }, _)) => {
                match self.free_elsewhere(keys, (app, key), None).await {
                    true => Ok(Among::Freed),
                    false => Err(Plain::KeyMismatch(fields).into()),
                }
            }
            Ok((SharedClaim::Unlike { left, fields }, _)) => {
                Ok(Among::InFlight { left, unlike: Some(fields) })
            }
            Ok((SharedClaim::InFlight { left }, _)) => Ok(Among::InFlight { left, unlike: None }),
            // A resend that cannot be told is no reason to refuse everybody's sends.
            Err(_) if !once.is_asked_for() => Ok(Among::Ours(None, None)),
            Err(err) => {
                tracing::error!(error = %err, "a key could not be claimed among replicas, so nothing was accepted");
                Err(Plain::KeysAway.into())
            }
        }
    }
}
