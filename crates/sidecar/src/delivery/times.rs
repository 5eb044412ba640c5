//! From when to when a message may be sent, by its app's word, its policies', and what waits already.

use std::time::Duration;

use message::{Message, Timestamp};

use super::attempt;
use super::turns::Class;
use crate::gateway::Refusal;

/// From when to when a message may be sent.
#[derive(Debug)]
pub(super) struct Times {
    /// What is recorded of that: also one that is past.
    pub(super) not_before: Option<Timestamp>,
    /// Not to be tried before, where that is later than now.
    pub(super) start: Option<Timestamp>,
    /// Not worth sending after.
    pub(super) deadline: Timestamp,
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
            // Of one for now the time begins anew when it is asked for again; what it wants then is a turn that is nearer.
            let wait = match asked > now {
                true => at.since(now),
                false => at.after(attempt::SHORTEST).since(deadline),
            };
            return Err(Refusal::turn_after_deadline(wait));
        }
        if too_late(now.after(pacing.cool_down)) && at < now.after(pacing.cool_down) {
            return Err(Refusal::plivo_away(pacing.cool_down));
        }
        Ok(Self { not_before, start, deadline })
    }
}

#[cfg(test)]
mod tests {
    use message::{E164, MessageId, Sender};

    use super::*;

    const NOW: Timestamp = Timestamp(1_780_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn later(minutes: u32) -> Timestamp {
        NOW.after(MINUTE * minutes)
    }

    /// A message of this intent without a time to live of its own, put off to `not_before`.
    fn message(intent: &str, not_before: Option<Timestamp>) -> Message {
        Message {
            intent: intent.into(),
            not_before,
            ..Message::plain(
                MessageId("01a2".into()),
                E164::parse("+14155550123", "").unwrap(),
                Sender::parse("+14155551212", "").unwrap(),
                "hi",
            )
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
    fn one_that_comes_back_when_it_is_told_finds_a_turn_in_its_time() {
        let seconds = Duration::from_secs;
        for (ttl, wait, back) in [(5, 4, 4), (8, 4, 1), (60, 120, 65)] {
            let message = Message { ttl_s: Some(ttl), ..message("", None) };
            let turn = |wait| Pacing { wait: seconds(wait), ..Pacing::default() };
            let refusal = Times::of(&message, None, &turn(wait), MINUTE, NOW).unwrap_err();
            assert_eq!(refusal.retry_after(), Some(seconds(back)), "{ttl} s, turn in {wait} s");
            assert!(Times::of(&message, None, &turn(wait - back), MINUTE, NOW).is_ok());
        }
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
