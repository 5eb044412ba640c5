//! A message's record as its app sees it.

use std::collections::BTreeMap;

use message::{E164, Timestamp};
use plivo_client::Dlt;
use serde_json::{Value, json};
use store::{Attempt, Decision, Record, ReportFacts, Status};

use super::answer::{said_as_plivo, segments_json};
use super::problems;
use super::refusal::{Refusal, is_reserved};
use crate::record::REFUSED;
use crate::reports::codes;

/// The record in the native form.
pub(super) fn native(record: &Record) -> Value {
    json!({
        "id": record.id.0,
        "status": record.status.as_str(),
        "status_simple": record.status.simple().as_str(),
        "message_uuid": record.message_uuid,
        "to": record.to.as_ref().map(E164::as_str),
        "to_hash": record.to_hash,
        "from": record.sender.as_str(),
        "type": record.kind.as_str(),
        "text": record.text,
        "text_hash": record.text_hash,
        "text_bytes": record.text_bytes,
        "segments": segments_json(&record.segments),
        "media_urls": record.media_urls.iter().map(|url| url.as_str()).collect::<Vec<_>>(),
        "media_ids": record.media_ids,
        "intent": record.intent,
        "tags": record.tags.iter().cloned().collect::<BTreeMap<_, _>>(),
        "error_code": record.error_code,
        "created_at": instant(record.created),
        "updated_at": instant(record.updated),
        "not_before": record.not_before.map(instant),
        "deadline": instant(record.deadline),
        "report": record.report.as_ref().map(report),
        "final": no_report(record).then_some("no_report"),
        "attempts": record.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "decisions": record.decisions.iter().map(decision).collect::<Vec<_>>(),
    })
}

/// Whether Plivo was asked for as long as it is, and no ending came: some carriers never report.
fn no_report(record: &Record) -> bool {
    let taken = matches!(record.status, Status::Submitted | Status::Sent);
    taken && record.looks > 0 && record.next_look.is_none()
}

/// The record as Plivo's message details (plivo-api.md 2.1): what an SDK reads, of what is known here.
pub(super) fn plivo(record: &Record, account: &str) -> Value {
    // The id that the app knows it by.
    let known = record.message_uuid.as_deref().filter(|_| !record.own_id_told);
    let uuid = known.unwrap_or(&record.id.0);
    let report = record.report.as_ref();
    let (error_code, error_message) = plivo_error(record).unzip();
    let error_message = error_message.flatten();
    let dlt = record.plivo_dlt.as_deref().and_then(Dlt::from_json).unwrap_or_default();
    json!({
        "message_uuid": uuid,
        "resource_uri": format!("/v1/Account/{account}/Message/{uuid}/"),
        "from_number": record.sender.as_str().trim_start_matches('+'),
        "to_number": record.to.as_ref().map(E164::digits),
        "message_direction": "outbound",
        "message_state": plivo_state(record.status),
        "message_type": record.kind.as_str(),
        "message_time": plivo_time(record.created),
        "units": report.and_then(|report| report.units).unwrap_or(record.segments.count),
        "total_rate": report.and_then(|report| report.total_rate.as_deref()),
        "total_amount": report.and_then(|report| report.total_amount.as_deref()),
        "error_code": error_code,
        "error_message": error_message,
        "dlt_entity_id": dlt.entity_id,
        "dlt_template_id": dlt.template_id,
        "dlt_template_category": dlt.template_category,
    })
}

/// Plivo's word for a state (plivo-api.md 3.2).
fn plivo_state(status: Status) -> &'static str {
    match status {
        Status::Sent => "sent",
        Status::Delivered => "delivered",
        Status::Undelivered => "undelivered",
        Status::Failed | Status::Expired | Status::Canceled => "failed",
        _ => "queued",
    }
}

/// Plivo's code for how it ended, the same as its report has, and a sentence to it; none before, where Plivo writes null
/// (plivo-api.md 2.1, 3.3). What failed here has Plivo's nearest code, and the sentence that a send is answered, but for
/// a policy's own words, which no record has.
fn plivo_error(record: &Record) -> Option<(&str, Option<String>)> {
    let code = match plivo_state(record.status) {
        "delivered" => return Some(("000", None)),
        "undelivered" | "failed" => record.error_code.as_deref()?,
        _ => return None,
    };
    let own = || {
        let id = record.id.clone();
        let is_plivos = record.message_uuid.is_some() || code.bytes().all(|b| b.is_ascii_digit());
        let is_policys = code == REFUSED || !(is_plivos || is_reserved(code));
        Some(said_as_plivo(&match is_policys {
            true => Refusal::RejectedLate { id, code: code.into(), said: None },
            false => Refusal::Upstream { id, code: problems::known(code)?, wait: None },
        }))
    };
    let sentence = codes::meaning(code).map(str::to_owned).or_else(own);
    Some((codes::as_plivo(code), sentence))
}

/// Plivo's form of an instant in message details (plivo-api.md 2.1), in UTC.
fn plivo_time(at: Timestamp) -> Value {
    let written = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string();
    calendar(at).map_or(Value::Null, |at| written(at).into())
}

/// What Plivo's latest report said of units and money, in its own words.
pub(crate) fn report(report: &ReportFacts) -> Value {
    json!({
        "status": report.status,
        "units": report.units,
        "total_rate": report.total_rate,
        "total_amount": report.total_amount,
        "mcc": report.mcc,
        "mnc": report.mnc,
    })
}

pub(crate) fn attempt(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number,
        "started_at": instant(attempt.started),
        "ended_at": attempt.ended.map(instant),
        "outcome": attempt.outcome.map(|outcome| outcome.as_str()),
        "http_status": attempt.http_status,
        "code": attempt.code,
        "given_up_at": attempt.given_up.map(instant),
    })
}

pub(crate) fn decision(decision: &Decision) -> Value {
    let notes = decision.notes.iter().map(|note| json!({"key": note.key, "value": note.value}));
    json!({
        "policy": decision.policy,
        "version": decision.version,
        "digest": decision.digest,
        "verdict": decision.verdict,
        "enforced": decision.enforced,
        "codes": decision.codes,
        "notes": notes.collect::<Vec<_>>(),
        "us": decision.took.as_micros(),
    })
}

/// RFC 3339, in milliseconds.
pub(crate) fn instant(at: Timestamp) -> Value {
    calendar(at).map_or(Value::Null, |at| format!("{at:.3}").into())
}

/// None beyond all calendars.
fn calendar(at: Timestamp) -> Option<jiff::Timestamp> {
    i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
}

#[cfg(test)]
mod tests {
    use message::{Message, MessageId, Segments, Sender};

    use super::*;

    fn record(status: Status, code: Option<&str>) -> Record {
        let message = Message::plain(
            MessageId("01a2".into()),
            E164::parse("+14155550123", "").unwrap(),
            Sender::parse("+14155551212", "").unwrap(),
            "hi",
        );
        let at = Timestamp(1_764_421_043_042);
        let of = Record::of(&message, Segments::of("hi"), "demo", "plivo", at, at);
        Record { status, error_code: code.map(str::to_owned), ..of }
    }

    #[test]
    fn plivos_details_have_plivos_code_of_how_it_ended_and_what_it_says() {
        let said = |detail: &str, code: &str| Some(format!("{detail} ({code})"));
        let meaning = |meaning: &str| Some(meaning.to_owned());
        let opted_out = meaning("the recipient has opted out");
        let barred = meaning("the destination country is barred at Plivo");
        let late = "the message could not be sent within its lifetime; nothing was sent";
        let rejected =
            "Plivo did not take the message; `attempts` of GET /v1/messages/01a2 say how";
        let late_refusal = "a policy that was asked again refused the message; nothing was sent";
        let unknown =
            "nobody can tell whether Plivo took the message; its record has what is known";
        for (status, code, told, message) in [
            (Status::Waiting, Some("unreachable"), None, None),
            (Status::Held, Some("send.unclear"), None, None),
            (Status::Submitted, None, None, None),
            (Status::Sent, None, None, None),
            (Status::Delivered, None, Some("000"), None),
            (Status::Undelivered, Some("200"), Some("200"), opted_out),
            (Status::Failed, Some("777"), Some("777"), None),
            (Status::Failed, None, None, None),
            (Status::Failed, Some("upstream.geo_denied"), Some("450"), barred),
            (Status::Expired, Some("send.expired"), Some("420"), said(late, "send.expired")),
            (
                Status::Failed,
                Some("upstream.rejected"),
                Some("1000"),
                said(rejected, "upstream.rejected"),
            ),
            (
                Status::Failed,
                Some("optout.suppressed"),
                Some("200"),
                said(late_refusal, "optout.suppressed"),
            ),
            (Status::Failed, Some("acme.closed"), Some("1000"), said(late_refusal, "acme.closed")),
            (
                Status::Failed,
                Some("policy.refused"),
                Some("1000"),
                said(late_refusal, "policy.refused"),
            ),
            (
                Status::Failed,
                Some("send.unresolved"),
                Some("1000"),
                said(unknown, "send.unresolved"),
            ),
        ] {
            let shown = plivo(&record(status, code), "MA");
            assert_eq!(
                (&shown["error_code"], &shown["error_message"]),
                (&json!(told), &json!(message)),
                "{status:?} {code:?}"
            );
        }
    }

    #[test]
    fn an_instant_is_written_as_plivo_writes_it() {
        let shown = plivo(&record(Status::Sent, None), "MA");
        assert_eq!(shown["message_time"], "2025-11-29 12:57:23.042000+00:00");
    }
}
