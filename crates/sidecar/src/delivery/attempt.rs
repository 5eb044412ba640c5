//! One call of Plivo's, from the note of what is about to be done to the note of what came of it.

use std::ops::ControlFlow;
use std::time::Duration;

use message::limits;
use plivo_client::{Outcome, Outgoing};
use store::{AttemptOutcome, Change, Status};
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::breaker::Heard;
use super::doubt::Doubt;
use super::journey::{Journey, STORE, Stop};
use super::judge::{End, Next, judge};
use super::now;
use super::waits::Leave;
use crate::record;

/// Shorter than this Plivo takes no `message_expiry`, so a message with less left to live expires here.
pub(crate) const SHORTEST: Duration = Duration::from_secs(5);
/// Longer than this it takes none either; its own default then ends a moment after our deadline.
const LONGEST: Duration = Duration::from_secs(*limits::EXPIRY_S.end() as u64);

impl Journey {
    /// One call: written down before its first byte, and judged after.
    pub(super) async fn attempt(&mut self, leave: Leave) -> ControlFlow<Stop, Next> {
        let Leave { upstream, account, _turn, pass } = leave;
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
        let left = self.left();
        if left < SHORTEST {
            // The commit took its time.
            self.last_call = Some((record::too_late(written, now()), Vec::new()));
            return self.expire();
        }
        let twins = self.delivery.twins(&account.mark, &self.accepted.message.to);
        self.unsettled = Some(self.delivery.unsettled.enter(twins));
        upstream.load.add(Instant::now());
        if nth == 1 {
            upstream.budget.first(Instant::now());
        }
        let callback_url = self.delivery.callback_url(&id, nth);
        let outgoing = Outgoing {
            ttl: (left <= LONGEST).then_some(left),
            callback_url: callback_url.as_deref(),
            log: self.accepted.log.unwrap_or(account.log),
            trackable: self.accepted.trackable,
            dlt: self.accepted.dlt.as_ref(),
            attempt: nth,
            account: account.label(),
            ..Outgoing::new(&self.accepted.message)
        };
        let timeout = account.call_timeout.min(left);
        let call = account.client.send(&account.credentials, outgoing, timeout);
        let span = self.trace.span(nth);
        span.record("sendgate.account", &*account.name);
        let outcome = call.instrument(span).await;
        let call_ended = Instant::now();
        store::fail::point("delivery.answered");
        pass.report(Heard::of(&outcome), Instant::now(), fastrand::f64());
        self.delivery.hear(&upstream, &outcome, Instant::now());
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
        match &next {
            // In one with the end: of a call that was answered the next start must not say that nobody knows.
            Next::End(_) => self.last_call = Some((ended, extra_uuids)),
            Next::Doubt => {
                let mut change = Change { attempt: Some(ended), ..Change::at(now()) };
                let taken = change.attempt.as_ref().is_some_and(record::is_taken);
                let mark = Some(account.mark.to_string());
                let mut doubt = Doubt {
                    began,
                    plivo_time,
                    known,
                    ended: call_ended,
                    is_own: true,
                    account: mark,
                    taken,
                };
                // This answer may be the first to show Plivo's clock.
                doubt.plivo_time = doubt.began_there(&account.client);
                if let Some(attempt) = &mut change.attempt {
                    attempt.plivo_time = doubt.plivo_time;
                }
                self.doubt = Some(doubt);
                let code = Some("send.in_doubt".to_owned());
                let change = Change { status: Some(Status::InDoubt), error_code: code, ..change };
                store::fail::point("doubt.begin");
                let commit = self.delivery.store.change(&id, change.clone());
                let stands = self.written(commit, change.clone()).await;
                store::fail::point("doubt.written");
                // A report on this very call was faster: nobody is in doubt.
                if let Some(further) = stands.filter(|stands| *stands != Status::InDoubt) {
                    self.doubt = None;
                    return ControlFlow::Break(Stop::End(End::reported(further)));
                }
                record::tell(&id, &change, None);
            }
            // Together with the wait that follows, as a rule: not written, it is only in doubt again.
            Next::Later { .. } | Next::TurnedAway { .. } | Next::Account => {
                self.unsettled = None;
                let at = now();
                let next_try = next.least().map(|least| at.after(least));
                let change = Change { attempt: Some(ended), next_try, ..Change::at(at) };
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
}
