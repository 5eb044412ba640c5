//! One message's way, from its acceptance to its end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use store::{Attempt, Change, Commit, Status, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::accepted::Accepted;
use super::doubt::Doubt;
use super::judge::{End, Next};
use super::lanes::Wait;
use super::starts::Entrance;
use super::trace::Trace;
use super::unsettled::OneUnsettled;
use super::waits::{Metered, Retry};
use super::{Delivery, News, Side, Word};
use crate::shared::Unconfirmed;

/// Between two tries to write to a store that cannot be written.
pub(super) const STORE: Duration = Duration::from_secs(1);

/// A message between acceptance and outcome.
pub(super) struct Journey {
    pub(super) delivery: Arc<Delivery>,
    pub(super) accepted: Accepted,
    pub(super) tell: watch::Sender<News>,
    /// What others have to say to it.
    pub(super) inbox: mpsc::UnboundedReceiver<Word>,
    /// Calls made so far.
    pub(super) attempts: u32,
    /// Of these, the ones that Plivo turned away for now.
    pub(super) turned_away: u32,
    /// How often in a row policies that were asked again could not decide.
    pub(super) undecided: u32,
    pub(super) trace: Trace,
    /// The call of which nothing is known, where there is one.
    pub(super) doubt: Option<Doubt>,
    /// An earlier call may have sent it: whatever the later ones come to, nobody may say that it was not sent.
    pub(super) may_be_sent: bool,
    /// The wait for its next try that a process before this one began.
    pub(super) retry: Option<Retry>,
    /// Plivo's id of it, which a process before this one found and could only write down.
    pub(super) adopted: Option<String>,
    /// Lives while Plivo may have a message of which we do not know it: this one.
    pub(super) unsettled: Option<OneUnsettled>,
    /// The call that ended its way, as it is to be written down with the end; and further ids that Plivo gave it.
    pub(super) last_call: Option<(Attempt, Vec<String>)>,
    /// Until it makes use of it.
    pub(super) entrance: Option<Entrance>,
    /// Its wait for a call.
    pub(super) wait: Wait,
    /// The key that is to be confirmed first, where there is one.
    pub(super) unconfirmed: Option<Unconfirmed>,
}

/// Why a message does not go on.
pub(super) enum Stop {
    /// Its way has ended.
    End(End),
    /// Another replica answers for its key, so it is not sent here.
    Elsewhere(Unconfirmed),
    /// The process ends; the message stays where the store has it.
    Process,
}

impl Journey {
    pub(super) async fn run(mut self) {
        let id = self.accepted.message.id.clone();
        match self.travel().await {
            Stop::End(end) => self.arrive(end).await,
            Stop::Elsewhere(key) => {
                self.arrive(End::not_sent(Status::Canceled, "idem.elsewhere")).await;
                // Only now: without its key it would be sent at the next start.
                if let Err(err) = key.let_go(&self.delivery.store).await {
                    tracing::warn!(message.id = %id, error = %err, "a key that another replica answers for is still \
                     bound here");
                }
            }
            Stop::Process if self.delivery.ephemeral && self.is_unknown() => {
                tracing::warn!(message.id = %id, "a message is left in doubt; Plivo may have it");
                self.tell.send_replace(News::Ended(Status::InDoubt, None));
            }
            Stop::Process if self.delivery.ephemeral => {
                // With the process goes the memory that the message is in.
                tracing::warn!(message.id = %id, "a message is left unsent");
                self.tell.send_replace(News::Refused { code: "spool.draining", wait: None });
            }
            Stop::Process => {
                tracing::info!(message.id = %id, "a message is left for the next start");
            }
        }
        self.delivery.forget(&id);
        // What a person said while its end was being written down.
        while let Ok(word) = self.inbox.try_recv() {
            if word == Word::Cancel
                && let Err(err) = self.delivery.cancel(&id).await
            {
                tracing::error!(message.id = %id, error = %err, "a message could not be canceled as was promised");
            }
        }
    }

    /// Whether Plivo may have it without our knowing.
    fn is_unknown(&self) -> bool {
        self.may_be_sent || self.doubt.is_some()
    }

    async fn travel(&mut self) -> Stop {
        match self.go().await {
            ControlFlow::Break(stop) => stop,
            ControlFlow::Continue(()) => Stop::Process,
        }
    }

    async fn go(&mut self) -> ControlFlow<Stop> {
        if let Some(uuid) = self.adopted.take() {
            return ControlFlow::Break(Stop::End(End::submitted(&uuid)));
        }
        if let Some(unconfirmed) = self.unconfirmed.take() {
            self.confirm(&unconfirmed).await?;
        }
        // One that was called for has had its start; waiting for it again would hide that it is in doubt.
        let place = if self.doubt.is_none() { Some(self.take_place(None).await?) } else { None };
        self.accepted.seat.move_to(Side::UnderWay, None);
        if let Some(doubt) = self.doubt.clone() {
            self.resolve(doubt).await?;
        }
        let mut place = place.unwrap_or_else(|| self.enter());
        if let Some(Retry { due, metered }) = self.retry.take() {
            self.go_on_waiting(due, metered).await?;
        }
        loop {
            self.heed()?;
            let leave;
            (place, leave) = self.leave(place).await?;
            self.wait.pauses();
            self.attempts += 1;
            match self.attempt(leave).await? {
                Next::End(end) => return ControlFlow::Break(Stop::End(end)),
                Next::Account => {}
                // Nothing got there, so it was no load on Plivo, and the breaker keeps watch.
                Next::Later { least } => self.back_off(least, Metered::No).await?,
                Next::TurnedAway { least } => {
                    self.turned_away += 1;
                    let most = self.delivery.account().attempts;
                    if most.is_some_and(|most| self.turned_away >= most) {
                        let end = End::failed("upstream.unavailable").for_now(least);
                        return ControlFlow::Break(Stop::End(end));
                    }
                    self.back_off(least, Metered::Yes).await?;
                }
                Next::Doubt => {
                    // Others to the same number need not wait for what may never be known.
                    drop(place);
                    if let Some(doubt) = self.doubt.clone() {
                        self.resolve(doubt).await?;
                    }
                    place = self.enter();
                    // It is known that this one has not been sent, whatever becomes of others.
                    self.back_off(None, Metered::No).await?;
                }
            }
        }
    }

    /// Writes what must not be forgotten, for as long as it takes: `commit` is the first try. Where the message stands
    /// then; none where the process ends before.
    pub(super) async fn written(
        &self,
        mut commit: Commit<Status>,
        change: Change,
    ) -> Option<Status> {
        let id = &self.accepted.message.id;
        loop {
            match commit.await {
                Ok(stands) => return Some(stands),
                Err(StoreError::NotFound) => {
                    tracing::error!(message.id = %id, "a message has no record any more");
                    return change.status;
                }
                Err(err) => {
                    tracing::error!(message.id = %id, error = %err, "what became of a message could not be written \
                     down yet");
                }
            }
            tokio::select! {
                () = sleep(STORE) => {}
                // Not written, it is in doubt at the next start.
                () = self.delivery.stop.cancelled() => return None,
            }
            commit = self.delivery.store.change(id, change.clone());
        }
    }
}
