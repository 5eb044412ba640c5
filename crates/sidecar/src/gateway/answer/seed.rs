//! The seed's form: that of the framework its guide is about.

use http::StatusCode;
use message::Fault;
use serde_json::{Value, json};

use super::native::warning_json;
use super::{Answer, Owned, Refusal, place};

/// The seed's words for members that are called otherwise elsewhere.
const NAMES: [(&str, &str); 3] =
    [("to", "recipient"), ("text", "message"), ("media_urls", "mediaUrls")];

pub(super) fn accepted(owned: &Owned) -> Answer {
    let uuid = owned.message_uuid.as_deref().unwrap_or(&owned.id.0);
    let mut body = json!({
        "statusCode": 202,
        "message": "MMS queued",
        "messageUuid": uuid,
        "id": owned.id.0,
        "status": owned.word(),
    });
    if !owned.warnings.is_empty() {
        body["warnings"] = owned.warnings.iter().map(warning_json).collect();
    }
    let mut answer = Answer::json(StatusCode::ACCEPTED, &body);
    answer.limits(&owned.standings);
    answer
}

/// The form of the seed's framework: every message in one list.
pub(super) fn error(refusal: &Refusal) -> Value {
    let told = |fault: &Fault| {
        format!("{} {}", place(fault, &NAMES), fault.detail).trim_start().to_owned()
    };
    let mut messages = match refusal.faults() {
        [] => vec![refusal.detail()],
        faults => faults.iter().map(told).collect(),
    };
    if refusal.more_faults() > 0 {
        messages.push(format!("and {} more faults", refusal.more_faults()));
    }
    json!({
        "statusCode": refusal.status().as_u16(),
        "message": messages,
        "error": refusal.status().canonical_reason().unwrap_or("Error"),
        "code": refusal.code(),
    })
}
