//! Every ending without a send, and the one table that turns codes into statuses.

use std::time::Duration;

use http::StatusCode;
use message::{Fault, MessageId, Rejection};
use policy_host::{LimitReport, PolicyFailure};
use store::StoreError;

/// Why a request ended without a new send.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It can never be right as written; every fault.
    Malformed(Vec<Fault>),
    /// A policy said no.
    Rejected { policy: String, rejection: Box<Rejection>, standings: Vec<LimitReport> },
    /// A policy could not say, and the operator fails closed.
    PolicyFailed { policy: String, failure: PolicyFailure },
    /// Plivo said a definite no to an accepted message.
    Upstream { id: MessageId, code: &'static str },
    /// One of the gateway's own reasons.
    Plain(Plain),
}

/// The gateway's own reasons. Each has one code, one status, one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    BadHost,
    BadOrigin,
    NotFound,
    MethodNotAllowed(&'static str),
    AuthMissing,
    AuthInvalid,
    TooLarge(usize),
    TooSlow,
    Incomplete,
    ContentType,
    ContentEncoding,
    BadKey(&'static str),
    KeyRequired,
    KeyInProgress,
    KeysFull,
    KeysAway,
    WouldExpire,
    NotAsked,
    KeyMismatch(Vec<String>),
    NoSuchMessage,
    Full,
    LowSpace,
    StoreAway,
    Draining,
    Internal,
}

impl Refusal {
    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Malformed(faults) => {
                faults.first().map_or("body.bad_json", |fault| fault.code.as_str())
            }
            Self::Rejected { rejection, .. } => &rejection.code,
            Self::PolicyFailed { failure, .. } => failure_code(failure),
            Self::Upstream { code, .. } => code,
            Self::Plain(plain) => plain.code(),
        }
    }

    /// The status of the native doors. The Plivo-compatible door has a table of its own.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Plain(plain) => plain.status(),
            // Words of the gateway's own in a policy's mouth must not look like the gateway's.
            Self::Rejected { rejection, .. } if is_reserved(&rejection.code) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            other => status_of(other.code()),
        }
    }

    /// Its parts, where it has any.
    pub(crate) fn faults(&self) -> &[Fault] {
        match self {
            Self::Malformed(faults) => faults,
            Self::Rejected { rejection, .. } => &rejection.faults,
            _ => &[],
        }
    }

    /// A sentence for people.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Malformed(faults) if faults.len() == 1 => said(&faults[0]),
            Self::Malformed(faults) => {
                format!("{} faults in the request; see `errors`", faults.len())
            }
            Self::Rejected { rejection, .. } => rejection.detail.clone(),
            Self::PolicyFailed { policy, .. } => {
                format!(
                    "the policy `{policy}` could not decide, so nothing was sent; try again later"
                )
            }
            Self::Upstream { code: "spool.draining", .. } => {
                "the sidecar shut down before the message could be sent; nothing was sent".into()
            }
            Self::Upstream { code: "send.canceled", .. } => {
                "the message was taken back before it was sent".into()
            }
            Self::Upstream { code: "send.expired", .. } => {
                "the message could not be sent within its lifetime; nothing was sent".into()
            }
            Self::Upstream { .. } => {
                "the message was not taken by Plivo; its record has the reason".into()
            }
            Self::Plain(plain) => plain.detail(),
        }
    }

    /// When asking again can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { rejection, .. } => rejection.retry_after,
            Self::PolicyFailed { .. }
            | Self::Plain(
                Plain::Full
                | Plain::LowSpace
                | Plain::StoreAway
                | Plain::KeysFull
                | Plain::KeysAway
                | Plain::NotAsked
                | Plain::Draining,
            )
            | Self::Upstream { code: "upstream.unavailable" | "spool.draining", .. } => {
                Some(Duration::from_secs(5))
            }
            Self::Plain(Plain::KeyInProgress) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl Refusal {
    /// Too much waits already.
    pub(crate) fn full() -> Self {
        Self::Plain(Plain::Full)
    }

    /// Put off for longer than it may wait.
    pub(crate) fn would_expire() -> Self {
        Self::Plain(Plain::WouldExpire)
    }
}

impl Plain {
    /// Why a message could not be recorded.
    pub(crate) fn by_the_store(err: &StoreError) -> Self {
        match err {
            StoreError::Full => Self::Full,
            StoreError::LowSpace => Self::LowSpace,
            _ => Self::StoreAway,
        }
    }
}

impl From<Plain> for Refusal {
    fn from(plain: Plain) -> Self {
        Self::Plain(plain)
    }
}

impl Plain {
    fn code(&self) -> &'static str {
        match self {
            Self::BadHost => "http.bad_host",
            Self::BadOrigin => "http.bad_origin",
            Self::NotFound => "http.not_found",
            Self::MethodNotAllowed(_) => "http.method_not_allowed",
            Self::AuthMissing => "auth.missing",
            Self::AuthInvalid => "auth.invalid",
            Self::TooLarge(_) => "body.too_large",
            Self::TooSlow => "body.too_slow",
            Self::Incomplete => "body.incomplete",
            Self::ContentType => "body.content_type",
            Self::ContentEncoding => "body.content_encoding",
            Self::BadKey(_) => "idem.bad_key",
            Self::KeyRequired => "idem.key_required",
            Self::KeyInProgress => "idem.in_progress",
            Self::KeysFull => "idem.full",
            Self::KeysAway => "idem.unavailable",
            Self::WouldExpire => "send.would_expire",
            Self::NotAsked => "policy.not_asked",
            Self::KeyMismatch(_) => "idem.mismatch",
            Self::NoSuchMessage => "message.not_found",
            Self::Full => "spool.full",
            Self::LowSpace => "spool.low_space",
            Self::StoreAway => "spool.unavailable",
            Self::Draining => "spool.draining",
            Self::Internal => "internal",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadHost | Self::BadOrigin => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchMessage => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::AuthMissing | Self::AuthInvalid => StatusCode::UNAUTHORIZED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::ContentType | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Incomplete | Self::BadKey(_) | Self::KeyRequired => StatusCode::BAD_REQUEST,
            Self::KeyInProgress => StatusCode::CONFLICT,
            Self::KeyMismatch(_) | Self::WouldExpire => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Full
            | Self::LowSpace
            | Self::StoreAway
            | Self::KeysFull
            | Self::KeysAway
            | Self::NotAsked
            | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::BadHost => {
                "the Host header names neither loopback nor a configured host ([listen] hosts)"
                    .into()
            }
            Self::BadOrigin => "requests from web pages of another origin are not served".into(),
            Self::NotFound => {
                "there is nothing at this path; see GET /v1/policies and the README for the routes"
                    .into()
            }
            Self::MethodNotAllowed(allow) => format!("this path takes {allow} only"),
            Self::AuthMissing => {
                "send `Authorization: Bearer TOKEN`, or Basic with the app's name and token".into()
            }
            Self::AuthInvalid => "no app has this token".into(),
            Self::TooLarge(most) => format!("the body is larger than {most} bytes"),
            Self::TooSlow => "the body did not arrive in time".into(),
            Self::Incomplete => "the body ended before its announced length".into(),
            Self::ContentType => "send the body as application/json in UTF-8".into(),
            Self::ContentEncoding => "send the body without a content encoding".into(),
            Self::BadKey(why) => format!("the Idempotency-Key {why}"),
            Self::KeyRequired => {
                "this app must send an Idempotency-Key with every request (README, \"Send once\")"
                    .into()
            }
            Self::KeyInProgress => {
                "an equal request with this Idempotency-Key is still in flight".into()
            }
            Self::NotAsked => {
                "the policies failed or took too long on others of this request, so this one was not asked about"
                    .into()
            }
            Self::WouldExpire => {
                "its time would be over before the policies let it go; give it a longer ttl_s"
                    .into()
            }
            Self::KeysFull => "too many idempotency keys are kept; nothing was accepted".into(),
            Self::KeysAway => {
                "the store that replicas share cannot be asked for the Idempotency-Key; nothing was accepted"
                    .into()
            }
            Self::KeyMismatch(fields) => {
                format!(
                    "this Idempotency-Key was used for another request; different: {}",
                    fields.join(", ")
                )
            }
            Self::NoSuchMessage => "this app has no message with this id".into(),
            Self::Full => "too many messages are waiting; nothing was accepted".into(),
            Self::LowSpace => {
                "the disk that messages are kept on is nearly full; nothing was accepted".into()
            }
            Self::StoreAway => {
                "messages cannot be recorded now, so none is sent; see /readyz of the admin listener"
                    .into()
            }
            Self::Draining => "the sidecar is shutting down; nothing was accepted".into(),
            Self::Internal => {
                "an unexpected fault inside the sidecar; its log has the reason".into()
            }
        }
    }
}

/// The only place where the code of a fault, a policy or an outcome becomes a status (messaging.md 3.9): 400 can never be right as written; 403, 409, 422 and
/// 429 are this host's rules; 503 is not now.
pub(crate) fn status_of(code: &str) -> StatusCode {
    let exact = match code {
        "phone.type_denied"
        | "sender.not_capable"
        | "text.too_many_segments"
        | "mms.empty_after_fallback"
        | "throttle.cost_exceeds_burst"
        | "idem.mismatch" => Some(StatusCode::UNPROCESSABLE_ENTITY),
        "sender.not_allowed" | "upstream.geo_denied" => Some(StatusCode::FORBIDDEN),
        "upstream.unavailable" | "upstream.untrusted" | "send.expired" => {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
        "budget.exceeded" => Some(StatusCode::TOO_MANY_REQUESTS),
        "idem.in_progress" => Some(StatusCode::CONFLICT),
        "body.too_large" => Some(StatusCode::PAYLOAD_TOO_LARGE),
        "body.content_type" => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        _ => None,
    };
    exact.unwrap_or_else(|| match code.split('.').next().unwrap_or_default() {
        "body" | "phone" | "url" | "text" | "media" | "ttl" | "sender" | "idem" => {
            StatusCode::BAD_REQUEST
        }
        "auth" => StatusCode::UNAUTHORIZED,
        "country" | "optout" | "trial" | "relay" | "http" => StatusCode::FORBIDDEN,
        "dup" => StatusCode::CONFLICT,
        "throttle" | "fraud" => StatusCode::TOO_MANY_REQUESTS,
        "spool" | "policy" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    })
}

/// The code that an app sees of a policy's failure; the kind is in `policy.failure`, the reason in the log.
fn failure_code(failure: &PolicyFailure) -> &'static str {
    match failure {
        PolicyFailure::Deadline => "policy.fuel_exhausted",
        PolicyFailure::IllegalAmend(_) => "policy.illegal_transform",
        _ => "policy.module_failed",
    }
}

fn is_reserved(code: &str) -> bool {
    let first = code.split('.').next().unwrap_or_default();
    ["auth", "http", "idem", "internal", "message", "policy", "send", "spool", "upstream"]
        .contains(&first)
}

fn said(fault: &Fault) -> String {
    match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("`{pointer}` {}", fault.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::status_of;

    #[test]
    fn each_code_has_the_status_of_the_reference_table() {
        for (code, status) in [
            ("phone.not_e164", 400),
            ("phone.type_denied", 422),
            ("url.ip_private", 400),
            ("text.too_long", 400),
            ("text.too_many_segments", 422),
            ("sender.ambiguous", 400),
            ("sender.not_capable", 422),
            ("country.denied", 403),
            ("trial.not_verified", 403),
            ("optout.suppressed", 403),
            ("dup.content", 409),
            ("throttle.app", 429),
            ("throttle.cost_exceeds_burst", 422),
            ("fraud.velocity", 429),
            ("budget.exceeded", 429),
            ("mms.empty_after_fallback", 422),
            ("policy.module_failed", 503),
            ("quiet.would_expire", 422),
            ("acme.any_word", 422),
            ("office_hours", 422),
        ] {
            assert_eq!(status_of(code).as_u16(), status, "{code}");
        }
    }
}
