//! A message's record, from acceptance to outcome.

use message::{MessageId, Rejection, Timestamp};
use plivo_client::Outcome;
use policy_host::{Cleared, Decision, Mode};
use store::{Attempt, AttemptOutcome, Change, Record, Status};

use crate::gateway::is_reserved;

/// The record of a message that is ours now.
pub(crate) fn accepted(
    cleared: &Cleared,
    app: &str,
    door: &str,
    now: Timestamp,
    deadline: Timestamp,
) -> Record {
    Record {
        decisions: cleared.decisions().iter().map(decision).collect(),
        paces: cleared.paces().cloned().collect(),
        ..Record::of(cleared.message(), cleared.facts().text.clone(), app, door, now, deadline)
    }
}

/// Tells operators of a message's state as it is written down: ends and doubts as `info`, what is on its way as
/// `debug`. `until` is when it goes on, where it waits for a time. The caller says it once for each change.
pub(crate) fn tell(id: &MessageId, change: &Change, until: Option<Timestamp>) {
    let Some(status) = change.status else { return };
    let wait_ms = until.map(|until| until.0.saturating_sub(change.at.0));
    let call = change.attempt.as_ref();
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                message.id = %id,
                status = status.as_str(),
                code = change.error_code.as_deref(),
                message_uuid = change.message_uuid.as_deref(),
                attempt = call.map(|call| call.number),
                why = call.and_then(|call| call.code.as_deref()),
                http_status = call.and_then(|call| call.http_status),
                wait_ms,
                "a message changes its state"
            )
        };
    }
    match status {
        Status::Accepted | Status::Waiting | Status::Sending | Status::RetryWait => tell!(debug),
        _ => tell!(info),
    }
}

/// A call to Plivo that begins.
pub(crate) fn attempt(
    number: u32,
    started: Timestamp,
    account: &str,
    plivo_time: Option<Timestamp>,
) -> Attempt {
    Attempt {
        number,
        started,
        ended: None,
        outcome: None,
        http_status: None,
        code: None,
        account: Some(account.to_owned()),
        plivo_time,
        given_up: None,
    }
}

/// Whether Plivo took the message of this call, and the id is not known: it said none, or none was written down.
pub(crate) fn is_taken(attempt: &Attempt) -> bool {
    let no_uuid = attempt.code.as_deref() == Some("no_uuid");
    no_uuid || attempt.outcome == Some(AttemptOutcome::Accepted)
}

/// The call, with its outcome.
pub(crate) fn attempt_ended(call: Attempt, outcome: &Outcome, now: Timestamp) -> Attempt {
    let meant = match outcome {
        Outcome::Accepted(_) => AttemptOutcome::Accepted,
        Outcome::Rejected(_) => AttemptOutcome::Rejected,
        Outcome::NotSent(_) => AttemptOutcome::NotSent,
        Outcome::InDoubt(_) => AttemptOutcome::InDoubt,
    };
    Attempt {
        ended: Some(now),
        outcome: Some(meant),
        http_status: outcome.status(),
        code: outcome.error_type().map(str::to_owned),
        ..call
    }
}

/// A call that was written down and not made: Plivo had the message already.
pub(crate) fn overtaken(call: Attempt, now: Timestamp) -> Attempt {
    not_made(call, "overtaken", now)
}

/// The same of one whose message had too little time left by then.
pub(crate) fn too_late(call: Attempt, now: Timestamp) -> Attempt {
    not_made(call, "too_late", now)
}

fn not_made(call: Attempt, code: &str, now: Timestamp) -> Attempt {
    let outcome = Some(AttemptOutcome::NotSent);
    Attempt { ended: Some(now), outcome, code: Some(code.into()), ..call }
}

/// Code of a message that a policy refused by a code that is not a policy's to give.
pub(crate) const REFUSED: &str = "policy.refused";

/// The code of a refusal as a record has it. Words of our own mean something there: what is known of the message.
pub(crate) fn code_of(rejection: &Rejection) -> &str {
    if is_reserved(&rejection.code) { REFUSED } else { &rejection.code }
}

/// Code of a call that was out when its process ended.
pub(crate) const CUT_OFF: &str = "process_ended";

/// Whether an earlier call may have sent the message, whatever the later ones come to.
pub(crate) fn may_be_sent(record: &Record) -> bool {
    record.attempts.iter().any(|attempt| attempt.given_up.is_some())
}

/// Whether Plivo has, had or may yet get the message: all but what ended and certainly was not sent.
pub(crate) fn may_have_gone(record: &Record) -> bool {
    let is_unknown = matches!(
        record.error_code.as_deref(),
        Some("send.unresolved" | "send.unclear" | "send.canceled_in_doubt")
    );
    let is_off = matches!(record.status, Status::Failed | Status::Expired | Status::Canceled);
    !is_off || is_unknown || record.message_uuid.is_some()
}

/// A call that the end of the process cut off: whether Plivo heard it is not known.
pub(crate) fn cut_off(attempt: &Attempt, now: Timestamp) -> Attempt {
    Attempt {
        ended: Some(now),
        outcome: Some(AttemptOutcome::InDoubt),
        code: Some(CUT_OFF.into()),
        ..attempt.clone()
    }
}

fn decision(decision: &Decision) -> store::Decision {
    store::Decision {
        policy: decision.policy.to_string(),
        version: decision.version.to_string(),
        digest: decision.digest.to_string(),
        verdict: decision.verdict.as_str().to_owned(),
        enforced: decision.mode == Mode::Enforce,
        codes: decision.verdict.codes(),
        notes: decision.notes.clone(),
        took: decision.elapsed,
    }
}
