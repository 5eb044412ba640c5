//! Messages taken up again: what earlier processes left, and what a person decides about.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use message::{MessageId, Settlement, Timestamp};
use store::{
    Attempt, AttemptOutcome, Change, GivenUp, LONGEST_DOUBT, Record, Settle, Status, StoreError,
    Unfinished,
};
use tokio::time::Instant;

use super::accepted::{Accepted, is_unknown, tried};
use super::breaker::{Reason, State};
use super::doubt::{Doubt, newest};
use super::journey::Journey;
use super::trace::Trace;
use super::turns::Shut;
use super::under_way::Beginning;
use super::unsettled::twins;
use super::waits::{Metered, Retry};
use super::{Delivery, Word, now};
use crate::record;
use crate::shared::Unconfirmed;

impl Delivery {
    /// Takes up what earlier processes left unfinished. Returns how many messages that is.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written; nothing is taken up then, and it may be tried again.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<usize, StoreError> {
        let latest = self.store.latest_call().await?;
        let given_up = self.store.given_up_in_doubt(now().before(LONGEST_DOUBT)).await?;
        // A person decides on those that are held; they may be at Plivo all the same.
        let (held, left): (Vec<_>, Vec<_>) = (self.store.unfinished().await?.into_iter())
            .partition(|left| left.record.status == Status::Held);
        let mut unconfirmed = Vec::new();
        for left in &left {
            self.end_call(left).await?;
            unconfirmed.push(self.unconfirmed(left).await?);
        }
        // Those, too, whose message a delivery report moved on before the process ended.
        self.store.end_calls(record::CUT_OFF, now()).await?;
        // From here on nothing fails.
        if let Some(latest) = latest {
            self.turns.called_before(now().since(latest));
        }
        for left in &left {
            self.turns.learn(&left.record.paces);
            self.suspect(&left.record);
        }
        for left in held {
            self.ledger.own(&left.holds);
            if let Some(last) = left.record.attempts.last() {
                let began = last.plivo_time.unwrap_or(last.started);
                let account = last.account.as_deref().unwrap_or_default();
                let (by, mark) = (left.message.id.clone(), self.twins(account, &left.message.to));
                self.keep_apart(by, mark, began);
            }
        }
        for GivenUp { message, account, mark, began } in given_up {
            self.keep_apart(message, twins(&account, &mark), began);
        }
        let mut left: Vec<_> = left.into_iter().zip(unconfirmed).collect();
        in_their_order(&mut left);
        let take_up = |(left, unconfirmed)| self.take_up(left, unconfirmed);
        let journeys: Vec<Journey> = left.into_iter().map(take_up).collect();
        let resumed = journeys.len();
        // Only now, so that none that looks for itself at Plivo misses another that may be there too. Tasks begin in no
        // order, so there is no turn before all have begun to wait for theirs.
        let shut: Vec<Shut> = journeys.iter().map(|_| self.turns.shut()).collect();
        for (journey, shut) in journeys.into_iter().zip(shut) {
            self.in_flight.spawn(begun(journey.run(), shut));
        }
        // They were accepted a while ago, and their reservations may be about to end.
        if let Some(shared) = &self.shared {
            shared.tell_accepted();
        }
        Ok(resumed)
    }

    /// What was held back for Plivo's sake goes when Plivo has been asked whether it is well.
    fn suspect(&self, record: &Record) {
        let reason = record.error_code.as_deref().filter(|_| record.status == Status::Waiting);
        if let Some(reason) = reason.and_then(Reason::from_word)
            && let Some(upstream) = self.upstream(&record.account)
            && upstream.standing().state == State::Closed
        {
            upstream.breakers.suspect(reason, Instant::now());
        }
    }

    /// Has no other message taken for what Plivo may have of `by`, from a call that `began` then and that nobody will find
    /// out about.
    fn keep_apart(&self, by: MessageId, mark: String, began: Timestamp) {
        let newest = newest(began, None, &self.account());
        self.unsettled.enter(mark).give_up(by, (began, newest), now());
    }

    /// Writes down that a call was cut off, where one was out when the process ended. What is known of it stays.
    async fn end_call(&self, left: &Unfinished) -> Result<(), StoreError> {
        if left.record.status == Status::Sending {
            let last = left.record.attempts.last();
            let change = if is_unknown(&left.record) {
                let code = Some("send.in_doubt".to_owned());
                let was_out = |last: &&Attempt| last.outcome.is_none();
                let attempt = last.filter(was_out).map(|last| record::cut_off(last, now()));
                Change { error_code: code, attempt, ..Change::to(Status::InDoubt, now()) }
            } else {
                let next_try = left.record.next_try;
                Change { next_try, ..Change::to(Status::RetryWait, now()) }
            };
            store::fail::point("resume.begin");
            self.store.change(&left.record.id, change.clone()).await?;
            // Only now: where that fails, it is tried each second.
            record::tell(&left.record.id, &change, None);
            store::fail::point("resume.written");
        }
        Ok(())
    }

    /// The key that replicas may yet have given to another, of a message that was never tried: what was tried was
    /// confirmed before.
    async fn unconfirmed(&self, left: &Unfinished) -> Result<Option<Unconfirmed>, StoreError> {
        let record = &left.record;
        let key = record.idempotency_key.as_deref().filter(|_| tried(&record.attempts).0 == 0);
        let shared = self.shared.as_deref();
        Unconfirmed::left_behind(shared, &self.store, &record.app, key, now()).await
    }

    /// Takes a message up where its record says it stands.
    fn take_up(self: &Arc<Self>, left: Unfinished, unconfirmed: Option<Unconfirmed>) -> Journey {
        let record = &left.record;
        let (attempts, turned_away) = tried(&record.attempts);
        // Without an attempt on record, its last change is the latest that a call can have begun.
        let last = record.attempts.last();
        let doubt = is_unknown(record).then(|| Doubt {
            began: last.map_or(record.updated, |last| last.started),
            plivo_time: last.and_then(|last| last.plivo_time),
            known: Instant::now(),
            ended: Instant::now(),
            is_own: false,
            account: last
                .and_then(|last| last.account.clone())
                .or_else(|| Some(self.upstream(&record.account)?.account().mark.to_string())),
            taken: last.is_some_and(record::is_taken),
        });
        let trace = Trace::past(record.traceparent.clone());
        let may_be_sent = record::may_be_sent(record);
        let adopted = record.message_uuid.clone().filter(|_| doubt.is_some());
        let retry = retry(record, now());
        if retry.is_some_and(|retry| retry.metered == Metered::Yes)
            && let Some(upstream) = self.upstream(&record.account)
        {
            upstream.budget.heard(true);
        }
        let beginning =
            Beginning { attempts, turned_away, doubt, unconfirmed, may_be_sent, retry, adopted };
        // Nobody waits for the news.
        self.journey(Accepted::left_behind(left, &self.room, now()), trace, beginning).0
    }

    /// Sends a message that is in doubt or held on its way again, as if it had never been tried: a person knows that it
    /// was not sent, or wants it sent all the same. `false` where it is neither, or came to something else meanwhile.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub(crate) async fn release(self: &Arc<Self>, id: &MessageId) -> Result<bool, StoreError> {
        Ok(self.releases.release(id).await? || self.release_held(id).await?)
    }

    async fn release_held(self: &Arc<Self>, id: &MessageId) -> Result<bool, StoreError> {
        let _alone = self.deciding.lock().await;
        let Some(left) = self.store.unfinished_one(id).await? else { return Ok(false) };
        if left.record.status != Status::Held || self.journeys().contains_key(id) {
            return Ok(false);
        }
        let (attempts, _) = tried(&left.record.attempts);
        let given_up = left.record.attempts.last().map(|last| last.number);
        let may_be_sent = given_up.is_some();
        let change = Change { given_up, ..Change::to(Status::Waiting, now()) };
        record::tell(id, &change, None);
        // A delivery report may have settled it meanwhile.
        if self.store.change(id, change).await? != Status::Waiting {
            return Ok(false);
        }
        let trace = Trace::past(left.record.traceparent.clone());
        let beginning = Beginning { attempts, may_be_sent, ..Beginning::default() };
        let (journey, _nobody_waits) =
            self.journey(Accepted::left_behind(left, &self.room, now()), trace, beginning);
        self.in_flight.spawn(journey.run());
        Ok(true)
    }

    /// Takes a message back that no call is out for: one that waits, is in doubt, or is held. `false` where there is
    /// none. One that may have been sent keeps what it holds.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub(crate) async fn cancel(&self, id: &MessageId) -> Result<bool, StoreError> {
        let _alone = self.deciding.lock().await;
        if self.say(id, Word::Cancel) {
            return Ok(true);
        }
        let Some(left) = self.store.unfinished_one(id).await? else { return Ok(false) };
        if left.record.status != Status::Held {
            return Ok(false);
        }
        self.end_held(left, Status::Canceled, "send.canceled_in_doubt").await
    }

    /// Ends the messages that are held and not worth sending any more: no person decided in time. Returns how many.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub(crate) async fn end_overdue(&self) -> Result<usize, StoreError> {
        let _alone = self.deciding.lock().await;
        let mut ended = 0;
        for id in self.store.held_too_long(now()).await? {
            let Some(left) = self.store.unfinished_one(&id).await? else { continue };
            if left.record.status == Status::Held && !self.journeys().contains_key(&id) {
                tracing::warn!(message.id = %id, "nobody decided in time about a message that was held");
                let is_ended = self.end_held(left, Status::Failed, "send.unresolved").await?;
                ended += usize::from(is_ended);
            }
        }
        Ok(ended)
    }

    /// Ends a message that is held. It may have been sent, so what it holds is kept.
    async fn end_held(
        &self,
        left: Unfinished,
        end: Status,
        code: &str,
    ) -> Result<bool, StoreError> {
        let change = Change {
            error_code: Some(code.to_owned()),
            settle: Settle::As(Settlement::Keep),
            ..Change::to(end, now())
        };
        record::tell(&left.record.id, &change, None);
        let is_ended = self.store.change(&left.record.id, change).await? == end;
        self.settle(left.holds, Settlement::Keep).await;
        Ok(is_ended)
    }
}

/// `way`, which lets go of `shut` once it has come to its first wait.
async fn begun(way: impl Future<Output = ()>, shut: Shut) {
    let (mut way, mut shut) = (pin!(way), Some(shut));
    poll_fn(|context| {
        let poll = way.as_mut().poll(context);
        shut = None;
        poll
    })
    .await;
}

/// The rest of its wait for the next try. Where the clock was set back meanwhile it is no longer than it was.
fn retry(record: &Record, now: Timestamp) -> Option<Retry> {
    // What a policy had put off until then it is asked about again.
    let due = record.next_try.filter(|_| record.status != Status::Waiting)?;
    let left = due.since(now).min(due.since(record.updated));
    let outcome = record.attempts.last().and_then(|last| last.outcome);
    let metered = match outcome {
        Some(AttemptOutcome::Rejected) => Metered::Yes,
        _ => Metered::No,
    };
    (!left.is_zero()).then(|| Retry { due: now.after(left), metered })
}

/// Brings what was left, which stands in the order of acceptance, into the order in which it would have taken its places:
/// one that was put off stands behind whoever came before its time.
fn in_their_order<T>(left: &mut [(Unfinished, T)]) {
    let mut latest = Timestamp(0);
    let mut places: HashMap<MessageId, Timestamp> = HashMap::new();
    for (Unfinished { record, .. }, _) in &*left {
        // Where the clock was set back, none came before those that were accepted before it all the same.
        latest = latest.max(record.created);
        places.insert(record.id.clone(), record.not_before.map_or(latest, |at| at.max(latest)));
    }
    left.sort_by_key(|(left, _)| places.get(&left.record.id).copied());
}
