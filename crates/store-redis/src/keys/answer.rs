//! Answers as the server keeps them.

use message::MessageId;
use redis::Value;
use serde_json::json;
use store::StoredAnswer;

use super::SharedError;

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
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    let message = text(message)?;
    Some(StoredAnswer {
        status: redis::from_redis_value_ref(status).ok()?,
        headers: serde_json::from_str(&text(headers)?).ok()?,
        body: redis::from_redis_value_ref(body).ok()?,
        message: (!message.is_empty()).then(|| MessageId(message.into())),
    })
}
