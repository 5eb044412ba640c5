//! One message's way through its attempts.

use std::future::ready;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use message::{Timestamp, limits};
use plivo_client::{Outcome, Outgoing};
use policy_host::Afterwards;
use store::{AttemptOutcome, Change, Settle, Status, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::accepted::Accepted;
use super::breaker::{Admit, Heard, Pass};
use super::judge::{End, Next, judge};
use super::trace::Trace;
use super::turns::{Class, Place, Turn};
use super::unsettled::OneUnsettled;
use super::{Delivery, News, Word, backoff, now, reach};
use crate::in_force::Account;
use crate::record;
use crate::shared::{Unconfirmed, Whose};

/// Shorter than this Plivo takes no `message_expiry`, so a message with less left to live expires here.
pub(super) const SHORTEST: Duration = Duration::from_secs(5);
/// Longer than this it takes none either; its own default then ends a moment after our deadline.
const LONGEST: Duration = Duration::from_secs(*limits::EXPIRY_S.end() as u64);
/// Between two tries to write to a store that cannot be written.
const STORE: Duration = Duration::from_secs(1);

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
    /// When the call began of which nothing is known, where there is one.
    pub(super) doubt: Option<Timestamp>,
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

/// Whether a retry counts against the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metered {
    Yes,
    No,
}

/// Everything that one call needs.
struct Leave {
    account: Account,
    /// Given back before the next wait.
    _turn: Turn,
    pass: Pass,
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
                    tracing::warn!(message.id = %id, error = %err, "a key that another replica answers for is still bound here");
                }
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
    }

    /// Tells everybody how it ended: the app first, then the store until it has heard, then the ledger and the policies.
    async fn arrive(&mut self, end: End) {
        let End { status, told, news, settlement, code } = end;
        let id = self.accepted.message.id.clone();
        let uuid = if let News::Submitted(uuid) = &news { Some(uuid.clone()) } else { None };
        self.tell.send_replace(news);
        let at = now();
        let account = self.delivery.account.borrow().clone();
        let change = Change {
            status: Some(status),
            next_look: (status == Status::Submitted)
                .then(|| self.delivery.first_look(&account, at)),
            message_uuid: uuid,
            error_code: code.map(str::to_owned),
            // What is held stays open until somebody says what becomes of the message.
            settle: if status == Status::Held { Settle::NotYet } else { Settle::As(settlement) },
            ..Change::at(at)
        };
        store::fail::point("delivery.outcome");
        self.write(change).await;
        store::fail::point("delivery.written");
        // Only now, so that nobody takes what Plivo has of this message for another's.
        if told == policy_host::Outcome::InDoubt {
            self.give_up();
        }
        self.unsettled = None;
        tracing::info!(message.id = %id, status = status.as_str(), code, attempts = self.attempts, "a message's way to Plivo has ended");
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
        if let Some(start) = self.accepted.start {
            self.wait_until(start, Status::Waiting).await?;
        }
        if let Some(began) = self.doubt {
            self.resolve(began).await?;
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
                    if self.turned_away >= self.delivery.account.borrow().attempts {
                        return ControlFlow::Break(Stop::End(End::failed("upstream.unavailable")));
                    }
                    self.back_off(least, Metered::Yes).await?;
                }
                Next::Doubt => {
                    // Others to the same number need not wait for what may never be known.
                    drop(place);
                    self.resolve(self.doubt.unwrap_or_else(now)).await?;
                    place = self.enter();
                    self.back_off(None, Metered::Yes).await?;
                }
            }
        }
    }

    /// Waits until it is certain that no other replica answers for the message's key.
    async fn confirm(&mut self, unconfirmed: &Unconfirmed) -> ControlFlow<Stop> {
        loop {
            match unconfirmed.whose(now()).await {
                Ok(Whose::Ours) => return ControlFlow::Continue(()),
                Ok(Whose::Others) => {
                    return ControlFlow::Break(Stop::Elsewhere(unconfirmed.clone()));
                }
                Ok(Whose::Undecided) => {}
                Err(err) => {
                    let id = &self.accepted.message.id;
                    tracing::warn!(message.id = %id, error = %err, "a message waits for its key to be confirmed among replicas");
                }
            }
            if self.left() < SHORTEST {
                return self.expire();
            }
            // Others to the same number need not wait for a server.
            self.place = None;
            self.wait_until(now().after(STORE), Status::Waiting).await?;
        }
    }

    fn enter(&self) -> Place {
        let message = &self.accepted.message;
        self.delivery.turns.enter(&self.accepted.app, Class::of(&message.intent), &message.to)
    }

    /// All that a call needs: time left, a Plivo that is well, and the message's turn.
    async fn leave(&mut self, place: &mut Place) -> ControlFlow<Stop, Leave> {
        let delivery = Arc::clone(&self.delivery);
        loop {
            if self.left() < SHORTEST {
                return self.expire();
            }
            let turn = self.turn(place).await?;
            if self.left() < SHORTEST {
                return self.expire();
            }
            let account = delivery.account.borrow().clone();
            match delivery.breakers.admit(&self.accepted.message.sender, Instant::now()) {
                Admit::Go(pass) => {
                    return ControlFlow::Continue(Leave { account, _turn: turn, pass });
                }
                Admit::Probe(probe) => {
                    let probed =
                        account.client.probe(&account.credentials, account.call_timeout).await;
                    probe.report(Heard::of_probe(&probed), Instant::now(), fastrand::f64());
                }
                Admit::Wait(wait) => {
                    drop(turn);
                    self.trace.leave();
                    let _counted = self.parked(Status::Waiting, Some(wait.reason.as_str())).await;
                    let deadline = self.accepted.deadline;
                    tokio::select! {
                        () = wait.over() => {}
                        () = reach(deadline) => {}
                        word = self.inbox.recv() => return ControlFlow::Break(obey(word)),
                        () = delivery.stop.cancelled() => return ControlFlow::Break(Stop::Process),
                    }
                }
            }
        }
    }

    /// The message's turn; at once where nobody stands before it. One that waits counts as waiting.
    async fn turn(&mut self, place: &mut Place) -> ControlFlow<Stop, Turn> {
        let deadline = self.accepted.deadline;
        let stop = self.delivery.stop.clone();
        let mut turn = pin!(place.turn(deadline));
        tokio::select! {
            biased;
            turn = &mut turn => return ControlFlow::Continue(turn),
            () = ready(()) => {}
        }
        let _counted = self.parked(Status::Waiting, None).await;
        tokio::select! {
            turn = turn => ControlFlow::Continue(turn),
            () = reach(deadline) => self.expire(),
            word = self.inbox.recv() => ControlFlow::Break(obey(word)),
            () = stop.cancelled() => ControlFlow::Break(Stop::Process),
        }
    }

    /// One call: written down before its first byte, and judged after.
    async fn attempt(&mut self, leave: Leave) -> ControlFlow<Stop, Next> {
        let Leave { account, _turn, pass } = leave;
        let (id, nth, began) = (self.accepted.message.id.clone(), self.attempts, now());
        let intent = Change {
            attempt: Some(record::attempt(nth, began)),
            ..Change::to(Status::Sending, began)
        };
        // Where it cannot be written down, a crash would make it be sent again: it is not sent.
        if let Err(err) = self.delivery.store.change(&id, intent).await {
            self.attempts -= 1;
            tracing::error!(message.id = %id, error = %err, "a call could not be written down, so it was not made");
            sleep(STORE).await;
            return ControlFlow::Continue(Next::Account);
        }
        store::fail::point("delivery.intent");
        self.unsettled = Some(self.delivery.unsettled.enter(&self.accepted.message.to));
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
            attempt: nth,
            ..Outgoing::new(&self.accepted.message)
        };
        let timeout = account.call_timeout.min(left);
        let call = account.client.send(&account.credentials, outgoing, timeout);
        let outcome = call.instrument(self.trace.span(nth)).await;
        store::fail::point("delivery.answered");
        pass.report(Heard::of(&outcome), Instant::now(), fastrand::f64());
        let next = judge(&outcome, account.treat_503);
        self.tell_refusal(&outcome);
        let mut ended = record::attempt_ended(nth, began, &outcome, now());
        if matches!(next, Next::Doubt) {
            // Of a 503 that is the operator's word, whatever the call itself says.
            ended.outcome = Some(AttemptOutcome::InDoubt);
        }
        let change = Change { attempt: Some(ended), ..Change::at(now()) };
        match &next {
            Next::Doubt => {
                self.doubt = Some(began);
                let code = Some("send.in_doubt".to_owned());
                let change = Change { status: Some(Status::InDoubt), error_code: code, ..change };
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
            Outcome::Accepted(receipt) if !receipt.extra_uuids.is_empty() => {
                tracing::error!(message.id = %id, "Plivo split one recipient into several");
            }
            _ => {}
        }
    }

    /// Waits before the next try; one after the deadline would only make the app wait longer for the same end.
    async fn back_off(&mut self, least: Option<Duration>, metered: Metered) -> ControlFlow<Stop> {
        loop {
            let due = now().after(backoff::delay(self.attempts, least, fastrand::f64()));
            if due.after(SHORTEST) > self.accepted.deadline {
                return self.expire();
            }
            self.wait_until(due, Status::RetryWait).await?;
            // Where much fails already, retries would be load on top of load.
            if metered == Metered::No || self.delivery.budget.may_retry(Instant::now()) {
                return ControlFlow::Continue(());
            }
        }
    }

    /// What is left of its life, in whole seconds as Plivo counts them. Rounded up: a message that was just accepted
    /// has its whole life before it, and the shortest would be too short otherwise.
    pub(super) fn left(&self) -> Duration {
        let left = self.accepted.deadline.since(now());
        Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    pub(super) fn expire<T>(&self) -> ControlFlow<Stop, T> {
        ControlFlow::Break(Stop::End(End::not_sent(Status::Expired, "send.expired")))
    }

    async fn wait_until(&mut self, at: Timestamp, status: Status) -> ControlFlow<Stop> {
        self.trace.leave();
        let _counted = self.parked(status, None).await;
        let stop = self.delivery.stop.clone();
        tokio::select! {
            () = reach(at) => ControlFlow::Continue(()),
            word = self.inbox.recv() => ControlFlow::Break(obey(word)),
            () = stop.cancelled() => ControlFlow::Break(Stop::Process),
        }
    }

    /// What others have said meanwhile.
    fn heed(&mut self) -> ControlFlow<Stop> {
        match self.inbox.try_recv() {
            Ok(word) => ControlFlow::Break(obey(Some(word))),
            Err(_) => ControlFlow::Continue(()),
        }
    }

    /// Marks the message as waiting for as long as the returned count lives.
    pub(super) async fn parked(&self, status: Status, why: Option<&'static str>) -> Parked {
        let change = Change { error_code: why.map(str::to_owned), ..Change::to(status, now()) };
        drop(self.delivery.store.change(&self.accepted.message.id, change));
        self.tell.send_replace(News::Open(status));
        self.delivery.waiting.fetch_add(1, Ordering::AcqRel);
        Parked(Arc::clone(&self.delivery))
    }

    /// Writes what must not be forgotten, for as long as it takes.
    pub(super) async fn write(&self, change: Change) {
        let id = &self.accepted.message.id;
        loop {
            match self.delivery.store.change(id, change.clone()).await {
                Ok(_) => return,
                Err(StoreError::NotFound) => {
                    tracing::error!(message.id = %id, "a message has no record any more");
                    return;
                }
                Err(err) => {
                    tracing::error!(message.id = %id, error = %err, "what became of a message could not be written down yet");
                }
            }
            tokio::select! {
                () = sleep(STORE) => {}
                // Not written, it is in doubt at the next start.
                () = self.delivery.stop.cancelled() => return,
            }
        }
    }
}

/// One message that waits; counted until it goes on, but not taken off when the process stops with it.
pub(super) struct Parked(Arc<Delivery>);

impl Drop for Parked {
    fn drop(&mut self) {
        if !self.0.stop.is_cancelled() {
            self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// What somebody says to a message of which no call is out.
pub(super) fn obey(word: Option<Word>) -> Stop {
    match word {
        Some(Word::Cancel) => Stop::End(End::not_sent(Status::Canceled, "send.canceled")),
        // A report on an earlier call: Plivo has it after all.
        Some(Word::Reported(uuid)) => Stop::End(End::submitted(&uuid)),
        None => Stop::Process,
    }
}
