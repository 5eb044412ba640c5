//! Answers in Plivo's form: one-line JSON, always with `api_id` but on 401.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::Full;
use hyper::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(crate) type Reply = Response<Full<Bytes>>;

/// A fresh `api_id`.
pub(crate) fn api_id() -> String {
    Uuid::new_v4().to_string()
}

/// `body` as JSON.
pub(crate) fn json(status: StatusCode, body: &Value) -> Reply {
    with_type(status, "application/json", body.to_string())
}

/// `members` with an `api_id` beside them.
pub(crate) fn ok(members: Value) -> Reply {
    let mut body = match members {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    body.insert("api_id".to_owned(), api_id().into());
    json(StatusCode::OK, &Value::Object(body))
}

/// Plivo's error form. The body of a 401 has no `api_id`.
pub(crate) fn error(status: StatusCode, text: &str) -> Reply {
    match status {
        StatusCode::UNAUTHORIZED => json(status, &json!({ "error": text })),
        _ => json(status, &json!({ "api_id": api_id(), "error": text })),
    }
}

/// Plivo's error form with the text usual for `status`. All but that of 401 are guesses.
pub(crate) fn usual_error(status: StatusCode) -> Reply {
    let text = match status {
        StatusCode::UNAUTHORIZED => "authentication credentials were not provided",
        StatusCode::PAYMENT_REQUIRED => "InsufficientCredit",
        StatusCode::FORBIDDEN => "geo-permission to the destination country is not enabled",
        StatusCode::NOT_FOUND => "not found",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::PAYLOAD_TOO_LARGE => "request entity too large",
        StatusCode::INTERNAL_SERVER_ERROR => "internal server error",
        status => status.canonical_reason().unwrap_or("error"),
    };
    error(status, text)
}

/// 405 with `allow`.
pub(crate) fn method_not_allowed(methods: &[Method]) -> Reply {
    let mut reply = usual_error(StatusCode::METHOD_NOT_ALLOWED);
    let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if let Ok(allow) = HeaderValue::from_str(&allow.join(", ")) {
        reply.headers_mut().insert(ALLOW, allow);
    }
    reply
}

/// An instant as `Date` has it (RFC 9110, 5.6.7).
pub(crate) fn date(at: Timestamp) -> HeaderValue {
    let text = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Any body of any type.
pub(crate) fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
