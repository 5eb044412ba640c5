//! Members of Plivo's JSON, each read by itself: one of another shape than Plivo documents is as one that is missing, and
//! hides nothing of what stands beside it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A text, or a number's digits as one.
pub(crate) fn digits(value: Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        other => text(other),
    }
}

pub(crate) fn listed(value: Value) -> impl Iterator<Item = Value> {
    match value {
        Value::Array(values) => values.into_iter(),
        _ => Vec::new().into_iter(),
    }
}

/// A word or a number, or nothing.
pub(crate) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    code(deserializer).map(Option::unwrap_or_default)
}

/// The same, where nothing is told apart from an empty word.
pub(crate) fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(deserializer).map(digits)
}

/// How many, in digits or as a number.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Value::deserialize(deserializer).map(|value| digits(value)?.parse().ok())
}
