//! A message that is ours.

use std::time::Duration;

use message::{Hold, Message, MessageId, Timestamp};
use plivo_client::{Dlt, Log};
use policy_host::Cleared;
use store::{NewMessage, Record, Status, Unfinished};
use tokio::sync::watch;

use super::{News, Seat, attempt, lifetime_of};
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
    pub(super) door: String,
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
    /// Its seat among those under way.
    pub(super) _seat: Seat,
}

/// Whom to tell of the outcome, and how to send.
pub(crate) struct About {
    pub(crate) app: String,
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
    /// `send.would_expire` where the policies put it off beyond the time that the app gave it, with what they held.
    pub(super) fn of(
        cleared: Cleared,
        about: About,
        seat: Seat,
        account: &Account,
        now: Timestamp,
    ) -> Result<Self, (Refusal, Vec<Hold>)> {
        let start = cleared.message().not_before.filter(|at| *at > now);
        let deadline = match cleared.message().ttl_s {
            // The app's own time runs from the app's own start: a policy's delay does not stretch it.
            Some(ttl) => {
                about.asked_start.unwrap_or(now).max(now).after(Duration::from_secs(ttl.into()))
            }
            None => start.unwrap_or(now).after(lifetime_of(&cleared.message().intent, account)),
        };
        let About { app, door, log, trackable, dlt, relay, idempotency_key, traceparent, .. } =
            about;
        let record = Record {
            plivo_log: log.and_then(Log::word).map(str::to_owned),
            trackable,
            plivo_dlt: dlt.as_ref().map(Dlt::to_json),
            relay,
            idempotency_key,
            traceparent,
            ..record::accepted(&cleared, &app, door, now, deadline)
        };
        let (message, _facts, _trail, holds) = cleared.entrust();
        if start.is_some_and(|start| start.after(attempt::SHORTEST) > deadline) {
            return Err((Refusal::would_expire(), holds));
        }
        let new = NewMessage { record, text: message.text.clone(), holds: holds.clone() };
        let door = door.to_owned();
        let accepted = Accepted {
            message,
            holds,
            app,
            door,
            start,
            deadline,
            log,
            trackable,
            dlt,
            _seat: seat,
        };
        Ok(Self { accepted, new })
    }

    pub(crate) fn id(&self) -> &MessageId {
        &self.accepted.message.id
    }

    /// Not worth sending after.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.accepted.deadline
    }
}

impl Accepted {
    /// What a process before this one left unfinished.
    pub(super) fn left_behind(left: Unfinished, seat: Seat) -> Self {
        let Unfinished { record, message, holds } = left;
        Self {
            message,
            holds,
            app: record.app,
            door: record.door,
            start: record.not_before,
            deadline: record.deadline,
            log: record.plivo_log.as_deref().and_then(Log::from_word),
            trackable: record.trackable,
            dlt: record.plivo_dlt.as_deref().and_then(Dlt::from_json),
            _seat: seat,
        }
    }
}

/// What a record says of the attempts so far: their number, and how often Plivo turned the message away for now.
pub(super) fn tried(record: &Record) -> (u32, u32) {
    let attempts = record.attempts.last().map_or(0, |last| last.number);
    let turned_away =
        record.attempts.iter().filter(|each| matches!(each.http_status, Some(429 | 503))).count();
    (attempts, u32::try_from(turned_away).unwrap_or(u32::MAX))
}

/// Whether the process ended, or lost touch, in the middle of a call for it.
pub(super) fn is_unknown(record: &Record) -> bool {
    matches!(record.status, Status::Sending | Status::InDoubt)
}
