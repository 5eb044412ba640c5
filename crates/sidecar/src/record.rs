//! A message's record, from acceptance to outcome.

use message::{MessageId, Timestamp};
use plivo_client::Outcome;
use policy_host::{Cleared, Decision, Mode, Verdict};
use store::{Attempt, AttemptOutcome, Messages, Record, Status};

/// Most attempts that a record keeps: the first and the latest.
const ATTEMPTS: usize = 16;

/// The record of a message that is ours now.
pub(crate) fn accepted(
    cleared: &Cleared,
    app: &str,
    door: &str,
    now: Timestamp,
    deadline: Timestamp,
) -> Record {
    Record {
        deadline: Some(deadline),
        decisions: cleared.decisions().iter().map(decision).collect(),
        ..Record::of(cleared.message(), cleared.facts().text.clone(), app, door, now)
    }
}

/// It waits, for its time, for a retry or for credentials.
pub(crate) async fn waits(messages: &Messages, id: &MessageId, status: Status, now: Timestamp) {
    change(messages, id, now, |record| record.status = status).await;
}

/// A call to Plivo begins.
pub(crate) async fn attempt_began(
    messages: &Messages,
    id: &MessageId,
    number: u32,
    now: Timestamp,
) {
    change(messages, id, now, |record| {
        record.status = Status::Sending;
        let attempt = Attempt {
            number,
            started: now,
            ended: None,
            outcome: None,
            http_status: None,
            code: None,
        };
        // The first tells how it began and the last how it stands; an outage makes thousands between.
        if record.attempts.len() == ATTEMPTS {
            record.attempts.remove(1);
        }
        record.attempts.push(attempt);
    })
    .await;
}

/// The call ended.
pub(crate) async fn attempt_ended(
    messages: &Messages,
    id: &MessageId,
    number: u32,
    outcome: &Outcome,
    now: Timestamp,
) {
    change(messages, id, now, |record| {
        let Some(attempt) = record.attempts.iter_mut().rfind(|attempt| attempt.number == number)
        else {
            return;
        };
        attempt.ended = Some(now);
        attempt.outcome = Some(match outcome {
            Outcome::Accepted(_) => AttemptOutcome::Accepted,
            Outcome::Rejected(_) => AttemptOutcome::Rejected,
            Outcome::NotSent(_) => AttemptOutcome::NotSent,
            Outcome::InDoubt(_) => AttemptOutcome::InDoubt,
        });
        attempt.http_status = outcome.status();
        attempt.code = outcome.error_type().map(str::to_owned);
    })
    .await;
}

/// Its way from here to Plivo has ended.
pub(crate) async fn ended(
    messages: &Messages,
    id: &MessageId,
    status: Status,
    message_uuid: Option<String>,
    code: Option<&str>,
    now: Timestamp,
) {
    change(messages, id, now, |record| {
        record.status = status;
        record.message_uuid = message_uuid;
        record.error_code = code.map(str::to_owned);
    })
    .await;
}

async fn change(
    messages: &Messages,
    id: &MessageId,
    now: Timestamp,
    edit: impl FnOnce(&mut Record) + Send,
) {
    let changed = messages.update(id, |record| {
        record.updated = now;
        edit(record);
    });
    if let Err(err) = changed.await {
        tracing::error!(message.id = %id, error = %err, "a message's record could not be changed");
    }
}

fn decision(decision: &Decision) -> store::Decision {
    let codes = match &decision.verdict {
        Verdict::Accepted => Vec::new(),
        Verdict::Amended(changes) => changes.iter().map(|change| change.code.clone()).collect(),
        Verdict::Rejected(rejection) => vec![rejection.code.clone()],
        Verdict::Failed { kind, .. } => vec![(*kind).to_owned()],
    };
    store::Decision {
        policy: decision.policy.to_string(),
        version: decision.version.to_string(),
        digest: decision.digest.to_string(),
        verdict: decision.verdict.as_str().to_owned(),
        enforced: decision.mode == Mode::Enforce,
        codes,
        notes: decision.notes.clone(),
        took: decision.elapsed,
    }
}
