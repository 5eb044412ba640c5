//! An event as a CloudEvent.
//!
//! Source: CloudEvents 1.0.2, "JSON Event Format", with the extensions for distributed tracing and sequence.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp as Instant;
use message::{E164, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use store::{Event, Record};

use super::Source;
use crate::reports::codes;

/// Bytes of an id: 128 bits.
const ID: usize = 16;

/// The id that an event has each time it is told: of its message, its state, and its place among all events.
pub(super) fn id(event: &Event) -> String {
    let mut hash = Sha256::new();
    for part in [event.message.0.as_bytes(), event.state.as_str().as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(event.number.to_be_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&hash.finalize()[..ID])
}

/// The event, with what its message's record says; a record may be gone before its events are.
pub(super) fn json(event: &Event, record: Option<&Record>, source: &Source) -> Value {
    let mut body = json!({
        "specversion": "1.0",
        "id": id(event),
        "source": source.urn(),
        "type": format!("sms.message.{}.v1", event.state.as_str()),
        "subject": event.message.0,
        "time": instant(event.at),
        "datacontenttype": "application/json",
        // Ordered as text, too, which is how the extension is compared.
        "sequence": format!("{:020}", event.number),
        "data": data(event, record),
    });
    if let Some(traceparent) = record.and_then(|record| record.traceparent.as_deref()) {
        body["traceparent"] = traceparent.into();
    }
    body
}

fn data(event: &Event, record: Option<&Record>) -> Value {
    let known = event.code.as_deref().and_then(codes::of_plivo);
    let mut data = json!({
        "id": event.message.0,
        "app": event.app,
        "status": event.state.as_str(),
        "status_simple": event.state.simple().as_str(),
        "error_code": event.code,
        "error_kind": known.map(|known| known.code),
        "error_meaning": known.map(|known| known.meaning),
        "may_resend": known.map(|known| known.may_resend),
    });
    if let Some(record) = record {
        let report = record.report.as_ref();
        let amount = report.and_then(|report| report.total_amount.as_deref());
        let tags = record.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
        data["to"] = record.to.as_ref().map(E164::as_str).into();
        data["from"] = record.sender.as_str().into();
        data["type"] = record.kind.as_str().into();
        data["message_uuid"] = record.message_uuid.as_deref().into();
        data["segments"] = record.segments.count.into();
        data["units"] = report.and_then(|report| report.units).into();
        data["price"] =
            amount.map_or(Value::Null, |amount| json!({"amount": amount, "currency": "USD"}));
        data["tags"] = Value::Object(tags.collect::<Map<_, _>>());
        data["attempts"] = record.attempts.last().map_or(0, |last| last.number).into();
    }
    data
}

/// RFC 3339, in milliseconds.
fn instant(at: Timestamp) -> Value {
    let instant = i64::try_from(at.0).ok().and_then(|ms| Instant::from_millisecond(ms).ok());
    instant.map_or(Value::Null, |instant| format!("{instant:.3}").into())
}

#[cfg(test)]
mod tests {
    use store::{ReportFacts, Secret, Status};

    use super::*;
    use crate::relay::testing::{event, record};

    fn source() -> Source {
        Source::named(&Secret::from_words(b"words"), "a")
    }

    #[test]
    fn an_event_has_what_cloudevents_asks_for_and_what_is_known_of_its_message() {
        let mut record = record("m1");
        record.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        record.message_uuid = Some("u1".into());
        record.tags = vec![("order".into(), "7".into())];
        record.report = Some(ReportFacts {
            status: "undelivered".into(),
            units: Some(2),
            total_amount: Some("0.01000".into()),
            ..ReportFacts::default()
        });
        let mut told = event(7, "m1", Status::Undelivered);
        told.code = Some("200".into());

        let body = json(&told, Some(&record), &source());

        let expected = json!({
            "specversion": "1.0",
            "id": id(&told),
            "source": source().urn(),
            "type": "sms.message.undelivered.v1",
            "subject": "m1",
            "time": "2026-05-28T20:26:40.000Z",
            "datacontenttype": "application/json",
            "sequence": "00000000000000000007",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "data": {
                "id": "m1",
                "app": "demo",
                "status": "undelivered",
                "status_simple": "failed",
                "error_code": "200",
                "error_kind": "optout.recipient",
                "error_meaning": "the recipient has opted out",
                "may_resend": false,
                "to": "+14155550123",
                "from": "+14155551212",
                "type": "sms",
                "message_uuid": "u1",
                "segments": 1,
                "units": 2,
                "price": {"amount": "0.01000", "currency": "USD"},
                "tags": {"order": "7"},
                "attempts": 0,
            },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_event_without_a_record_tells_what_it_knows_itself() {
        let body = json(&event(1, "m1", Status::Delivered), None, &source());
        assert_eq!(body["data"]["status_simple"], "delivered");
        assert_eq!((&body["data"]["to"], body.get("traceparent")), (&Value::Null, None));
    }

    #[test]
    fn an_id_is_the_same_each_time_and_no_other_events() {
        let told = event(1, "m1", Status::Held);
        let again = Event { tries: 5, fault: Some("x".into()), ..told.clone() };
        assert_eq!(id(&told), id(&again));
        let others = [
            event(2, "m1", Status::Held),
            event(1, "m2", Status::Held),
            event(1, "m1", Status::Failed),
        ];
        for other in &others {
            assert_ne!(id(&told), id(other), "{other:?}");
        }
    }
}
