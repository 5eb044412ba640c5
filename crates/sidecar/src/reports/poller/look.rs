//! One question to Plivo about one message, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use plivo_client::{Found, LookupError};
use store::{Record, Report, ReportFacts};
use tracing::field;

use super::{next_look, now};
use crate::delivery::Upstream;
use crate::in_force::Account;
use crate::inbound::NotTaken;
use crate::reports::{Reports, codes, form, state};

/// A question's end.
pub(super) struct Ended {
    pub(super) record: Record,
    pub(super) asked: Asked,
}

/// How a question ended.
pub(super) enum Asked {
    /// Whatever the answer was, it was one.
    Answered,
    /// Plivo cannot be asked now; not before this time has passed.
    Later(Duration),
    /// A policy could not hear of the answer now.
    Unheard,
    /// The store cannot be written.
    Unwritten,
}

/// Asks once about one message.
pub(super) async fn look(reports: Arc<Reports>, upstream: Arc<Upstream>, record: Record) -> Ended {
    let asked = asked(&reports, &upstream.account(), &record).await;
    Ended { record, asked }
}

async fn asked(reports: &Reports, account: &Account, record: &Record) -> Asked {
    let Some(uuid) = &record.message_uuid else { return Asked::Answered };
    let asked = account.client.get_message(&account.credentials, uuid, account.call_timeout).await;
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
        let to = form::number(&found.to_number);
        if let Err(err) = reports.take(record, to, report(found, uuid), now()).await {
            tracing::warn!(message.id = %record.id, error = %err, "what Plivo said of a message could not be taken");
            return match err {
                NotTaken::Failed(..) => Asked::Unheard,
                NotTaken::Unwritten(_) => Asked::Unwritten,
            };
        }
    }
    let next = next_look(&account.looks, record.looks + 1, now());
    if next.is_none() {
        tracing::info!(message.id = %record.id, looks = record.looks + 1, "no report came for a message, and none is \
         waited for any more");
    }
    // Only of a message that has not ended: one that has is looked at no more.
    match reports.store.looked(&record.id, next).await {
        Ok(()) => Asked::Answered,
        Err(_) => Asked::Unwritten,
    }
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
pub(super) fn postponed(err: &LookupError) -> Option<Duration> {
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
