//! Plivo's form, as its seven official SDKs read it.

use std::fmt::Write as _;

use http::StatusCode;
use message::Fault;
use serde_json::{Value, json};

use super::{Answer, Door, Owned, Plain, Refusal, Verdict, Words, api_id, whole_seconds};

const WORDS: Words = Words {
    names: &[("to", "dst"), ("from", "src"), ("ttl_s", "message_expiry")],
    absent: &["dedup", "dedup_key", "intent", "not_before", "tags", "recipient_tz", "end_user_ip"],
};

/// Codes of what is wrong with a number as a number, whoever it is for.
const INVALID: [&str; 4] =
    ["phone.invalid", "phone.multiple", "phone.not_e164", "phone.too_long_for_provider"];

/// Plivo's 202: one UUID a message taken, and numbers that are none as `invalid_number`, as they were given. Why anyone
/// was refused stands in `refused`, and remarks in `warnings`, which are no members of Plivo's and which its SDKs pass
/// over. A refusal where none was taken.
pub(super) fn answer(verdicts: &[Verdict], many: bool) -> Answer {
    let taken: Vec<&str> = verdicts
        .iter()
        .filter_map(|verdict| verdict.outcome.as_ref().ok())
        .map(uuid_or_id)
        .collect();
    let refused: Vec<(&str, &Refusal)> = verdicts
        .iter()
        .filter_map(|verdict| Some((verdict.to.given.as_str(), verdict.outcome.as_ref().err()?)))
        .collect();
    let reasons: Value = refused.iter().map(|(given, refusal)| reason(given, refusal)).collect();
    if taken.is_empty() {
        let Some((_, first)) = refused.first() else {
            return Door::Plivo.refuse(&Plain::Internal.into());
        };
        if !many {
            return Door::Plivo.refuse(first);
        }
        let mut body = error(first);
        body["error"] = all_told(&refused).into();
        body["refused"] = reasons;
        let mut answer = Answer::json(status(first), &body);
        answer.describe(first);
        return answer;
    }
    let mut body =
        json!({"api_id": api_id(), "message": "message(s) queued", "message_uuid": taken});
    let invalid: Vec<&str> = refused
        .iter()
        .filter(|(_, refusal)| INVALID.contains(&refusal.code()))
        .map(|(given, _)| *given)
        .collect();
    if !invalid.is_empty() {
        body["invalid_number"] = invalid.into();
    }
    if !refused.is_empty() {
        body["refused"] = reasons;
    }
    let warnings = warnings(verdicts);
    if !warnings.is_empty() {
        body["warnings"] = warnings.into();
    }
    let mut answer = Answer::json(StatusCode::ACCEPTED, &body);
    // As on the native door, those of the last that was taken.
    if let Some(owned) =
        verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref().ok()).next_back()
    {
        answer.limits(&owned.standings);
    }
    answer
}

/// What was remarked on the messages taken, and changed in them, each once.
fn warnings(verdicts: &[Verdict]) -> Vec<Value> {
    let taken = verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref().ok());
    let mut warnings: Vec<Value> = Vec::new();
    for warning in taken.flat_map(Owned::remarks).map(|remark| WORDS.warning(remark)) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

fn reason(given: &str, refusal: &Refusal) -> Value {
    json!({"number": given, "code": refusal.code(), "error": told(refusal)})
}

/// Every reason in one text, each once: whose it is stands in `refused`.
fn all_told(refused: &[(&str, &Refusal)]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for (_, refusal) in refused {
        let reason = told(refusal);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.join("; ")
}

fn uuid_or_id(owned: &Owned) -> &str {
    owned.message_uuid.as_deref().unwrap_or(&owned.id.0)
}

/// The statuses whose text every official SDK hands on: 400, 401, 404, 405, 409, 422 (plivo-api.md 7.4).
pub(super) fn status(refusal: &Refusal) -> StatusCode {
    match refusal.status().as_u16() {
        status @ (400 | 401 | 404 | 405 | 409 | 422) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
        }
        403 => StatusCode::UNPROCESSABLE_ENTITY,
        429 | 503 => StatusCode::CONFLICT,
        500 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

pub(super) fn error(refusal: &Refusal) -> Value {
    if matches!(refusal, Refusal::Plain(Plain::AuthMissing)) {
        // Plivo's own words.
        return json!({"error": "authentication credentials were not provided"});
    }
    let mut body = json!({"api_id": api_id(), "error": told(refusal)});
    if let Some(wait) = refusal.retry_after() {
        body["retry_after"] = whole_seconds(wait).max(1).into();
    }
    body
}

/// A refusal in one text, with every fault and the codes.
pub(in crate::gateway) fn told(refusal: &Refusal) -> String {
    let one = |fault: &Fault| format!("{} ({})", WORDS.fault(fault), fault.code);
    match refusal.faults() {
        [] => format!("{} ({})", WORDS.said(&refusal.detail()), refusal.code()),
        faults => {
            let mut all = faults.iter().map(one).collect::<Vec<_>>().join("; ");
            if refusal.more_faults() > 0 {
                write!(all, "; and {} more faults", refusal.more_faults()).expect("a text grows");
            }
            all
        }
    }
}
