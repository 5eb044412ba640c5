//! The native form.

use http::{StatusCode, header};
use message::{Change, E164, Note, Segments};
use serde_json::{Value, json};

use super::{Answer, Owned, Verdict, problem};

pub(super) fn native(owned: &Owned) -> Answer {
    let mut answer = Answer::json(StatusCode::ACCEPTED, &owned_json(owned));
    answer.set(header::LOCATION, format!("/v1/messages/{}", owned.id));
    answer.limits(&owned.standings);
    answer
}

fn owned_json(owned: &Owned) -> Value {
    json!({
        "id": owned.id.0,
        "status": owned.word(),
        "message_uuid": owned.message_uuid,
        "type": owned.kind.as_str(),
        "segments": segments_json(&owned.segments),
        "warnings": owned.warnings.iter().map(warning_json).collect::<Vec<_>>(),
        "transformations": owned.changes.iter().map(change_json).collect::<Vec<_>>(),
    })
}

pub(crate) fn warning_json(note: &Note) -> Value {
    json!({"code": note.key, "detail": note.value})
}

pub(crate) fn segments_json(segments: &Segments) -> Value {
    json!({
        "count": segments.count,
        "encoding": segments.encoding.as_str(),
        "units": segments.units,
        "ucs2_offsets": segments.ucs2_offsets,
    })
}

pub(crate) fn change_json(change: &Change) -> Value {
    json!({"code": change.code, "policy": change.policy, "detail": change.detail})
}

/// Several recipients: 202 as soon as one message is owned, else the first refusal's status.
pub(super) fn list(verdicts: &[Verdict]) -> Answer {
    let messages = verdicts.iter().map(|verdict| {
        let mut entry = match &verdict.outcome {
            Ok(owned) => owned_json(owned),
            Err(refusal) => json!({"status": "refused", "problem": problem::document(refusal)}),
        };
        let to = verdict.to.number.as_ref().map_or(verdict.to.given.as_str(), E164::as_str);
        entry["to"] = to.into();
        entry
    });
    let body = json!({"messages": messages.collect::<Vec<_>>()});
    let refused = verdicts.iter().find_map(|verdict| verdict.outcome.as_ref().err());
    let status = match refused {
        Some(refusal) if verdicts.iter().all(|verdict| verdict.outcome.is_err()) => {
            refusal.status()
        }
        _ => StatusCode::ACCEPTED,
    };
    let mut answer = Answer::json(status, &body);
    if let Some(refusal) = refused.filter(|_| status != StatusCode::ACCEPTED) {
        answer.describe(refusal);
    }
    if let Some(Ok(owned)) =
        verdicts.iter().map(|verdict| verdict.outcome.as_ref()).rfind(Result::is_ok)
    {
        answer.limits(&owned.standings);
    }
    answer
}
