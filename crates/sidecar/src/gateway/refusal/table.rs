//! The one table that turns codes into statuses.

use http::StatusCode;
use policy_host::PolicyFailure;

/// The status of a code (messaging.md 3.9): 400 can never be right as written; 403, 409, 422 and 429 are this host's
/// rules; 503 is not now. Nothing else on the native doors turns a code into a status.
pub(crate) fn status_of(code: &str) -> StatusCode {
    let exact = match code {
        "phone.type_denied"
        | "sender.not_capable"
        | "text.too_many_segments"
        | "mms.empty_after_fallback"
        | "policy.refused"
        | "throttle.cost_exceeds_burst"
        | "idem.mismatch" => Some(StatusCode::UNPROCESSABLE_ENTITY),
        "sender.not_allowed" | "upstream.geo_denied" => Some(StatusCode::FORBIDDEN),
        "http.malformed_host" => Some(StatusCode::BAD_REQUEST),
        "http.not_found" | "message.not_found" => Some(StatusCode::NOT_FOUND),
        "http.method_not_allowed" => Some(StatusCode::METHOD_NOT_ALLOWED),
        "upstream.unavailable"
        | "upstream.untrusted"
        | "send.expired"
        | "idem.full"
        | "idem.unavailable" => Some(StatusCode::SERVICE_UNAVAILABLE),
        "budget.exceeded" => Some(StatusCode::TOO_MANY_REQUESTS),
        "idem.in_progress" | "idem.elsewhere" => Some(StatusCode::CONFLICT),
        "body.too_large" => Some(StatusCode::PAYLOAD_TOO_LARGE),
        "body.too_slow" => Some(StatusCode::REQUEST_TIMEOUT),
        "body.content_type" | "body.content_encoding" => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        "internal" => Some(StatusCode::INTERNAL_SERVER_ERROR),
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
pub(crate) fn failure_code(failure: &PolicyFailure) -> &'static str {
    match failure {
        PolicyFailure::Deadline => "policy.fuel_exhausted",
        PolicyFailure::IllegalAmend(_) => "policy.illegal_transform",
        _ => "policy.module_failed",
    }
}

/// Whether a code is the gateway's own, which no policy may speak in its name.
pub(crate) fn is_reserved(code: &str) -> bool {
    let first = code.split('.').next().unwrap_or_default();
    ["auth", "http", "idem", "internal", "message", "policy", "send", "spool", "upstream"]
        .contains(&first)
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
            ("http.malformed_host", 400),
            ("http.bad_host", 403),
            ("http.not_found", 404),
            ("http.method_not_allowed", 405),
            ("auth.invalid", 401),
            ("auth.other_account", 401),
            ("body.too_large", 413),
            ("body.too_slow", 408),
            ("body.incomplete", 400),
            ("body.content_encoding", 415),
            ("idem.bad_key", 400),
            ("idem.in_progress", 409),
            ("idem.mismatch", 422),
            ("idem.full", 503),
            ("idem.unavailable", 503),
            ("message.not_found", 404),
            ("send.would_expire", 422),
            ("send.expired", 503),
            ("policy.not_asked", 503),
            ("policy.refused", 422),
            ("spool.draining", 503),
            ("internal", 500),
        ] {
            assert_eq!(status_of(code).as_u16(), status, "{code}");
        }
    }
}
