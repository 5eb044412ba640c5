//! Asks Plivo what became of messages that no report tells of: there is no public URL, or it has been silent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::Timestamp;
use plivo_client::{Found, LookupError};
use store::{Change, Record, Report, ReportFacts};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, field};

use super::{AuthTokens, Reports, codes, spans, state};
use crate::config::Looks;
use crate::delivery::State;

/// Least time between two questions: a sixth of what Plivo allows an account (300 in 5 s, "API overview"), since sends
/// come first.
const APART: Duration = Duration::from_millis(100);
/// Between two looks at what is due.
const IDLE: Duration = Duration::from_secs(1);
/// Longest pause after Plivo could not be asked.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Messages taken from the store at once.
const PAGE: u32 = 50;

/// The one worker that asks.
pub(crate) struct Poller {
    reports: Arc<Reports>,
    tokens: Arc<AuthTokens>,
    /// When the next question may be asked.
    free: Instant,
    /// How often in a row Plivo could not be asked.
    failures: u32,
}

/// How a question ended.
enum Asked {
    /// Whatever the answer was, it was one.
    Answered,
    /// Plivo cannot be asked now; not before this time has passed.
    Later(Duration),
    /// The store cannot be written.
    Unwritten,
}

impl Poller {
    pub(crate) fn new(reports: Arc<Reports>, tokens: Arc<AuthTokens>) -> Self {
        Self { reports, tokens, free: Instant::now(), failures: 0 }
    }

    /// Asks whatever is due until `stop`. What was to be asked is in the store, so that a restart goes on.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = tokio::select! {
                pause = self.round() => pause,
                () = stop.cancelled() => return,
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Asks about what is due now, and returns how long to wait.
    async fn round(&mut self) -> Duration {
        // A change of credentials is seen here even where no report comes for long.
        let account = self.reports.delivery.account();
        self.tokens.with(&account.credentials.auth_token, Instant::now());
        if !self.may_ask() {
            return IDLE;
        }
        let due = match self.reports.store.due_looks(now(), PAGE).await {
            Ok(due) => due,
            Err(err) => {
                tracing::warn!(error = %err, "what Plivo is to be asked about could not be read");
                return IDLE;
            }
        };
        let more = due.len() == PAGE as usize;
        for record in due {
            sleep_until(self.free).await;
            self.free = Instant::now() + APART;
            if !self.may_ask() {
                return IDLE;
            }
            let span = spans::look(&record);
            match self.look(&record).instrument(span).await {
                Asked::Answered => self.failures = 0,
                Asked::Unwritten => return IDLE,
                Asked::Later(least) => {
                    let doubled = IDLE.saturating_mul(1 << self.failures.min(6));
                    self.failures += 1;
                    let pause = doubled.max(least).min(LONGEST_PAUSE);
                    self.put_off(&record, pause).await;
                    return pause;
                }
            }
        }
        if more { Duration::ZERO } else { IDLE }
    }

    /// Sends first: where they are held back, questions are too.
    fn may_ask(&self) -> bool {
        self.reports.delivery.standing().state == State::Closed
    }

    /// Puts a message behind the others, for at least `pause`: it may be the only one that cannot be asked about. No
    /// look is used up by that, but asking ends when it has lasted long enough.
    async fn put_off(&self, record: &Record, pause: Duration) {
        let (store, looks, now) =
            (&self.reports.store, &self.reports.delivery.account().looks, now());
        // It was not sent after its deadline.
        let written = if record.deadline.after(looks.until) <= now {
            tracing::info!(message.id = %record.id, "Plivo could not be asked about a message for long enough, and is \
             not any more");
            store.looked(&record.id, None).await
        } else {
            let next = now.after(pause.max(step(looks, record.looks + 1)));
            let change = Change { next_look: Some(next), ..Change::at(now) };
            store.change(&record.id, change).await.map(drop)
        };
        if let Err(err) = written {
            tracing::warn!(message.id = %record.id, error = %err, "a question to Plivo could not be put off");
        }
    }

    /// Asks once about one message.
    async fn look(&self, record: &Record) -> Asked {
        let Some(uuid) = &record.message_uuid else { return Asked::Answered };
        let account = self.reports.delivery.account();
        let asked =
            account.client.get_message(&account.credentials, uuid, account.call_timeout).await;
        let span = tracing::Span::current();
        if let Err(err) = &asked {
            span.record("error.type", kind(err));
            span.record("otel.status_code", "ERROR");
        }
        let found = match asked {
            Ok(found) => found,
            Err(err) => match postponed(&err) {
                Some(least) => return Asked::Later(least),
                // Something is wrong with this one message; the others are asked about all the same.
                None => None,
            },
        };
        if let Some(found) = found {
            span.record("plivo.status", field::display(state::kept(&found.message_state)));
            if let Err(err) = self.reports.take(record, report(found, uuid), now()).await {
                tracing::warn!(message.id = %record.id, error = %err, "what Plivo said of a message could not be \
                 written down");
                return Asked::Unwritten;
            }
        }
        let next = next_look(&account.looks, record.looks + 1, now());
        if next.is_none() {
            tracing::info!(message.id = %record.id, looks = record.looks + 1, "no report came for a message, and none \
             is waited for any more");
        }
        // Only of a message that has not ended: one that has is looked at no more.
        match self.reports.store.looked(&record.id, next).await {
            Ok(()) => Asked::Answered,
            Err(_) => Asked::Unwritten,
        }
    }
}

/// When to look after `made` looks; none where it was looked for long enough.
fn next_look(looks: &Looks, made: u32, now: Timestamp) -> Option<Timestamp> {
    let mut passed = Duration::ZERO;
    for nth in 0..=made {
        passed += step(looks, nth);
        if passed > looks.until {
            return None;
        }
    }
    Some(now.after(step(looks, made)))
}

/// How long before the look after `made` looks.
fn step(looks: &Looks, made: u32) -> Duration {
    let nth = usize::try_from(made).unwrap_or(usize::MAX);
    looks.steps.get(nth).or(looks.steps.last()).copied().unwrap_or(looks.until)
}

/// The answer as a report; Plivo gives those no sequence.
fn report(found: Found, uuid: &str) -> Report {
    let status = state::kept(&found.message_state);
    Report {
        status: Some(state::status(&status)),
        sequence: 0,
        error_code: found.error_code.as_deref().and_then(codes::kept),
        message_uuid: Some(uuid.to_owned()),
        facts: ReportFacts { status, units: found.units, ..ReportFacts::default() },
    }
}

/// How long to wait at least, where Plivo as a whole is what fails; none where it is the one question.
fn postponed(err: &LookupError) -> Option<Duration> {
    match err {
        LookupError::Unreachable { .. } | LookupError::NoAnswer(_) => Some(Duration::ZERO),
        LookupError::Status { status: 401 | 403 | 429 | 500.., retry_after } => {
            Some(retry_after.unwrap_or_default())
        }
        LookupError::Status { .. } | LookupError::Unreadable => None,
    }
}

fn kind(err: &LookupError) -> &'static str {
    match err {
        LookupError::Unreachable { .. } => "unreachable",
        LookupError::NoAnswer(_) => "no_answer",
        LookupError::Status { .. } => "status",
        LookupError::Unreadable => "unreadable",
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests;
