//! A message that is ours.

use std::time::Duration;

use message::{Hold, Message, MessageId, Pace, Timestamp};
use plivo_client::{Dlt, Log};
use policy_host::Cleared;
use store::{NewMessage, Record, Status, Unfinished};
use tokio::sync::watch;

use super::room::Room;
use super::turns::Class;
use super::{News, Seat, Side, attempt, lifetime_of};
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

/// From when to when a message may be sent.
#[derive(Debug)]
pub(super) struct Times {
    /// What is recorded of that: also one that is past.
    not_before: Option<Timestamp>,
    start: Option<Timestamp>,
    deadline: Timestamp,
}

/// What limits that are kept at sending, and Plivo's breaker, mean for a message that comes now.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// How long until they let it go, behind all that is as urgent.
    pub(super) wait: Duration,
    /// How far away its slot is, where replicas share the limits: it goes no sooner.
    pub(super) slot: Option<Duration>,
    /// How long nothing goes to Plivo.
    pub(super) cool_down: Duration,
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

impl Times {
    /// When `message` would be sent, of which the app `asked` for this start, and which is worth sending for `lifetime`
    /// where it does not say so itself.
    ///
    /// # Errors
    ///
    /// `send.would_expire` where the policies put it off beyond the time that it has, `throttle.would_expire` where the
    /// limits that are kept at sending do, `upstream.unavailable` where Plivo is left alone until then (messaging.md 3.5).
    pub(super) fn of(
        message: &Message,
        asked: Option<Timestamp>,
        pacing: &Pacing,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let asked = asked.unwrap_or(now).max(now);
        let deadline = match message.ttl_s {
            // The app's own time runs from the app's own start: a policy's delay does not stretch it.
            Some(ttl) => asked.after(Duration::from_secs(ttl.into())),
            // Nor what an old code is worth.
            None if Class::of(&message.intent) == Class::Otp => asked.after(lifetime),
            // What a policy keeps for the morning is worth sending in the morning.
            None => message.not_before.unwrap_or(asked).max(asked).after(lifetime),
        };
        let too_late = |at: Timestamp| at.after(attempt::SHORTEST) > deadline;
        if message.not_before.is_some_and(|start| start > now && too_late(start)) {
            return Err(Refusal::would_expire());
        }
        let not_before = message.not_before.max(pacing.slot.map(|slot| now.after(slot)));
        let start = not_before.filter(|at| *at > now);
        // One that waits for a time of its own does not wait behind those of now.
        let at = start.unwrap_or(now.after(pacing.wait));
        let is_paced = !pacing.wait.is_zero() || pacing.slot.is_some_and(|slot| !slot.is_zero());
        if too_late(at) && is_paced {
            return Err(Refusal::turn_after_deadline(at.since(now)));
        }
        if too_late(now.after(pacing.cool_down)) && at < now.after(pacing.cool_down) {
            return Err(Refusal::plivo_away(pacing.cool_down));
        }
        Ok(Self { not_before, start, deadline })
    }

    /// Not to be tried before, where that is later than now.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.start
    }
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
        let About { app, door, log, trackable, dlt, relay, idempotency_key, traceparent, .. } =
            about;
        let record = Record {
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
            door,
            paces,
            start,
            deadline,
            log,
            trackable,
            dlt,
            seat,
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
            door: record.door,
            paces: record.paces,
            start: record.not_before,
            deadline: record.deadline,
            log: record.plivo_log.as_deref().and_then(Log::from_word),
            trackable: record.trackable,
            dlt: record.plivo_dlt.as_deref().and_then(Dlt::from_json),
            seat,
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

#[cfg(test)]
mod tests {
    use message::{Dedup, E164, Sender};

    use super::*;

    const NOW: Timestamp = Timestamp(1_780_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn later(minutes: u32) -> Timestamp {
        NOW.after(MINUTE * minutes)
    }

    /// A message of this intent without a time to live of its own, put off to `not_before`.
    fn message(intent: &str, not_before: Option<Timestamp>) -> Message {
        Message {
            id: MessageId("01a2".into()),
            to: E164::parse("+14155550123", "").unwrap(),
            sender: Sender::parse("+14155551212", "").unwrap(),
            text: "hi".into(),
            media_urls: vec![],
            media_ids: vec![],
            intent: intent.into(),
            ttl_s: None,
            not_before,
            callback_url: None,
            dedup: Dedup::Off,
            tags: vec![],
        }
    }

    /// Its start and deadline in minutes from now, or the code of the refusal.
    fn times(
        message: &Message,
        asked: Option<Timestamp>,
        pacing: &Pacing,
    ) -> Result<(Option<u64>, u64), String> {
        let minutes = |at: Timestamp| at.since(NOW).as_secs() / 60;
        match Times::of(message, asked, pacing, MINUTE * 5, NOW) {
            Ok(times) => Ok((times.start.map(minutes), minutes(times.deadline))),
            Err(refusal) => Err(refusal.code().to_owned()),
        }
    }

    #[test]
    fn a_policy_stretches_no_ttl_and_no_code_but_the_default_of_anything_else() {
        let none = Pacing::default();
        let tomorrow = Some(later(1_440));
        assert_eq!(times(&message("marketing", tomorrow), None, &none), Ok((Some(1_440), 1_445)));
        assert_eq!(times(&message("otp", Some(later(3))), None, &none), Ok((Some(3), 5)));
        let late = Err("send.would_expire".to_owned());
        assert_eq!(times(&message("otp", tomorrow), None, &none), late);
        let ttl = Message { ttl_s: Some(300), ..message("marketing", tomorrow) };
        assert_eq!(times(&ttl, None, &none), late);
        for own in [message("otp", tomorrow), ttl] {
            let asked = times(&own, tomorrow, &none);
            assert_eq!(asked, Ok((Some(1_440), 1_445)), "the app's own start begins it");
        }
    }

    #[test]
    fn a_turn_after_the_deadline_refuses_and_one_before_it_stretches_nothing() {
        let wait = |minutes: u32| Pacing { wait: MINUTE * minutes, ..Pacing::default() };
        assert_eq!(times(&message("otp", None), None, &wait(4)), Ok((None, 5)));
        let late = Err("throttle.would_expire".to_owned());
        assert_eq!(times(&message("", None), None, &wait(5)), late);
        let tomorrow = Some(later(1_440));
        let scheduled = times(&message("", tomorrow), tomorrow, &wait(60));
        assert_eq!(scheduled, Ok((Some(1_440), 1_445)), "what waits now is gone by then");
    }

    #[test]
    fn among_replicas_it_goes_no_sooner_than_its_slot() {
        let slot = |minutes: u32| Pacing {
            slot: Some(MINUTE * minutes),
            wait: MINUTE * minutes,
            ..Pacing::default()
        };
        assert_eq!(times(&message("otp", None), None, &slot(2)), Ok((Some(2), 5)));
        let late = Err("throttle.would_expire".to_owned());
        assert_eq!(times(&message("otp", None), None, &slot(9)), late);
        let elsewhere = Pacing { slot: Some(MINUTE * 9), ..Pacing::default() };
        assert_eq!(times(&message("otp", None), None, &elsewhere), late, "nothing waits here");
    }

    #[test]
    fn what_cannot_outlive_the_time_that_plivo_is_left_alone_is_refused() {
        let away = |minutes: u32| Pacing { cool_down: MINUTE * minutes, ..Pacing::default() };
        let refused = Err("upstream.unavailable".to_owned());
        assert_eq!(times(&message("otp", None), None, &away(4)), Ok((None, 5)));
        assert_eq!(times(&message("otp", None), None, &away(5)), refused);
        let ttl = Message { ttl_s: Some(600), ..message("", None) };
        assert_eq!(times(&ttl, None, &away(5)), Ok((None, 10)));
        let soon = Some(later(6));
        assert_eq!(
            times(&message("", soon), soon, &away(5)),
            Ok((Some(6), 11)),
            "it is over by then"
        );
        let sooner = Some(later(1));
        assert_eq!(times(&message("otp", sooner), sooner, &away(6)), refused);
    }
}
