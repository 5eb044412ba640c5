//! Instants as a file writes them.

use message::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, written as RFC 3339.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) Timestamp);

/// An instant in quotes, or bare as TOML has them.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "is not an instant such as \"2026-01-05T12:00:00Z\", from 1970 to 9998"
)]
enum Written {
    Text(String),
    Toml {
        #[serde(rename = "$__toml_private_datetime")]
        text: String,
    },
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) | Written::Toml { text } => text,
        };
        let instant = text.parse::<jiff::Timestamp>().ok();
        let ms = instant.and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
        let unfit = || {
            D::Error::custom(
                "is not an instant such as \"2026-01-05T12:00:00Z\", from 1970 to 9998",
            )
        };
        ms.map(|ms| Self(Timestamp(ms))).ok_or_else(unfit)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&instant)
    }
}
