//! A message and its events as operators see them.

use std::time::SystemTime;

use message::{E164, Timestamp, without_numbers};
use serde_json::{Map, Value, json};
use store::{Event, Record, Status};
use url::Url;

use crate::delivery::{NO_ACCOUNT, Reason, UNCONFIRMED};
use crate::gateway::shown::{attempt, decision, instant, report};

/// The message in a list.
pub(super) fn brief(record: &Record) -> Value {
    json!({
        "id": record.id.0,
        "app": record.app,
        "account": record.account,
        "door": record.door,
        "status": record.status.as_str(),
        "status_simple": record.status.simple().as_str(),
        "error_code": record.error_code,
        "message_uuid": record.message_uuid,
        "to": record.to.as_ref().map(E164::as_str),
        "to_hash": record.to_hash,
        "from": record.sender.as_str(),
        "type": record.kind.as_str(),
        "intent": record.intent,
        "created_at": instant(record.created),
        "updated_at": instant(record.updated),
        "deadline": instant(record.deadline),
        "calls": record.attempts.len(),
    })
}

/// The whole record; `full` with what was said in it.
pub(super) fn whole(record: &Record, events: &[Event], full: bool) -> Value {
    let Value::Object(mut shown) = brief(record) else { return Value::Null };
    let now = SystemTime::now().into();
    let more = json!({
        "waits_for": waits_for(record, now),
        "not_before": record.not_before.map(instant),
        "segments": {
            "count": record.segments.count,
            "encoding": record.segments.encoding.as_str(),
            "units": record.segments.units,
        },
        "text_bytes": record.text_bytes,
        "text_hash": record.text_hash,
        "media": record.media_urls.len() + record.media_ids.len(),
        "traceparent": record.traceparent,
        "events_go_to": record.relay.as_deref().map(origin),
        "report": record.report.as_ref().map(report),
        "looks": record.looks,
        "next_look": record.next_look.map(instant),
        "next_try": record.next_try.map(instant),
        "attempts": record.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "decisions": record.decisions.iter().map(decision).collect::<Vec<_>>(),
        "events": events.iter().map(event).collect::<Vec<_>>(),
    });
    // What the app wrote: a number in it may have any form, so that masking would miss it.
    let content = json!({
        "text": record.text,
        "tags": record.tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect::<Map<_, _>>(),
        "media_urls": record.media_urls.iter().map(|url| url.as_str()).collect::<Vec<_>>(),
        "media_ids": record.media_ids,
    });
    for part in [more, if full { content } else { json!({}) }] {
        if let Value::Object(part) = part {
            shown.extend(part);
        }
    }
    Value::Object(shown)
}

/// An event that an app is told of.
pub(super) fn event(event: &Event) -> Value {
    json!({
        "number": event.number,
        "app": event.app,
        "message": event.message.0,
        "state": event.state.as_str(),
        "code": event.code,
        "at": instant(event.at),
        "tries": event.tries,
        "fault": event.fault,
    })
}

/// The same with every phone number in it masked.
pub(super) fn masked(shown: Value) -> Value {
    match shown {
        Value::String(text) => telemetry::masked(&text).into_owned().into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| match value {
                // An app's own word, which may be a number by itself.
                Value::String(word) if name == "intent" => (name, without_numbers(&word).into()),
                // A sender's name may hold one; a short code has no letter.
                Value::String(word)
                    if name == "from" && word.contains(|c: char| c.is_ascii_alphabetic()) =>
                {
                    (name, without_numbers(&word).into())
                }
                value => (telemetry::masked(&name).into_owned(), masked(value)),
            };
            members.into_iter().map(member).collect()
        }
        other => other,
    }
}

/// What has to happen next, and whose turn it is; none where nothing has.
fn waits_for(record: &Record, now: Timestamp) -> Option<String> {
    let soon = record.not_before.filter(|start| *start > now);
    let said = match record.status {
        Status::Accepted | Status::Waiting => match (soon, &record.error_code) {
            (_, Some(reason)) if reason == UNCONFIRMED => {
                "the Redis that replicas share: whether its key is this one's is not known".into()
            }
            (_, Some(reason)) if reason == NO_ACCOUNT => {
                format!("its account `{}`, which the configuration does not have", record.account)
            }
            (_, Some(reason)) if Reason::from_word(reason).is_some() => {
                format!("Plivo's breaker, or its sender's: {reason}")
            }
            (_, Some(reason)) => match (reason.starts_with("policy."), record.next_try) {
                (true, _) => format!("a policy that could not decide ({reason}), and is asked again"),
                (false, Some(at)) => format!("a policy that put it off ({reason}): {}", text(at)),
                (false, None) => format!("a policy that put it off ({reason})"),
            },
            (Some(start), None) => format!("its not_before: {}", text(start)),
            (None, None) => match &record.paces[..] {
                [] => "its turn to call Plivo".into(),
                paces => {
                    let limits: Vec<&str> = paces.iter().map(|pace| pace.limit.as_str()).collect();
                    format!("its turn to call Plivo, by the limits {}", limits.join(", "))
                }
            },
        },
        Status::Sending => "the answer to a call to Plivo".into(),
        Status::RetryWait => match record.next_try {
            Some(at) => format!("its next try, at {}", text(at)),
            None => "its next try".into(),
        },
        Status::InDoubt => {
            "a delivery report, or Plivo's list: whether Plivo has it is not known; a person may release or cancel it"
                .into()
        }
        Status::Held => "a person: release it or cancel it".into(),
        Status::Submitted | Status::Sent => match record.next_look {
            Some(look) => format!("a delivery report; Plivo is asked at {}", text(look)),
            None => "a delivery report".into(),
        },
        Status::Delivered
        | Status::Undelivered
        | Status::Failed
        | Status::Expired
        | Status::Canceled => return None,
    };
    Some(said)
}

/// Where a URL leads, without its user, path and query, which may hold secrets.
fn origin(relay: &str) -> String {
    // The form of the call may stand before it.
    let url = relay.find("http").map_or(relay, |at| &relay[at..]);
    let unreadable = |_| "a URL that cannot be read".into();
    Url::parse(url).map_or_else(unreadable, |url| url.origin().ascii_serialization())
}

/// RFC 3339, in milliseconds.
fn text(at: Timestamp) -> String {
    let known = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    known.map_or_else(|| "beyond all calendars".into(), |instant| format!("{instant:.3}"))
}

#[cfg(test)]
mod tests {
    use message::{Dedup, MediaUrl, Message, MessageId, Segments, Sender};

    use super::*;

    fn record(status: Status) -> Record {
        let message = Message {
            media_urls: vec![MediaUrl::parse("https://cdn.example.com/a.jpg?t=x", "").unwrap().0],
            intent: "otp".into(),
            dedup: Dedup::Off,
            tags: vec![("call".into(), "14155550199".into()), ("4155550177".into(), "x".into())],
            ..Message::plain(
                MessageId("01a2".into()),
                E164::parse("+14155550123", "").unwrap(),
                Sender::parse("+14155551212", "").unwrap(),
                "swordfish",
            )
        };
        let segments = Segments::of("swordfish");
        let of = Record::of(&message, segments, "demo", "messages", Timestamp(1), Timestamp(2));
        let (text, relay) = (Some("swordfish".into()), Some("https://u@a.b/c?token=hush".into()));
        Record { status, text, relay, ..of }
    }

    #[test]
    fn a_number_in_an_intent_is_masked_and_another_word_is_not() {
        let shown = |intent: &str| masked(json!({"intent": intent}))["intent"].clone();
        assert_eq!(shown("of-14155550123-x4155550199"), "of-141•-x415•");
        assert_eq!(shown("sale-2026-11"), "sale-2026-11");
        assert_eq!(shown("größe-123456"), "größe-123456");
    }

    #[test]
    fn without_the_token_no_number_and_no_content_is_shown() {
        let record = record(Status::Submitted);
        let shown = masked(whole(&record, &[], false)).to_string();
        for hidden in [
            "4155550123",
            "4155551212",
            "4155550199",
            "4155550177",
            "swordfish",
            "cdn.example",
            "hush",
        ] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
        let shown = whole(&record, &[], true).to_string();
        for there in ["+14155550123", "14155550199", "swordfish", "cdn.example"] {
            assert!(shown.contains(there), "no {there} in {shown}");
        }
        assert!(
            shown.contains("\"events_go_to\":\"https://a.b\"") && !shown.contains("hush"),
            "{shown}"
        );
    }

    #[test]
    fn of_every_state_it_is_told_what_it_waits_for_until_it_has_ended() {
        for status in Status::ALL {
            let told = waits_for(&record(status), Timestamp(5));
            assert_eq!(told.is_none(), status.is_final(), "{status:?}: {told:?}");
        }
        let later = Record { not_before: Some(Timestamp(9)), ..record(Status::Waiting) };
        let told = waits_for(&later, Timestamp(5)).unwrap();
        assert_eq!(told, "its not_before: 1970-01-01T00:00:00.009Z");
        let shut = Record { error_code: Some("unreachable".into()), ..record(Status::Waiting) };
        assert_eq!(
            waits_for(&shut, Timestamp(5)).unwrap(),
            "Plivo's breaker, or its sender's: unreachable"
        );
        let at = Some(Timestamp(9));
        for (code, told) in [
            (
                "quiet.deferred",
                "a policy that put it off (quiet.deferred): 1970-01-01T00:00:00.009Z",
            ),
            (
                "policy.module_failed",
                "a policy that could not decide (policy.module_failed), and is asked again",
            ),
        ] {
            let late = Record { error_code: Some(code.into()), next_try: at, ..later.clone() };
            assert_eq!(waits_for(&late, Timestamp(5)).unwrap(), told);
        }
        let gone = Record { error_code: Some(NO_ACCOUNT.into()), ..record(Status::Waiting) };
        let told = waits_for(&gone, Timestamp(5)).unwrap();
        assert_eq!(told, "its account `default`, which the configuration does not have");
    }
}
