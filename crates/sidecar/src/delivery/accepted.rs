//! A message that is ours.

use std::sync::Arc;

use message::{Hold, Message, MessageId, Pace, Timestamp};
use plivo_client::{Dlt, Log};
use policy_host::Cleared;
use store::{Attempt, AttemptOutcome, NewMessage, Record, Status, Unfinished};
use tokio::sync::watch;

use super::room::Room;
use super::second_look::Decided;
use super::times::{Pacing, Times};
use super::{News, Seat, Side, lifetime_of};
use crate::gateway::Refusal;
use crate::in_force::Account;
use crate::record;

/// A message that was cleared and is recorded, or about to be: nothing else is brought to Plivo.
///
/// It is made of a [`Cleared`], or of a record that a process before this one made of one.
pub(crate) struct Accepted {
    pub(super) message: Message,
    /// What policies reserved and charged for it.
    pub(super) holds: Vec<Hold>,
    pub(super) app: String,
    /// The account that it is sent with, by name.
    pub(super) account: Arc<str>,
    pub(super) door: String,
    /// The limits that are kept when it is sent.
    pub(super) paces: Vec<Pace>,
    /// Not to be tried before.
    pub(super) start: Option<Timestamp>,
    /// Not worth sending after.
    pub(super) deadline: Timestamp,
    /// What Plivo is to keep, where the app says so; else the configuration decides.
    pub(super) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(super) trackable: bool,
    /// What India's regulator is told, where the app says so.
    pub(super) dlt: Option<Dlt>,
    /// Its seat among those that are ours.
    pub(super) seat: Seat,
    /// When policies last decided on it; none where that is to be asked again in any case.
    pub(super) decided: Option<Decided>,
}

/// Whom to tell of the outcome, and how to send.
pub(crate) struct About {
    pub(crate) app: String,
    /// The account that it is sent with, by name.
    pub(crate) account: Arc<str>,
    pub(crate) door: &'static str,
    /// The app's own `not_before`, whatever the policies made of it.
    pub(crate) asked_start: Option<Timestamp>,
    /// What Plivo is to keep, where the app says so; else the configuration decides.
    pub(crate) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(crate) trackable: bool,
    /// What India's regulator is told, where the app says so.
    pub(crate) dlt: Option<Dlt>,
    /// Where the app wants to hear of its delivery.
    pub(crate) relay: Option<String>,
    /// The key that it came under.
    pub(crate) idempotency_key: Option<String>,
    pub(crate) traceparent: Option<String>,
}

/// A cleared message with all that is to be recorded of it.
pub(crate) struct Ready {
    pub(super) accepted: Accepted,
    pub(super) new: NewMessage,
}

/// A message that is ours now, as the request that brought it sees it.
#[derive(Debug)]
pub(crate) struct Acceptance {
    /// What becomes of it.
    pub(crate) progress: watch::Receiver<News>,
    /// Nothing becomes of it before this instant.
    pub(crate) start: Option<Timestamp>,
}

impl Ready {
    /// Gets a cleared message ready to be recorded.
    ///
    /// # Errors
    ///
    /// `send.would_expire` where the policies put it off beyond the time that it has, `throttle.would_expire` where the
    /// limits that are kept at sending do, `upstream.unavailable` where Plivo's breaker does, `spool.full` where too many
    /// wait for a time of their own; with what is held.
    pub(super) fn of(
        cleared: Cleared,
        about: About,
        mut seat: Seat,
        pacing: &Pacing,
        account: &Account,
        now: Timestamp,
    ) -> Result<Self, (Refusal, Vec<Hold>)> {
        let lifetime = lifetime_of(&cleared.message().intent, account);
        let times = match Times::of(cleared.message(), about.asked_start, pacing, lifetime, now) {
            Ok(times) => times,
            Err(refusal) => return Err((refusal, cleared.entrust().3)),
        };
        let Times { not_before, start, deadline } = times;
        let About {
            app,
            account: name,
            door,
            log,
            trackable,
            dlt,
            relay,
            idempotency_key,
            traceparent,
            ..
        } = about;
        let record = Record {
            account: name.to_string(),
            plivo_log: log.and_then(Log::word).map(str::to_owned),
            trackable,
            plivo_dlt: dlt.as_ref().map(Dlt::to_json),
            relay,
            idempotency_key,
            traceparent,
            not_before,
            ..record::accepted(&cleared, &app, door, now, deadline)
        };
        let paces = record.paces.clone();
        let (message, _facts, _trail, holds) = cleared.entrust();
        if start.is_some() && !seat.move_to(Side::Scheduled, Some(account.most(Side::Scheduled))) {
            return Err((Refusal::full(), holds));
        }
        let new = NewMessage { record, text: message.text.clone(), holds: holds.clone() };
        let door = door.to_owned();
        let accepted = Accepted {
            message,
            holds,
            app,
            account: name,
            door,
            paces,
            start,
            deadline,
            log,
            trackable,
            dlt,
            seat,
            decided: Some(Decided::at(now)),
        };
        Ok(Self { accepted, new })
    }

    pub(crate) fn id(&self) -> &MessageId {
        &self.accepted.message.id
    }

    /// Not to be tried before, where that is later than now.
    pub(crate) fn start(&self) -> Option<Timestamp> {
        self.accepted.start
    }

    /// Not worth sending after.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.accepted.deadline
    }
}

impl Accepted {
    /// What a process before this one left unfinished.
    pub(super) fn left_behind(left: Unfinished, room: &Room, now: Timestamp) -> Self {
        let Unfinished { record, message, holds } = left;
        let later = record.not_before.is_some_and(|start| start > now);
        let side = if later { Side::Scheduled } else { Side::UnderWay };
        let seat = room.seat_of_ours(&record.app, side);
        Self {
            message,
            holds,
            app: record.app,
            account: record.account.into(),
            door: record.door,
            paces: record.paces,
            start: record.not_before,
            deadline: record.deadline,
            log: record.plivo_log.as_deref().and_then(Log::from_word),
            trackable: record.trackable,
            dlt: record.plivo_dlt.as_deref().and_then(Dlt::from_json),
            seat,
            decided: None,
        }
    }
}

/// What the record of the attempts so far says: their number, and how often Plivo turned the message away for now.
pub(super) fn tried(attempts: &[Attempt]) -> (u32, u32) {
    // One of a doubtful 503 was not turned away: it may be there.
    let said_no = attempts.iter().filter(|each| each.outcome == Some(AttemptOutcome::Rejected));
    let turned_away = said_no.filter(|each| matches!(each.http_status, Some(429 | 503))).count();
    let number = attempts.last().map_or(0, |last| last.number);
    (number, u32::try_from(turned_away).unwrap_or(u32::MAX))
}

/// Whether the process ended, or lost touch, in the middle of a call for it.
pub(super) fn is_unknown(record: &Record) -> bool {
    match record.status {
        Status::Sending => !record.attempts.last().is_some_and(was_turned_away),
        status => status == Status::InDoubt,
    }
}

/// Whether it is written down that this call has not sent it.
pub(super) fn was_turned_away(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Some(AttemptOutcome::Rejected | AttemptOutcome::NotSent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_may_have_sent_the_message_was_not_turned_away() {
        let call = |number, outcome| Attempt {
            outcome: Some(outcome),
            http_status: Some(503),
            ..record::attempt(number, Timestamp(1), "", None)
        };
        let calls = [call(1, AttemptOutcome::InDoubt), call(2, AttemptOutcome::Rejected)];
        assert_eq!(tried(&calls), (2, 1));
    }
}
