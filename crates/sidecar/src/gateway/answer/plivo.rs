//! Plivo's form, as its seven official SDKs read it.

use http::StatusCode;
use message::{E164, Fault};
use serde_json::{Value, json};

use super::{Answer, Door, Owned, Plain, Refusal, Verdict, api_id, place, whole_seconds};

/// Plivo's words for members that are called otherwise elsewhere.
const NAMES: [(&str, &str); 3] = [("to", "dst"), ("from", "src"), ("ttl_s", "message_expiry")];

/// Plivo's 202: one UUID a message taken, the others as `invalid_number`; a refusal where none was taken.
pub(super) fn answer(verdicts: &[Verdict]) -> Answer {
    let taken: Vec<&str> = verdicts
        .iter()
        .filter_map(|verdict| verdict.outcome.as_ref().ok())
        .map(uuid_or_id)
        .collect();
    if taken.is_empty() {
        let refused = verdicts.iter().find_map(|verdict| verdict.outcome.as_ref().err());
        return refused.map_or_else(
            || Door::Plivo.refuse(&Plain::Internal.into()),
            |refusal| Door::Plivo.refuse(refusal),
        );
    }
    let mut body =
        json!({"api_id": api_id(), "message": "message(s) queued", "message_uuid": taken});
    let refused: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| verdict.outcome.is_err())
        .map(|verdict| verdict.to.as_ref().map_or("", E164::digits))
        .collect();
    if !refused.is_empty() {
        body["invalid_number"] = refused.into();
    }
    Answer::json(StatusCode::ACCEPTED, &body)
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
    if matches!(refusal, Refusal::Plain(Plain::AuthMissing | Plain::AuthInvalid)) {
        return json!({"error": "authentication credentials were not provided"});
    }
    let told = |fault: &Fault| {
        format!("{} {} ({})", place(fault, &NAMES), fault.detail, fault.code)
            .trim_start()
            .to_owned()
    };
    let error = match refusal.faults() {
        [] => format!("{} ({})", refusal.detail(), refusal.code()),
        faults => faults.iter().map(told).collect::<Vec<_>>().join("; "),
    };
    let mut body = json!({"api_id": api_id(), "error": error});
    if let Some(wait) = refusal.retry_after() {
        body["retry_after"] = whole_seconds(wait).max(1).into();
    }
    body
}
