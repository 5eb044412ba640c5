//! The second look: before a call that comes late, the policies that want it are asked again.
//!
//! A message may wait long for its time, its turn or a Plivo that is well. Meanwhile its recipient may have said STOP,
//! or the hours in which it may be sent have ended.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use message::{Message, Timestamp, facts};
use policy_host::{Candidate, Decision, SecondLook};
use store::Status;
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::attempt::SHORTEST;
use super::journey::{Journey, Stop};
use super::judge::End;
use super::turns::Place;
use super::{Side, backoff, now};
use crate::decisions::SecondLooks;
use crate::gateway::{Door, Refuser, failure_code};
use crate::in_force::InForce;

/// How long a decision is good enough to call by: longer than a message takes that nothing holds up.
const HOLDS: Duration = Duration::from_secs(10);
/// Soonest that policies are asked once more that could not decide, or put the message off.
const SOONEST: Duration = Duration::from_secs(1);

/// When policies decided on a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    at: Timestamp,
    known: Instant,
}

/// What comes of a second look, where it is not the end.
pub(super) enum Look {
    Goes,
    /// Until then, by a change of this code.
    PutOff(Timestamp, String),
    /// A policy could not decide; the code that apps know that by.
    Undecided(&'static str),
}

impl Decided {
    /// They decide now, which is this instant by the wall clock.
    pub(super) fn at(at: Timestamp) -> Self {
        Self { at, known: Instant::now() }
    }

    /// Whether it is recent by both clocks: one may be set, and the other may stand still while the machine sleeps.
    fn holds(&self, now: Timestamp) -> bool {
        now.since(self.at) <= HOLDS && self.known.elapsed() <= HOLDS
    }
}

impl Journey {
    /// Has the policies that want it asked again, where what was decided is too old to call by.
    pub(super) async fn look_again(&mut self) -> ControlFlow<Stop, Look> {
        let at = now();
        if self.accepted.decided.is_some_and(|decided| decided.holds(at)) {
            return ControlFlow::Continue(Look::Goes);
        }
        let undecided = ControlFlow::Continue(Look::Undecided("policy.module_failed"));
        let in_force = self.delivery.looks.as_ref().and_then(SecondLooks::in_force);
        let chain = match &in_force {
            Some(in_force) => Some(Arc::clone(&in_force.chain)),
            None => self.delivery.account().chain.upgrade(),
        };
        // Without a chain the process is about to end.
        let Some(chain) = chain else { return undecided };
        if !chain.asks_late(&self.accepted.app) {
            return ControlFlow::Continue(Look::Goes);
        }
        let Some(candidate) = self.candidate(at) else { return undecided };
        let id = self.accepted.message.id.clone();
        let span = self.trace.second_look(&id.0);
        let kept = in_force.map(|in_force| (candidate.clone(), in_force));
        let (look, decisions) = chain.ask_late(candidate).instrument(span.clone()).await;
        self.note(&look, decisions, kept);
        span.record("sendgate.verdict", look.as_str());
        match look {
            SecondLook::Goes => {
                self.accepted.decided = Some(Decided::at(at));
                self.undecided = 0;
                ControlFlow::Continue(Look::Goes)
            }
            SecondLook::Rejected { policy, version, rejection } => {
                span.record("sendgate.code", &*rejection.code);
                let (name, version) = (policy.to_string(), Some(version.to_string()));
                let end = End::refused(Refuser { name, version }, rejection);
                ControlFlow::Break(Stop::End(end))
            }
            SecondLook::PutOff { until, code, .. } => {
                span.record("sendgate.code", &*code);
                self.undecided = 0;
                ControlFlow::Continue(Look::PutOff(until.max(at.after(SOONEST)), code))
            }
            SecondLook::Failed { policy, failure } => {
                let code = failure_code(&failure);
                span.record("sendgate.code", code);
                tracing::warn!(
                    message.id = %id, policy.name = %policy, error.type = failure.as_str(), failure = %failure,
                    "a policy that was asked again could not decide, so the message waits"
                );
                ControlFlow::Continue(Look::Undecided(code))
            }
        }
    }

    /// Has it written down what kept the message from its call; of policies that cannot decide, the first time in a row.
    fn note(
        &self,
        look: &SecondLook,
        decisions: Vec<Decision>,
        kept: Option<(Candidate, Arc<InForce>)>,
    ) {
        let is_told = match look {
            SecondLook::Goes => false,
            SecondLook::Failed { .. } => self.undecided == 0,
            SecondLook::Rejected { .. } | SecondLook::PutOff { .. } => true,
        };
        if let (Some(looks), Some((candidate, in_force)), true) =
            (&self.delivery.looks, kept, is_told)
        {
            looks.end(candidate, (look, decisions), in_force);
        }
    }

    /// Waits until then, and takes a place behind those whose time comes before.
    pub(super) async fn put_off(
        &mut self,
        until: Timestamp,
        why: &str,
    ) -> ControlFlow<Stop, Place> {
        if until.after(SHORTEST) > self.accepted.deadline {
            return self.expire();
        }
        self.wait.ends();
        self.accepted.start = Some(until);
        // It is ours already, so there is room for it.
        self.accepted.seat.move_to(Side::Scheduled, None);
        let place = self.take_place(Some(why)).await?;
        self.accepted.seat.move_to(Side::UnderWay, None);
        ControlFlow::Continue(place)
    }

    /// Waits a while before a policy that could not decide is asked once more. Its place it keeps.
    pub(super) async fn wait_to_look(&mut self, why: &str) -> ControlFlow<Stop> {
        self.undecided += 1;
        let wait = backoff::delay(self.undecided, Some(SOONEST), fastrand::f64());
        let due = now().after(wait);
        if due.after(SHORTEST) > self.accepted.deadline {
            return self.expire();
        }
        self.wait_for((due, Status::Waiting, Some(why)), sleep(wait)).await
    }

    /// The message as it was cleared, and as it is asked about: how long it may wait is no policy's to say. None where
    /// nobody could look at it, which is none that was.
    fn candidate(&self, now: Timestamp) -> Option<Candidate> {
        let cleared = self.accepted.message.clone();
        let message = Message { not_before: None, ttl_s: None, ..cleared };
        let facts = facts::survey(&message, Vec::new()).ok()?;
        Some(Candidate {
            message,
            facts,
            app: self.accepted.app.as_str().into(),
            account: Arc::clone(&self.accepted.account),
            door: Door::from_word(&self.accepted.door).as_str(),
            now,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_decision_is_good_for_ten_seconds_by_whichever_clock_shows_more() {
        let (at, moment) = (Timestamp(1_780_000_000_000), Duration::from_millis(1));
        let decided = Decided::at(at);
        assert!(decided.holds(at.after(HOLDS)));
        assert!(!decided.holds(at.after(HOLDS + moment)), "the clock was set, or they are over");
        let before = at.before(Duration::from_secs(3_600));
        assert!(decided.holds(before), "the clock was set back");
        advance(HOLDS + moment).await;
        assert!(!decided.holds(before), "and still they are over");
    }
}
