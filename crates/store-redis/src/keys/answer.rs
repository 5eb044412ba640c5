//! Answers as the server keeps and gives them.

use std::time::Duration;

use message::MessageId;
use redis::Value;
use serde_json::json;
use store::{Fingerprint, StoredAnswer};

use super::{Lease, SharedClaim, SharedError};

/// Most bytes of one answer, headers and body together; the store's own number.
const ANSWER_BYTES: usize = 16 << 20;

/// The fields of an answer.
pub(super) struct Fields<'a> {
    pub(super) status: u16,
    /// JSON.
    pub(super) headers: String,
    pub(super) body: &'a [u8],
    /// Empty for none.
    pub(super) message: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(answer: &'a StoredAnswer) -> Result<Self, SharedError> {
        let headers = json!(answer.headers).to_string();
        if answer.body.len() + headers.len() > ANSWER_BYTES {
            return Err(SharedError::Invalid("an answer to keep is above 16 MiB"));
        }
        let message = answer.message.as_ref().map_or("", |id| &*id.0);
        Ok(Self { status: answer.status, headers, body: &answer.body, message })
    }
}

/// The answer of `status`, `headers`, `body` and `message`.
pub(super) fn read(fields: &[Value]) -> Option<StoredAnswer> {
    let [status, headers, body, message] = fields else { return None };
    let message = text(message)?;
    Some(StoredAnswer {
        status: redis::from_redis_value_ref(status).ok()?,
        headers: serde_json::from_str(&text(headers)?).ok()?,
        body: redis::from_redis_value_ref(body).ok()?,
        message: (!message.is_empty()).then(|| MessageId(message.into())),
    })
}

/// What the answer to a claim means.
pub(super) fn of_claim(
    mut claimed: Lease,
    fingerprint: &Fingerprint,
    answer: Value,
) -> Result<SharedClaim, SharedError> {
    let anothers = read_claim(fingerprint, answer, || claimed.is_not_open())?;
    Ok(anothers.unwrap_or(SharedClaim::New(claimed)))
}

/// What it says of a key that is another's, which `is_not_ours` is told, also where no more of it can be read; nothing
/// where the key is new.
pub(crate) fn read_claim(
    fingerprint: &Fingerprint,
    answer: Value,
    is_not_ours: impl FnOnce(),
) -> Result<Option<SharedClaim>, SharedError> {
    let unreadable = || SharedError::Unavailable("its answer cannot be read".into());
    let answer: Vec<Value> = redis::from_redis_value(answer).map_err(|_| unreadable())?;
    let (word, rest) = answer.split_first().ok_or_else(unreadable)?;
    let word = text(word);
    if word.as_deref() == Some("new") {
        return Ok(None);
    }
    is_not_ours();
    let claim = match (word.as_deref(), rest) {
        (Some("other"), [theirs, flight @ ..]) => {
            let theirs = text(theirs).and_then(|text| Fingerprint::from_json(&text));
            let fields = fingerprint.differences(&theirs.ok_or_else(unreadable)?);
            match flight {
                [] => Ok(SharedClaim::Mismatch { fields }),
                [Value::Int(left)] => Ok(SharedClaim::Unlike { left: millis(*left), fields }),
                _ => Err(unreadable()),
            }
        }
        (Some("flight"), [Value::Int(left)]) => Ok(SharedClaim::InFlight { left: millis(*left) }),
        (Some("done"), fields) => read(fields).map(SharedClaim::Replay).ok_or_else(unreadable),
        _ => Err(unreadable()),
    };
    claim.map(Some)
}

fn millis(left: i64) -> Duration {
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

fn text(value: &Value) -> Option<String> {
    redis::from_redis_value_ref(value).ok()
}
