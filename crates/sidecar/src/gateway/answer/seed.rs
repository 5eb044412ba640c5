//! The seed's form: that of the framework its guide is about.

use http::StatusCode;
use message::Kind;
use serde_json::{Value, json};

use super::{Answer, Owned, Refusal, Words};

const WORDS: Words = Words {
    names: &[("to", "recipient"), ("text", "message"), ("media_urls", "mediaUrls")],
    absent: &[
        "from",
        "powerpack_uuid",
        "media_ids",
        "type",
        "ttl_s",
        "callback_url",
        "dedup",
        "dedup_key",
        "intent",
        "not_before",
        "tags",
        "recipient_tz",
        "end_user_ip",
    ],
};

pub(super) fn accepted(owned: &Owned) -> Answer {
    let uuid = owned.message_uuid.as_deref().unwrap_or(&owned.id.0);
    let message = match owned.kind {
        Kind::Mms => "MMS queued",
        Kind::Sms => "SMS queued",
    };
    let mut body = json!({
        "statusCode": 202,
        "message": message,
        "messageUuid": uuid,
        "id": owned.id.0,
        "status": owned.word(),
    });
    let remarks: Vec<Value> = owned.remarks().map(|remark| WORDS.warning(remark)).collect();
    if !remarks.is_empty() {
        body["warnings"] = remarks.into();
    }
    let mut answer = Answer::json(StatusCode::ACCEPTED, &body);
    answer.limits(&owned.standings);
    answer
}

/// The form of the seed's framework: every message in one list.
pub(super) fn error(refusal: &Refusal) -> Value {
    let mut messages = match refusal.faults() {
        [] => vec![WORDS.said(&refusal.detail())],
        faults => faults.iter().map(|fault| WORDS.fault(fault)).collect(),
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
