//! Answers as they are kept under a key.

use std::ops::RangeInclusive;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use message::MessageId;
use serde_json::Value;
use store::StoredAnswer;

use super::super::super::answer::Answer;
use super::super::super::is_of_the_moment;

/// Digits of a number at least, and at most (E.164).
const DIGITS: RangeInclusive<usize> = 7..=15;

/// `answer` with its numbers masked, where the store keeps none: an answer to several recipients names each.
pub(super) fn without_numbers(mut answer: StoredAnswer) -> StoredAnswer {
    if let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) {
        mask(&mut body);
        answer.body = body.to_string().into_bytes();
    }
    answer
}

fn mask(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        Value::String(text) => {
            let digits = text.strip_prefix('+').unwrap_or(text);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let shown = if is_number && DIGITS.contains(&digits.len()) {
                telemetry::masked(&format!("+{digits}")).into_owned()
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
