//! From in doubt to an end, or to another try.

use std::ops::ControlFlow;
use std::sync::Arc;

use message::Timestamp;
use store::{Change, Status, StoreError};
use tokio::time::{Instant, sleep_until};

use super::doubt::{
    Doubt, Listed, Sighting, beginning, candidates, differ, earlier, is_apart, newest, sighting,
};
use super::journey::{Journey, Stop};
use super::judge::End;
use super::looks::{look_at, nth_look};
use super::released::{Release, Released};
use super::waits::obey;
use super::{News, now};
use crate::config::OnUnresolved;
use crate::record;

/// What the lists have said so far.
#[derive(Default)]
struct Seen {
    /// Lists in a row without the message.
    absent: u32,
    /// The last list could not be told apart.
    unclear: bool,
}

impl Journey {
    /// Finds out whether Plivo has the message of that call. Continues where it has certainly not been sent, and may be
    /// tried again.
    pub(super) async fn resolve(&mut self, doubt: Doubt) -> ControlFlow<Stop> {
        self.trace.leave();
        self.tell.send_replace(News::Ended(Status::InDoubt, None));
        let mut seen = Seen::default();
        let mut looked = None;
        let mut release = self.delivery.releases.hear(&self.accepted.message.id);
        for nth in 0.. {
            // By the configuration in force at the time.
            let settle = Arc::clone(&self.delivery.account().settle);
            let Some(after) = nth_look(&settle, nth) else { break };
            // From the end of the call on, until which Plivo may have taken it: it has had all of this time to show it.
            let at = look_at(doubt.ended + after, looked);
            // The word is for a message that can still be sent.
            let is_too_late = nth >= settle.len() && !self.could_be_sent_after(at);
            if is_too_late && self.on_unresolved() != OnUnresolved::Fail {
                break;
            }
            while let Some(released) = self.wait_in_doubt(at, &mut release).await? {
                if let Some(goes) = self.released(released).await {
                    return goes;
                }
            }
            self.look(&doubt, &mut seen).await?;
            looked = Some(Instant::now());
            while let Some(released) = release.so_far() {
                if let Some(goes) = self.released(released).await {
                    return goes;
                }
            }
            // Two lists in a row, and the last one late enough for Plivo to show what it has.
            if seen.absent >= 2 && nth + 1 >= settle.len() && !doubt.taken {
                return self.was_not_sent();
            }
            if seen.unclear && nth + 1 >= settle.len() {
                return ControlFlow::Break(Stop::End(End::unknown(Status::Held, "send.unclear")));
            }
        }
        let word = self.on_unresolved();
        tracing::warn!(message.id = %self.accepted.message.id, on_unresolved = word.as_str(), "nobody knows whether \
         Plivo took a message");
        match word {
            OnUnresolved::Fail => {
                ControlFlow::Break(Stop::End(End::unknown(Status::Failed, "send.unresolved")))
            }
            OnUnresolved::Hold => {
                ControlFlow::Break(Stop::End(End::unknown(Status::Held, "send.unresolved")))
            }
            // Plivo took it, and did not say under which id: sent again it would certainly be there twice.
            OnUnresolved::Resend if doubt.taken => {
                ControlFlow::Break(Stop::End(End::unknown(Status::Failed, "send.unresolved")))
            }
            // It may be there: what it holds is not given back when there is no time left to send it again.
            OnUnresolved::Resend if self.left() < super::attempt::SHORTEST => {
                ControlFlow::Break(Stop::End(End::unknown(Status::Failed, "send.unresolved")))
            }
            OnUnresolved::Resend => {
                let change = self.call_given_up();
                let commit = self.delivery.store.change(&self.accepted.message.id, change.clone());
                match self.written(commit, change).await {
                    Some(stands) => self.send_again(stands),
                    None => ControlFlow::Break(Stop::Process),
                }
            }
        }
    }

    /// What becomes of it where nobody finds out.
    fn on_unresolved(&self) -> OnUnresolved {
        self.delivery.account().on_unresolved.of(&self.accepted.message.intent)
    }

    /// A person wants it sent again. None where it stays in doubt: its time is over, that could not be written, or nobody
    /// waits for it any more and so thinks that it was not done.
    async fn released(&mut self, released: Released) -> Option<ControlFlow<Stop>> {
        if released.is_closed() || self.left() < super::attempt::SHORTEST {
            return None;
        }
        let change = self.call_given_up();
        let written = self.delivery.store.change(&self.accepted.message.id, change).await;
        let told = written.clone().map(drop);
        let goes = written.ok().map(|stands| self.send_again(stands));
        // Where a report settled it meanwhile nobody has released it.
        if !matches!(goes, Some(ControlFlow::Break(_))) {
            let _nobody_asks_any_more = released.send(told);
        }
        goes
    }

    /// The call is given up, and the message waits for another one.
    fn call_given_up(&self) -> Change {
        let change = Change { given_up: Some(self.attempts), ..Change::to(Status::Waiting, now()) };
        record::tell(&self.accepted.message.id, &change, None);
        change
    }

    /// Goes on its way again, although it may be there: where it `stands` as it was written down.
    fn send_again(&mut self, stands: Status) -> ControlFlow<Stop> {
        // A delivery report settled it meanwhile: Plivo has it.
        if stands != Status::Waiting {
            return ControlFlow::Break(Stop::End(End::reported(stands)));
        }
        self.may_be_sent = true;
        self.accepted.decided = None;
        self.give_up();
        (self.doubt, self.unsettled) = (None, None);
        ControlFlow::Continue(())
    }

    /// Whether there would be time left for another call after `look`.
    fn could_be_sent_after(&self, look: Instant) -> bool {
        let until = look.saturating_duration_since(Instant::now());
        until + super::attempt::SHORTEST < self.left()
    }

    /// Nobody will find out any more whether Plivo has it.
    pub(super) fn give_up(&mut self) {
        let Some((doubt, unsettled)) = self.doubt.as_ref().zip(self.unsettled.take()) else {
            return;
        };
        let account = self.delivery.account();
        let began = doubt.began_there(&account.client).unwrap_or(doubt.began);
        let newest = newest(began, doubt.took(), &account);
        let id = self.accepted.message.id.clone();
        unsettled.give_up(id, (began, newest), now());
    }

    fn was_not_sent(&mut self) -> ControlFlow<Stop> {
        (self.doubt, self.unsettled) = (None, None);
        if self.left() < super::attempt::SHORTEST {
            self.expire()
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Asks Plivo's list once.
    async fn look(&mut self, doubt: &Doubt, seen: &mut Seen) -> ControlFlow<Stop> {
        let plivo = self.delivery.account().client.clone();
        let account = doubt.account.as_deref().unwrap_or_default();
        let twins = self.delivery.twins(account, &self.accepted.message.to);
        // What an earlier call of its own brought there is this message as well.
        let first = self.delivery.unsettled.first(&twins, &self.accepted.message.id);
        let or_first = |began| beginning(first.map_or(began, |first| first.min(began)));
        let began = || or_first(doubt.began_there(&plivo).unwrap_or(doubt.began));
        let mut since = began();
        let mut free = self.free(doubt, Some(since)).await;
        // That answer may be the first to show Plivo's clock.
        if free.is_some() && differ(began(), since) {
            since = began();
            free = self.free(doubt, Some(since)).await;
        }
        let Some(free) = free else {
            *seen = Seen::default();
            return ControlFlow::Continue(());
        };
        let message = &self.accepted.message;
        let shown = self.delivery.unsettled.shown(&twins, since, &message.id);
        let mut sighting = if free.cut { Sighting::Unclear } else { sighting(&free.alike, shown) };
        if sighting == Sighting::Absent {
            // Plivo's clocks may be apart, and it may count its parts otherwise. Where nobody knows when it was called,
            // only a list without a beginning proves that it is absent.
            let since = doubt.began_there(&plivo).map(earlier);
            sighting = match self.free(doubt, since).await {
                Some(Listed { alike, otherwise, cut: false })
                    if alike.is_empty() && otherwise.is_empty() =>
                {
                    Sighting::Absent
                }
                Some(_) => Sighting::Unclear,
                None => {
                    *seen = Seen::default();
                    return ControlFlow::Continue(());
                }
            };
        }
        *seen = match sighting {
            Sighting::Absent => Seen { absent: seen.absent + 1, unclear: false },
            Sighting::Unclear => Seen { absent: 0, unclear: true },
            // What made room may have been this one's twin, and its own.
            Sighting::Here(_) if self.delivery.store.made_room_since(or_first(doubt.began)) => {
                Seen { absent: 0, unclear: true }
            }
            // The list began where this machine's clock says, which is wrong, or was.
            Sighting::Here(_) if doubt.began_there(&plivo).is_none() && is_apart(&plivo) => {
                Seen { absent: 0, unclear: true }
            }
            // Another replica's message is not told from this one by anything that is listed.
            Sighting::Here(_) if self.delivery.is_shared() => Seen { absent: 0, unclear: true },
            Sighting::Here(uuid) => {
                match self.delivery.store.adopt(&message.id, &uuid, now()).await {
                    Ok(()) => {
                        store::fail::point("adopt.done");
                        tracing::info!(message.id = %message.id, "a message in doubt was found at Plivo");
                        return ControlFlow::Break(Stop::End(End::submitted(&uuid)));
                    }
                    // Another message was faster.
                    Err(StoreError::Exists) => Seen { absent: 0, unclear: true },
                    Err(_) => Seen::default(),
                }
            }
        };
        ControlFlow::Continue(())
    }

    /// What Plivo lists since `since`, by its own clock, that may be this message and is no other's of ours; none where
    /// nobody can tell.
    async fn free(&self, doubt: &Doubt, since: Option<Timestamp>) -> Option<Listed> {
        let message = &self.accepted.message;
        let Some(upstream) = self.delivery.called(&self.accepted.account, doubt) else {
            tracing::warn!(message.id = %message.id, account = %self.accepted.account, "a message in doubt went to \
             another account than those in force, whose lists tell nothing of it");
            return None;
        };
        let account = upstream.account();
        let mut listed = match candidates(&account, message, since).await {
            Ok(listed) => listed,
            Err(err) => {
                tracing::warn!(message.id = %message.id, error = %err, "Plivo's list could not be asked for a message \
                 in doubt");
                return None;
            }
        };
        for uuids in [&mut listed.alike, &mut listed.otherwise] {
            let mut free = Vec::new();
            for uuid in uuids.drain(..) {
                let owner = self.delivery.store.owner_of(&uuid).await.ok()?;
                if owner.is_none_or(|owner| owner == message.id) {
                    free.push(uuid);
                }
            }
            *uuids = free;
        }
        Some(listed)
    }

    /// Waits for the next list, or a person's word.
    async fn wait_in_doubt(
        &mut self,
        until: Instant,
        release: &mut Release,
    ) -> ControlFlow<Stop, Option<Released>> {
        let stop = self.delivery.stop.clone();
        tokio::select! {
            () = sleep_until(until) => ControlFlow::Continue(None),
            released = release.said() => ControlFlow::Continue(Some(released)),
            word = self.inbox.recv() => ControlFlow::Break(match obey(word) {
                // It may have been sent: what it holds is kept.
                Stop::End(End { status: Status::Canceled, .. }) => {
                    Stop::End(End::unknown(Status::Canceled, "send.canceled_in_doubt"))
                }
                other => other,
            }),
            () = stop.cancelled() => ControlFlow::Break(Stop::Process),
        }
    }
}
