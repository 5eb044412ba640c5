//! Answers as they are kept under a key.

use std::ops::RangeInclusive;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use message::{MessageId, without_grouped_numbers};
use serde_json::Value;
use store::StoredAnswer;

use super::super::super::answer::Answer;
use super::super::super::is_of_the_moment;

/// Digits of a number at least, and at most (E.164).
const DIGITS: RangeInclusive<usize> = 7..=15;

/// Members that repeat a recipient as it was given, which may be a number with a slip in it.
const GIVEN: [&str; 3] = ["to", "number", "invalid_number"];

/// `answer` with its numbers masked, where the store keeps none: an answer to several recipients names each.
pub(super) fn without_numbers(mut answer: StoredAnswer) -> StoredAnswer {
    if let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) {
        mask(&mut body, false);
        answer.body = body.to_string().into_bytes();
    }
    answer
}

fn mask(json: &mut Value, is_given: bool) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, is_given)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| mask(value, GIVEN.contains(&&**name)));
        }
        Value::String(text) => {
            let digits = text.strip_prefix('+').unwrap_or(text);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let shown = if is_number && DIGITS.contains(&digits.len()) {
                telemetry::masked(&format!("+{digits}")).into_owned()
            } else if is_given {
                without_grouped_numbers(&telemetry::masked(text))
            } else {
                telemetry::masked(text).into_owned()
            };
            *text = shown;
        }
        _ => {}
    }
}

/// `answer` as it is kept, for the message `id`.
pub(super) fn stored(answer: &Answer, id: &MessageId) -> StoredAnswer {
    let lasting = answer.headers.iter().filter(|(name, _)| !is_of_the_moment(name));
    let header = |(name, value): &(HeaderName, HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    StoredAnswer {
        status: answer.status.as_u16(),
        headers: lasting.map(header).collect(),
        body: answer.body.to_vec(),
        message: Some(id.clone()),
    }
}

/// An answer given again.
pub(super) fn replay(stored: StoredAnswer) -> Answer {
    let mut answer = Answer {
        status: StatusCode::from_u16(stored.status).unwrap_or(StatusCode::ACCEPTED),
        headers: Vec::new(),
        body: Bytes::from(stored.body),
    };
    for (name, value) in stored.headers {
        if let Ok(name) = HeaderName::try_from(name) {
            answer.set(name, value);
        }
    }
    answer.set(HeaderName::from_static("idempotent-replayed"), "true");
    answer
}

#[cfg(test)]
mod tests {
    use message::MessageId;
    use serde_json::{Value, json};
    use store::StoredAnswer;

    use super::without_numbers;

    #[test]
    fn a_recipient_with_a_slip_in_it_is_masked_as_one_without() {
        let body = json!({
            "messages": [{"to": "+14159990020", "id": "m"}, {"to": "4159990022x"}],
            "invalid_number": ["141599900170000000", "1415.999.0045 ext", "(415) 999-0046x"],
            "refused": [{"number": "abc9990008", "error": "is no number"}],
            "message_uuid": ["01a22461-1a22-764b-b9b9-d41d0371886d"],
        });
        let answer = StoredAnswer {
            status: 202,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            message: Some(MessageId("m1".into())),
        };

        let kept: Value = serde_json::from_slice(&without_numbers(answer).body).unwrap();

        assert_eq!(
            kept,
            json!({
                "messages": [{"to": "+1415•••0020", "id": "m"}, {"to": "415•x"}],
                "invalid_number": ["141•", "141• ext", "(415•x"],
                "refused": [{"number": "abc999•", "error": "is no number"}],
                "message_uuid": ["01a22461-1a22-764b-b9b9-d41d0371886d"],
            })
        );
    }
}
