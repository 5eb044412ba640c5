//! One scripted answer.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// Longest hang and longest time without a listener.
const LONGEST: Duration = Duration::from_secs(600);
/// Most UUIDs in the answer to one recipient.
const MOST_IDS: usize = 10;

/// How one later message POST is answered. What is not said stays as Plivo would have it.
///
/// Whether the message is really queued follows from the answer, unless [`queue`](Self::queue) says otherwise: it is
/// when the answer would be a 2xx, and is not for any other status, a reset or a close. Queueing comes first, then the
/// hang, then the hold, then the answer or the fault.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// The status, 200 to 999.
    pub status: Option<u16>,
    /// The body: a string becomes Plivo's `error`, anything else is sent as it is.
    pub body: Option<Value>,
    /// The body, whatever it is, as `text/html`.
    pub raw: Option<String>,
    /// Headers added to the answer.
    pub headers: BTreeMap<String, String>,
    /// Milliseconds before the answer; at most ten minutes.
    pub hang_ms: u64,
    /// Waits for the next release.
    pub hold: bool,
    /// Reads the whole request, then resets the connection (RST).
    pub reset: bool,
    /// Reads the whole request, then closes the connection (FIN) without a byte.
    pub close: bool,
    /// Sends the head and the first half of the body, then closes.
    pub truncate: bool,
    /// Whether the message is really queued.
    pub queue: Option<bool>,
    /// So many UUIDs for one recipient, 1 to 10.
    pub multiple_ids: Option<usize>,
    /// Serves no request: at once, when scripted, refuses every connection for so many milliseconds.
    pub refuse_connections_ms: Option<u64>,
}

/// Why a step cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The status is not one of an answer.
    #[error("`status` is {0}; give 200 to 999")]
    Status(u16),
    /// Two that exclude each other.
    #[error("`{0}` and `{1}` exclude each other; give one")]
    Both(&'static str, &'static str),
    /// A number beyond its bound.
    #[error("`{0}` is above its bound of {1}")]
    TooMuch(&'static str, u64),
    /// A header that HTTP does not allow.
    #[error("`headers` has a name or value that HTTP does not allow, at `{0}`")]
    Header(String),
    /// More steps than a script holds, those that wait and the new ones together.
    #[error("the script would have {steps} steps; it holds at most {most}")]
    Full {
        /// How many it would have.
        steps: usize,
        /// How many it holds.
        most: usize,
    },
}

impl Step {
    /// Answers with `status`, and queues nothing unless it is a 2xx.
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Resets the connection after the whole request, and queues nothing.
    pub fn reset() -> Self {
        Self { reset: true, ..Self::default() }
    }

    /// Closes the connection after the whole request, and queues nothing.
    pub fn close() -> Self {
        Self { close: true, ..Self::default() }
    }

    /// Holds the answer until it is released; the message is queued already.
    pub fn hold() -> Self {
        Self { hold: true, ..Self::default() }
    }

    /// Answers after `time`; the message is queued already.
    pub fn hang(time: Duration) -> Self {
        Self { hang_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX), ..Self::default() }
    }

    /// Cuts the answer short; the message is queued already.
    pub fn truncate() -> Self {
        Self { truncate: true, ..Self::default() }
    }

    /// The same step with the message really queued.
    #[must_use]
    pub fn queued(self) -> Self {
        Self { queue: Some(true), ..self }
    }

    /// The same step with nothing queued.
    #[must_use]
    pub fn not_queued(self) -> Self {
        Self { queue: Some(false), ..self }
    }

    /// The same step with this body: a string becomes Plivo's `error`.
    #[must_use]
    pub fn with_body(self, body: impl Into<Value>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// The same step with this body as it stands.
    #[must_use]
    pub fn with_raw(self, raw: impl Into<String>) -> Self {
        Self { raw: Some(raw.into()), ..self }
    }

    /// The same step with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Reads an object; the error says what is wrong.
    pub(crate) fn read(value: Value) -> Result<Self, String> {
        if value.is_array() {
            return Err("not a step: a list, and no object".to_owned());
        }
        serde_json::from_value(value).map_err(|err| format!("not a step: {err}"))
    }

    pub(crate) fn check(&self) -> Result<(), StepError> {
        if let Some(status) = self.status.filter(|status| !(200..=999).contains(status)) {
            return Err(StepError::Status(status));
        }
        let endings = [("reset", self.reset), ("close", self.close), ("truncate", self.truncate)];
        let mut chosen = endings.iter().filter(|(_, chosen)| *chosen).map(|(name, _)| *name);
        if let (Some(first), Some(second)) = (chosen.next(), chosen.next()) {
            return Err(StepError::Both(first, second));
        }
        if self.body.is_some() && self.raw.is_some() {
            return Err(StepError::Both("body", "raw"));
        }
        let longest = u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX);
        for (name, ms) in [
            ("hang_ms", self.hang_ms),
            ("refuse_connections_ms", self.refuse_connections_ms.unwrap_or(0)),
        ] {
            if ms > longest {
                return Err(StepError::TooMuch(name, longest));
            }
        }
        if self.multiple_ids.is_some_and(|ids| !(1..=MOST_IDS).contains(&ids)) {
            return Err(StepError::TooMuch("multiple_ids", MOST_IDS as u64));
        }
        self.header_pairs().map(|_| ())
    }

    /// Whether the message is really queued.
    pub(crate) fn queues(&self) -> bool {
        let answered_well = self.status.is_none_or(|status| (200..300).contains(&status));
        self.queue.unwrap_or(answered_well && !self.reset && !self.close)
    }

    pub(crate) fn status_code(&self) -> Option<StatusCode> {
        self.status.and_then(|status| StatusCode::from_u16(status).ok())
    }

    pub(crate) fn header_pairs(&self) -> Result<Vec<(HeaderName, HeaderValue)>, StepError> {
        self.headers
            .iter()
            .map(|(name, value)| {
                let wrong = || StepError::Header(name.clone());
                let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
                Ok((header, HeaderValue::from_str(value).map_err(|_| wrong())?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Step {
        serde_json::from_str(json).unwrap_or_else(|err| panic!("{json}: {err}"))
    }

    #[test]
    fn a_fault_queues_nothing_unless_it_says_so() {
        for (json, queues) in [
            (r#"{"status":500}"#, false),
            (r#"{"status":202,"raw":"<html>"}"#, true),
            (r#"{"reset":true}"#, false),
            (r#"{"close":true}"#, false),
            (r#"{"queue":true,"reset":true}"#, true),
            (r#"{"queue":true,"status":500}"#, true),
            (r#"{"truncate":true}"#, true),
            (r#"{"hang_ms":9000}"#, true),
            (r#"{"hold":true,"queue":false}"#, false),
            (r#"{"headers":{"retry-after":"2"}}"#, true),
        ] {
            assert_eq!(read(json).queues(), queues, "{json}");
        }
    }

    #[test]
    fn a_step_that_cannot_be_played_is_refused_by_name() {
        for (json, error) in [
            (r#"{"status":99}"#, StepError::Status(99)),
            (r#"{"status":101}"#, StepError::Status(101)),
            (r#"{"reset":true,"close":true}"#, StepError::Both("reset", "close")),
            (r#"{"body":"x","raw":"x"}"#, StepError::Both("body", "raw")),
            (r#"{"hang_ms":600001}"#, StepError::TooMuch("hang_ms", 600_000)),
            (r#"{"multiple_ids":11}"#, StepError::TooMuch("multiple_ids", 10)),
            (r#"{"headers":{"a b":"c"}}"#, StepError::Header("a b".to_owned())),
        ] {
            assert_eq!(read(json).check(), Err(error), "{json}");
        }
    }

    #[test]
    fn an_unknown_member_is_refused() {
        let err = serde_json::from_str::<Step>(r#"{"stauts":500}"#).unwrap_err();
        assert!(err.to_string().contains("stauts"), "{err}");
    }
}
