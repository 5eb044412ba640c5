//! One message's way through its attempts.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use message::limits;
use plivo_client::{Outcome, Outgoing};
use policy_host::Afterwards;
use store::{AttemptOutcome, Change, Commit, Settle, Status, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::accepted::Accepted;
use super::breaker::Heard;
use super::doubt::Doubt;
use super::judge::{End, Next, judge};
use super::trace::Trace;
use super::turns::Place;
use super::unsettled::OneUnsettled;
use super::waits::{Leave, Metered};
use super::{Delivery, News, Side, Word, now};
use crate::record;
use crate::shared::Unconfirmed;

/// Shorter than this Plivo takes no `message_expiry`, so a message with less left to live expires here.
pub(crate) const SHORTEST: Duration = Duration::from_secs(5);
/// Longer than this it takes none either; its own default then ends a moment after our deadline.
const LONGEST: Duration = Duration::from_secs(*limits::EXPIRY_S.end() as u64);
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
    pub(super) trace: Trace,
    /// The call of which nothing is known, where there is one.
    pub(super) doubt: Option<Doubt>,
    /// An earlier call may have sent it: whatever the later ones come to, nobody may say that it was not sent.
    pub(super) may_be_sent: bool,
    /// Lives while Plivo may have a message of which we do not know it: this one.
    pub(super) unsettled: Option<OneUnsettled>,
    /// Its place behind those that were accepted before it, until it makes use of it; none where it may not go yet.
    pub(super) place: Option<Place>,
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
                self.delivery.leave_in_doubt();
                self.tell.send_replace(News::Ended(Status::InDoubt));
            }
            Stop::Process if self.delivery.ephemeral => {
                // With the process goes the memory that the message is in.
                tracing::warn!(message.id = %id, "a message is left unsent");
                self.tell.send_replace(News::Refused("spool.draining"));
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

    /// Tells everybody how it ended: the app, the store until it has heard, then the ledger and the policies.
    async fn arrive(&mut self, end: End) {
        let end = if self.may_be_sent { end.at_least_once() } else { end };
        let mut end = self.unless_reported(end);
        let id = self.accepted.message.id.clone();
        let at = now();
        let account = self.delivery.account.borrow().clone();
        let uuid = if let News::Submitted(uuid) = &end.news { Some(uuid.clone()) } else { None };
        let is_held = end.status == Status::Held;
        let change = Change {
            status: Some(end.status),
            next_look: (end.status == Status::Submitted)
                .then(|| self.delivery.first_look(&account, at)),
            message_uuid: uuid.clone(),
            error_code: end.code.map(str::to_owned),
            // What is held stays open until somebody says what becomes of the message.
            settle: if is_held { Settle::NotYet } else { Settle::As(end.settlement) },
            ..Change::at(at)
        };
        store::fail::point("delivery.outcome");
        // Asked for before anybody is told, so that whoever was told and looks finds it (`Store::caught_up`).
        let commit = self.delivery.store.change(&id, change.clone());
        // That nothing was sent is told when it is written: told before, it might be sent after a crash, beside the
        // app's own second try. Anything else may be told at once.
        let later = matches!(end.news, News::Refused(_));
        if !later {
            self.tell.send_replace(end.news.clone());
        }
        let stands = self.written(commit, change).await;
        store::fail::point("delivery.written");
        if let Some(stands) = stands.filter(|stands| *stands != end.status) {
            // A report that came in between has the last word.
            end = End::reported(stands);
        }
        let End { status, told, news, settlement, code } = end;
        if later {
            // Not written, the next process finds it in doubt, and may send it.
            let news = if stands.is_some() { news } else { News::Ended(Status::InDoubt) };
            self.tell.send_replace(news);
        }
        // Only now, so that nobody takes what Plivo has of this message for another's.
        if told == policy_host::Outcome::InDoubt {
            self.give_up();
        }
        self.unsettled = None;
        tracing::info!(
            message.id = %id, status = status.as_str(), code, message_uuid = uuid, attempts = self.attempts,
            "a message's way to Plivo has ended"
        );
        if status == Status::Held {
            return;
        }
        let holds = std::mem::take(&mut self.accepted.holds);
        if let Err(err) = self.delivery.ledger.settle(holds, settlement).await {
            tracing::warn!(error = %err, message.id = %id, "what the policies held could not be settled");
        }
        if let Some(chain) = account.chain.upgrade() {
            let Accepted { app, door, .. } = &self.accepted;
            chain.tell_outcome(Afterwards { id: &id, app, door, now: now() }, told).await;
        }
    }

    /// What others have said while nobody listened: that Plivo has the message, whatever its way came to here; that it
    /// is not to be sent any more, which is the end of one that would be held.
    fn unless_reported(&mut self, end: End) -> End {
        let mut is_canceled = false;
        while let Ok(word) = self.inbox.try_recv() {
            match word {
                Word::Reported(uuid) if !matches!(end.news, News::Submitted(_)) => {
                    return End::submitted(&uuid);
                }
                Word::Reported(_) => {}
                Word::Cancel => is_canceled = true,
            }
        }
        if is_canceled && end.status == Status::Held {
            return End::unknown(Status::Canceled, "send.canceled_in_doubt");
        }
        end
    }

    async fn travel(&mut self) -> Stop {
        match self.go().await {
            ControlFlow::Break(stop) => stop,
            ControlFlow::Continue(()) => Stop::Process,
        }
    }

    async fn go(&mut self) -> ControlFlow<Stop> {
        if let Some(unconfirmed) = self.unconfirmed.take() {
            self.confirm(&unconfirmed).await?;
        }
        // One that was called for has had its start; waiting for it again would hide that it is in doubt.
        if let Some(start) = self.accepted.start.filter(|_| self.doubt.is_none()) {
            // A slot that replicas share may turn out to lie after its time.
            self.wait_until(start.min(self.accepted.deadline), Status::Waiting).await?;
        }
        self.accepted.seat.move_to(Side::UnderWay, None);
        if let Some(doubt) = self.doubt.clone() {
            self.resolve(doubt).await?;
        }
        let mut place = self.place.take().unwrap_or_else(|| self.enter());
        loop {
            self.heed()?;
            let leave = self.leave(&mut place).await?;
            self.attempts += 1;
            match self.attempt(leave).await? {
                Next::End(end) => return ControlFlow::Break(Stop::End(end)),
                Next::Account => {}
                // Nothing got there, so it was no load on Plivo, and the breaker keeps watch.
                Next::Later { least } => self.back_off(least, Metered::No).await?,
                Next::TurnedAway { least } => {
                    self.turned_away += 1;
                    let most = self.delivery.account.borrow().attempts;
                    if most.is_some_and(|most| self.turned_away >= most) {
                        return ControlFlow::Break(Stop::End(End::failed("upstream.unavailable")));
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

    /// One call: written down before its first byte, and judged after.
    async fn attempt(&mut self, leave: Leave) -> ControlFlow<Stop, Next> {
        let Leave { account, _turn, pass } = leave;
        let (id, nth, began) = (self.accepted.message.id.clone(), self.attempts, now());
        let known = Instant::now();
        let plivo_time = account.client.time_at(known.into_std());
        let written = record::attempt(nth, began, &account.mark, plivo_time);
        let intent =
            Change { attempt: Some(written.clone()), ..Change::to(Status::Sending, began) };
        record::tell(&id, &intent, None);
        match self.delivery.store.change(&id, intent).await {
            Ok(Status::Sending) => {}
            // A report on an earlier call was faster: Plivo has it.
            Ok(further) => {
                let overtaken = record::overtaken(written, now());
                drop(
                    self.delivery
                        .store
                        .change(&id, Change { attempt: Some(overtaken), ..Change::at(began) }),
                );
                return ControlFlow::Break(Stop::End(End::reported(further)));
            }
            // Where it cannot be written down, a crash would make it be sent again: it is not sent.
            Err(err) => {
                self.attempts -= 1;
                tracing::error!(message.id = %id, error = %err, "a call could not be written down, so it was not made");
                sleep(STORE).await;
                return ControlFlow::Continue(Next::Account);
            }
        }
        store::fail::point("delivery.intent");
        self.unsettled = Some(
            self.delivery.unsettled.enter(self.delivery.store.mark_of(&self.accepted.message.to)),
        );
        self.delivery.load.add(Instant::now());
        if nth == 1 {
            self.delivery.budget.first(Instant::now());
        }
        let left = self.left();
        let callback_url = self.delivery.callback_url(&id, nth);
        let outgoing = Outgoing {
            ttl: (left <= LONGEST).then_some(left),
            callback_url: callback_url.as_deref(),
            log: self.accepted.log.unwrap_or(account.log),
            trackable: self.accepted.trackable,
            dlt: self.accepted.dlt.as_ref(),
            attempt: nth,
            ..Outgoing::new(&self.accepted.message)
        };
        let timeout = account.call_timeout.min(left);
        let call = account.client.send(&account.credentials, outgoing, timeout);
        let outcome = call.instrument(self.trace.span(nth)).await;
        store::fail::point("delivery.answered");
        pass.report(Heard::of(&outcome), Instant::now(), fastrand::f64());
        self.delivery.hear(&outcome, Instant::now());
        let next = judge(&outcome, account.treat_503);
        self.tell_refusal(&outcome);
        let mut ended = record::attempt_ended(written, &outcome, now());
        if matches!(next, Next::Doubt) {
            // Of a 503 that is the operator's word, whatever the call itself says.
            ended.outcome = Some(AttemptOutcome::InDoubt);
        }
        let extra_uuids = match &outcome {
            Outcome::Accepted(receipt) => receipt.extra_uuids.clone(),
            _ => Vec::new(),
        };
        let change = Change { attempt: Some(ended), extra_uuids, ..Change::at(now()) };
        match &next {
            Next::Doubt => {
                let mut change = change;
                let taken = change.attempt.as_ref().is_some_and(record::is_taken);
                let mark = Some(account.mark.to_string());
                let mut doubt =
                    Doubt { began, plivo_time, known, is_own: true, account: mark, taken };
                // This answer may be the first to show Plivo's clock.
                doubt.plivo_time = doubt.began_there(&account.client);
                if let Some(attempt) = &mut change.attempt {
                    attempt.plivo_time = doubt.plivo_time;
                }
                self.doubt = Some(doubt);
                let code = Some("send.in_doubt".to_owned());
                let change = Change { status: Some(Status::InDoubt), error_code: code, ..change };
                record::tell(&id, &change, None);
                store::fail::point("doubt.begin");
                self.write(change).await;
                store::fail::point("doubt.written");
            }
            // Written together with the end, or with the wait that follows: an unknown outcome is only in doubt again.
            _ => {
                if !matches!(next, Next::End(_)) {
                    self.unsettled = None;
                }
                drop(self.delivery.store.change(&id, change));
            }
        }
        ControlFlow::Continue(next)
    }

    /// Plivo's own words are for operators only; apps get a stable code.
    fn tell_refusal(&self, outcome: &Outcome) {
        let id = &self.accepted.message.id;
        match outcome {
            Outcome::Rejected(refused) => {
                let detail = refused.detail();
                tracing::warn!(message.id = %id, detail, "{refused}");
            }
            Outcome::NotSent(not_sent) => {
                tracing::debug!(message.id = %id, why = not_sent.kind.as_str(), "{not_sent}");
            }
            Outcome::Accepted(receipt) if !receipt.extra_uuids.is_empty() => {
                tracing::error!(message.id = %id, "Plivo split one recipient into several");
            }
            _ => {}
        }
    }

    /// Writes what must not be forgotten, for as long as it takes, unless the process ends before.
    pub(super) async fn write(&self, change: Change) {
        let commit = self.delivery.store.change(&self.accepted.message.id, change.clone());
        self.written(commit, change).await;
    }

    /// The same of what was asked for already; where the message stands then, none where the process ends before.
    async fn written(&self, mut commit: Commit<Status>, change: Change) -> Option<Status> {
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
