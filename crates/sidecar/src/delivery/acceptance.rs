//! From cleared messages to ours.

use std::sync::Arc;
use std::time::Duration;

use message::{Message, Pace, Settlement, Timestamp};
use policy_host::{Cleared, LimitReport};
use store::{Change, KeyRow, Settle, Status, StoreError};
use tokio::time::Instant;

use super::accepted::Accepted;
use super::times::{Pacing, Times};
use super::trace::Trace;
use super::turns::Class;
use super::under_way::Beginning;
use super::{About, Acceptance, Delivery, Ready, Seat, Side, Upstream, journey, lifetime_of, now};
use crate::gateway::Refusal;
use crate::record;
use crate::shared::Unconfirmed;

/// Messages that are on disk and not yet on their way.
#[must_use = "they are sent on their way, or taken back"]
pub(crate) struct Recorded(Vec<Accepted>);

impl Delivery {
    /// A seat for one more message of `app`, which asked for this start, to be taken before its policies are asked:
    /// those that count would count it for nothing.
    ///
    /// # Errors
    ///
    /// `spool.full` where as many messages are there as may, of this app or in all.
    pub(crate) fn seat(&self, app: &str, start: Option<Timestamp>) -> Result<Seat, Refusal> {
        let later = start.is_some_and(|start| start > now());
        let side = if later { Side::Scheduled } else { Side::UnderWay };
        let most = self.account().most(side);
        self.room.seat(app, side, most).ok_or_else(Refusal::full)
    }

    /// Gets a cleared message ready to be recorded.
    ///
    /// # Errors
    ///
    /// `send.would_expire` and `throttle.would_expire` where the policies or their limits put it off beyond the time
    /// that it has, `upstream.unavailable` where Plivo is left alone for longer than that, `spool.full` where too many
    /// wait for a time of their own; what they held is given back.
    pub(crate) async fn ready(
        &self,
        cleared: Cleared,
        about: About,
        seat: Seat,
        now: Timestamp,
    ) -> Result<Ready, Refusal> {
        let account = self.account();
        let upstream = self.upstream(&about.account);
        let (message, standings) = (cleared.message(), cleared.standings());
        let pacing = self.pacing(upstream.as_deref(), message, standings, Duration::ZERO);
        match Ready::of(cleared, about, seat, &pacing, &account, now) {
            Ok(ready) => Ok(ready),
            Err((refusal, holds)) => {
                self.give_back(holds).await;
                Err(refusal)
            }
        }
    }

    /// When a message for this account would be sent that comes at this instant, so far ahead of now; `asked` is the
    /// app's own start.
    ///
    /// # Errors
    ///
    /// As [`Delivery::ready`], but for the room.
    pub(crate) fn foresee(
        &self,
        account: &str,
        message: &Message,
        asked: Option<Timestamp>,
        standings: &[LimitReport],
        (at, ahead): (Timestamp, Duration),
    ) -> Result<Timestamp, Refusal> {
        let upstream = self.upstream(account);
        let pacing = self.pacing(upstream.as_deref(), message, standings, ahead);
        let lifetime = lifetime_of(&message.intent, &self.account());
        let times = Times::of(message, asked, &pacing, lifetime, at)?;
        Ok(times.start.unwrap_or(at.after(pacing.wait)))
    }

    /// What limits that are kept at sending, and Plivo's breaker, mean for a message that comes so far `ahead` of now.
    fn pacing(
        &self,
        upstream: Option<&Upstream>,
        message: &Message,
        standings: &[LimitReport],
        ahead: Duration,
    ) -> Pacing {
        let paces: Vec<Pace> = standings.iter().filter_map(|limit| limit.pace.clone()).collect();
        let paced = standings.iter().filter(|limit| limit.pace.is_some());
        let slot = paced.map(|limit| limit.delay).max();
        let class = Class::of(&message.intent);
        let wait = self.turns.wait(class, &paces, ahead);
        // Behind everything else its slot says more: it counts those too that were cleared and are not here yet.
        let wait = if class == Class::Other { wait.max(slot.unwrap_or_default()) } else { wait };
        let cool_down = |own: &Upstream| own.breakers.cool_down(&message.sender, Instant::now());
        let cool_down = upstream.map_or(Duration::ZERO, cool_down).saturating_sub(ahead);
        Pacing { wait, slot: slot.filter(|_| self.is_shared()), cool_down }
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
        for Accepted { message, start, .. } in &accepted {
            record::tell(&message.id, &Change::to(Status::Accepted, now()), *start);
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
        let begin = |accepted: Accepted| {
            self.turns.learn(&accepted.paces);
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
            record::tell(&accepted.message.id, &change, None);
            // Not written, it would be sent at the next start.
            while let Err(err) = self.store.change(&accepted.message.id, change.clone()).await {
                tracing::error!(message.id = %accepted.message.id, error = %err, "a message that another replica has \
                 could not be taken back yet");
                tokio::select! {
                    () = tokio::time::sleep(journey::STORE) => {}
                    () = self.stop.cancelled() => return,
                }
            }
            self.give_back(accepted.holds).await;
        }
    }
}
