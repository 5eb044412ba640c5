//! Problems of RFC 9457.

use http::StatusCode;
use message::{Fault, MessageId, Rejection, without_grouped_numbers};
use serde_json::{Value, json};
use tracing::Span;

use super::super::limits::Bound;
use super::super::refusal::{DOOR, Refuser};
use super::{Plain, Refusal, whole_seconds};

/// The problem document; `type` is a stable URN made of the code, or the registered type of rate limits. `instance` is
/// the message's record, or where there is none the request's trace.
pub(crate) fn document(refusal: &Refusal) -> Value {
    let code = refusal.code();
    let status = refusal.status();
    let mut body = json!({
        "type": problem_type(code, status),
        "title": title(refusal),
        "status": status.as_u16(),
        "detail": refusal.detail(),
        "code": code,
    });
    if let Some(trace) = telemetry::trace_id(&Span::current()) {
        body["instance"] = format!("urn:sendgate:trace:{trace}").into();
    }
    match refusal {
        Refusal::Malformed(faults) => {
            body["errors"] = errors(faults.told());
            if faults.more() > 0 {
                body["errors_omitted"] = faults.more().into();
            }
        }
        Refusal::Rejected { policy, rejection, standings } => {
            say(&mut body, policy, rejection);
            violated(&mut body, status, standings);
        }
        Refusal::TurnAfterDeadline { standings, .. } => violated(&mut body, status, standings),
        Refusal::RejectedLate { id, said, .. } => {
            if let Some((policy, rejection)) = said {
                say(&mut body, policy, rejection);
            }
            name(&mut body, id);
        }
        Refusal::PolicyFailed { policy, failure } => {
            body["policy"] = json!({
                "name": policy.name,
                "version": policy.version,
                "code": code,
                "failure": failure.as_str(),
            });
        }
        Refusal::Upstream { id, .. } => name(&mut body, id),
        Refusal::Plain(Plain::KeyMismatch(fields)) => {
            body["errors"] = fields
                .iter()
                .filter(|field| *field != DOOR)
                .map(|field| {
                    let detail = "is not what the first request with this Idempotency-Key had";
                    json!({"pointer": format!("/{field}"), "code": code, "detail": detail})
                })
                .collect();
        }
        Refusal::Plain(_) => {}
    }
    if let Some(wait) = refusal.retry_after() {
        body["retry_after_s"] = whole_seconds(wait).max(1).into();
    }
    body
}

/// The limits that refused it, by the names that they have in `RateLimit-Policy`
/// (draft-ietf-httpapi-ratelimit-headers-10, section 6).
fn violated(body: &mut Value, status: StatusCode, standings: &[Bound]) {
    let limits = standings.iter().map(|bound| &bound.report);
    let limits = limits.filter(|report| report.refused).map(|report| &*report.limit);
    let limits: Vec<&str> = limits.collect();
    if status == StatusCode::TOO_MANY_REQUESTS && !limits.is_empty() {
        body["violated-policies"] = json!(limits);
    }
}

/// What a policy said that refused the message.
fn say(body: &mut Value, policy: &Refuser, rejection: &Rejection) {
    body["policy"] = json!({"name": policy.name, "version": policy.version, "code": body["code"]});
    body["errors"] = errors(&rejection.faults);
    // A sentence about a member alone has no subject.
    if let [fault] = &rejection.faults[..]
        && fault.detail == rejection.detail
        && !fault.pointer.is_empty()
    {
        let pointer = without_grouped_numbers(&fault.pointer);
        body["detail"] = format!("`{pointer}` {}", fault.detail).into();
    }
    if let Some(earlier) = &rejection.earlier {
        body["earlier"] = earlier.0.to_string().into();
    }
}

/// The message that has a record by then.
fn name(body: &mut Value, id: &MessageId) {
    body["instance"] = format!("/v1/messages/{id}").into();
    body["id"] = id.0.to_string().into();
}

fn errors(faults: &[Fault]) -> Value {
    faults
        .iter()
        .map(|f| {
            // Policies name members as apps wrote them.
            let pointer = without_grouped_numbers(&f.pointer);
            json!({"pointer": pointer, "code": f.code, "detail": f.detail})
        })
        .collect()
}

pub(crate) fn problem_type(code: &str, status: StatusCode) -> String {
    match status {
        StatusCode::TOO_MANY_REQUESTS
            if code.starts_with("throttle.") || code.starts_with("budget.") =>
        {
            "https://iana.org/assignments/http-problem-types#quota-exceeded".into()
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "https://iana.org/assignments/http-problem-types#abnormal-usage-detected".into()
        }
        StatusCode::SERVICE_UNAVAILABLE if code.starts_with("spool.") => {
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".into()
        }
        _ => format!("urn:sendgate:problem:{code}"),
    }
}

const KEY: &str = "The Idempotency-Key does not fit";
const NOT_NOW: &str = "Nothing is accepted just now";

/// The same of every problem with one code, and of all that have one type (RFC 9457, section 3.1.3).
fn title(refusal: &Refusal) -> &'static str {
    if refusal.code().starts_with("spool.") {
        return NOT_NOW;
    }
    match refusal {
        Refusal::Malformed(_) => match refusal.status() {
            StatusCode::BAD_REQUEST => "The request is malformed",
            StatusCode::FORBIDDEN => "The app may not ask for this",
            _ => "The request cannot be carried out",
        },
        Refusal::Rejected { .. } | Refusal::RejectedLate { .. } => "A policy refused the message",
        Refusal::PolicyFailed { .. } => "A policy could not decide",
        Refusal::Upstream { code, .. } => match *code {
            "idem.elsewhere" => KEY,
            "send.unresolved" | "send.canceled_in_doubt" => {
                "Whether Plivo took the message is unknown"
            }
            code if code.starts_with("send.") => "The message was not sent",
            _ => "Plivo did not take the message",
        },
        Refusal::TurnAfterDeadline { .. } => "The request cannot be served",
        Refusal::Plain(plain) => match plain {
            Plain::AuthMissing | Plain::AuthInvalid | Plain::AuthTwice | Plain::OtherAccount => {
                "The app is not known"
            }
            Plain::BadHost | Plain::BadOrigin => "The request comes from the wrong place",
            Plain::KeyInProgress
            | Plain::KeyMismatch(_)
            | Plain::BadKey(_)
            | Plain::KeyRequired => KEY,
            _ => "The request cannot be served",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_that_of_the_code_and_not_of_somebody_else() {
        let titled = |code| {
            let id = MessageId("m1".into());
            title(&Refusal::Upstream { id, code, wait: None })
        };
        for (code, wanted) in [
            ("upstream.rejected", "Plivo did not take the message"),
            ("send.canceled", "The message was not sent"),
            ("send.expired", "The message was not sent"),
            ("send.unresolved", "Whether Plivo took the message is unknown"),
            ("send.canceled_in_doubt", "Whether Plivo took the message is unknown"),
        ] {
            assert_eq!(titled(code), wanted, "{code}");
        }
        for plain in [Plain::Full, Plain::LowMemory, Plain::Draining] {
            assert_eq!(title(&Refusal::Plain(plain)), NOT_NOW);
        }
        for plain in [Plain::Draining, Plain::KeyInProgress] {
            let refusal = Refusal::Plain(plain.clone());
            let code = match plain {
                Plain::Draining => "spool.draining",
                _ => "idem.elsewhere",
            };
            assert_eq!(titled(code), title(&refusal), "{code}");
        }
    }
}
