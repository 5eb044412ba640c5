//! From cleared messages to ours.

use std::sync::Arc;

use message::{Settlement, Timestamp};
use policy_host::Cleared;
use store::{Change, KeyRow, Settle, Status, StoreError};

use super::accepted::Accepted;
use super::trace::Trace;
use super::{About, Acceptance, Beginning, Delivery, Ready, Seat, attempt, now};
use crate::gateway::Refusal;
use crate::shared::Unconfirmed;

/// Messages that are on disk and not yet on their way.
#[must_use = "they are sent on their way, or taken back"]
pub(crate) struct Recorded(Vec<Accepted>);

impl Delivery {
    /// A seat for one more message, to be taken before its policies are asked: those that count would count it for
    /// nothing.
    ///
    /// # Errors
    ///
    /// `spool.full` where as many messages are under way as may.
    pub(crate) fn seat(&self) -> Result<Seat, Refusal> {
        let most = self.account.borrow().queue_max;
        self.room.seat(most).ok_or_else(Refusal::full)
    }

    /// Gets a cleared message ready to be recorded.
    ///
    /// # Errors
    ///
    /// `send.would_expire` where the policies put it off beyond the time that the app gave it; what they held is given
    /// back.
    pub(crate) async fn ready(
        &self,
        cleared: Cleared,
        about: About,
        seat: Seat,
        now: Timestamp,
    ) -> Result<Ready, Refusal> {
        let account = self.account();
        match Ready::of(cleared, about, seat, &account, now) {
            Ok(ready) => Ok(ready),
            Err((refusal, holds)) => {
                self.give_back(holds).await;
                Err(refusal)
            }
        }
    }

    /// Makes messages ours, in one transaction with the key that they came under. From here on they are not lost.
    ///
    /// # Errors
    ///
    /// They could not be recorded, so none is accepted; what the policies held is given back.
    pub(crate) async fn record(
        &self,
        ready: Vec<Ready>,
        key: Option<KeyRow>,
    ) -> Result<Recorded, StoreError> {
        let (accepted, new): (Vec<Accepted>, Vec<_>) =
            ready.into_iter().map(|ready| (ready.accepted, ready.new)).unzip();
        store::fail::point("accept.begin");
        if let Err(err) = self.store.accept(new, key).await {
            tracing::error!(error = %err, "messages could not be recorded, so they were not accepted");
            for accepted in accepted {
                self.give_back(accepted.holds).await;
            }
            return Err(err);
        }
        store::fail::point("accept.done");
        Ok(Recorded(accepted))
    }

    /// Sends recorded messages on their way; those whose key is `unconfirmed` wait until it is certain that no other
    /// replica answers for it.
    pub(crate) fn go(
        self: &Arc<Self>,
        Recorded(accepted): Recorded,
        unconfirmed: Option<Unconfirmed>,
    ) -> Vec<Acceptance> {
        let begin = |accepted| {
            let beginning = Beginning { unconfirmed: unconfirmed.clone(), ..Beginning::default() };
            let (journey, acceptance) = self.journey(accepted, Trace::current(), beginning);
            self.in_flight.spawn(journey.run());
            acceptance
        };
        accepted.into_iter().map(begin).collect()
    }

    /// Takes recorded messages back: another replica answers for their key, and none of them was sent.
    pub(crate) async fn withdraw(&self, Recorded(accepted): Recorded) {
        for accepted in accepted {
            let change = Change {
                error_code: Some("idem.elsewhere".into()),
                settle: Settle::As(Settlement::GiveBack),
                ..Change::to(Status::Canceled, now())
            };
            // Not written, it would be sent at the next start.
            while let Err(err) = self.store.change(&accepted.message.id, change.clone()).await {
                tracing::error!(message.id = %accepted.message.id, error = %err, "a message that another replica has \
                 could not be taken back yet");
                tokio::select! {
                    () = tokio::time::sleep(attempt::STORE) => {}
                    () = self.stop.cancelled() => return,
                }
            }
            self.give_back(accepted.holds).await;
        }
    }
}
