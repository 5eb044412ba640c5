//! What an answer to a send means.

use std::time::{Duration, SystemTime};

use message::E164;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::member::{digits, listed, text};
use crate::outcome::{InDoubt, InDoubtKind, Outcome, Receipt, Refused, RefusedKind};

/// Most bytes of an answer that are read; a longer one counts as unreadable.
pub(crate) const MOST_BYTES: usize = 256 * 1024;
/// Longest `Retry-After` that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Most characters of an id that is believed.
const MOST_ID: usize = 128;

/// What was called for, and how Plivo's words are read that may repeat it.
pub(crate) struct Call<'a> {
    pub(crate) to: &'a E164,
    /// Makes words fit for a log.
    pub(crate) shown: &'a dyn Fn(&str) -> String,
    /// Whether an id is none, but what we said.
    pub(crate) repeats: &'a dyn Fn(&str) -> bool,
}

/// Plivo's answers to a send, good and bad.
struct Body {
    api_id: Option<String>,
    message_uuid: Vec<String>,
    invalid_number: Vec<String>,
    error: String,
}

impl Body {
    /// Each member by itself: one of another shape than Plivo documents must not hide an id beside it.
    fn read(json: &[u8]) -> Option<Self> {
        let Value::Object(mut members) = serde_json::from_slice(json).ok()? else { return None };
        let mut take = |name| members.remove(name).unwrap_or_default();
        Some(Self {
            api_id: text(take("api_id")),
            message_uuid: listed(take("message_uuid")).filter_map(text).collect(),
            invalid_number: listed(take("invalid_number")).filter_map(digits).collect(),
            error: text(take("error")).unwrap_or_default(),
        })
    }
}

/// Classes an answer. `body` is `None` where it could not be read to its end.
pub(crate) fn outcome(
    status: u16,
    headers: &HeaderMap,
    body: Option<&[u8]>,
    call: &Call<'_>,
) -> Outcome {
    let shown = call.shown;
    let body = body.and_then(Body::read);
    match status {
        200..=299 => taken(status, body, call),
        503 => {
            refused(status, RefusedKind::Shed { retry_after: retry_after(headers) }, body, shown)
        }
        // What is no status is to be taken as one of 5xx (RFC 9110, section 15).
        500.. => in_doubt(InDoubtKind::Status { status }),
        _ => refused(status, kind(status, headers, body.as_ref()), body, shown),
    }
}

/// `Retry-After` in either of its forms (RFC 9110, section 10.2.3), at most a day.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // More than fits.
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            LONGEST_WAIT
        }
        // A date is told by Plivo's clock, which the same answer shows. One that has passed means now.
        Err(_) => {
            let shown = headers.get(DATE).and_then(|date| date.to_str().ok());
            let shown = shown.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(shown.unwrap_or_else(SystemTime::now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

fn taken(status: u16, body: Option<Body>, call: &Call<'_>) -> Outcome {
    let Some(body) = body else { return in_doubt(InDoubtKind::NoUuid { status }) };
    if body.invalid_number.iter().any(|number| names(number, call.to)) {
        return refused(status, RefusedKind::InvalidRecipient, Some(body), call.shown);
    }
    let is_own = |id: &String| is_id(id) && !(call.repeats)(id);
    let mut uuids = body.message_uuid.into_iter().filter(is_own);
    match uuids.next() {
        Some(message_uuid) => Outcome::Accepted(Receipt {
            status,
            api_id: body.api_id.filter(is_own),
            message_uuid,
            extra_uuids: uuids.collect(),
        }),
        None => in_doubt(InDoubtKind::NoUuid { status }),
    }
}

fn kind(status: u16, headers: &HeaderMap, body: Option<&Body>) -> RefusedKind {
    match status {
        300..=399 => RefusedKind::Redirect,
        // Plivo has neither a status nor a code for it, only these words.
        400 if body.is_some_and(|body| lacks_credit(&body.error)) => RefusedKind::Credit,
        400 | 405 | 406 | 413 | 415 | 422 => RefusedKind::Malformed,
        401 => RefusedKind::Credentials,
        402 => RefusedKind::Credit,
        403 => RefusedKind::Geo,
        404 => RefusedKind::NotFound,
        429 => RefusedKind::RateLimited { retry_after: retry_after(headers) },
        _ => RefusedKind::Other,
    }
}

fn refused(
    status: u16,
    kind: RefusedKind,
    body: Option<Body>,
    shown: &dyn Fn(&str) -> String,
) -> Outcome {
    let detail = body.map(|body| shown(&body.error)).filter(|text| !text.is_empty());
    Outcome::Rejected(Refused { status, kind, detail })
}

fn in_doubt(kind: InDoubtKind) -> Outcome {
    Outcome::InDoubt(InDoubt { kind, source: None })
}

/// "InsufficientCredit" as seen, "Insufficient Credit" as documented.
fn lacks_credit(error: &str) -> bool {
    let words: String = error.chars().filter(char::is_ascii_alphabetic).collect();
    words.to_ascii_lowercase().contains("insufficientcredit")
}

/// Whether Plivo means `to`; it leaves the plus sign away, or not.
fn names(number: &str, to: &E164) -> bool {
    number.chars().filter(char::is_ascii_digit).eq(to.digits().chars())
}

/// An id is stored, shown and put in paths.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MOST_ID
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to() -> E164 {
        E164::parse("+14155550123", "/to").unwrap()
    }

    fn of(status: u16, body: &str) -> Outcome {
        read(status, Some(body.as_bytes()))
    }

    fn read(status: u16, body: Option<&[u8]>) -> Outcome {
        let call = Call { to: &to(), shown: &shown, repeats: &|id| id == "t0k" };
        outcome(status, &HeaderMap::new(), body, &call)
    }

    fn shown(words: &str) -> String {
        format!("shown {words}")
    }

    fn kind_of(status: u16, body: &str) -> RefusedKind {
        match of(status, body) {
            Outcome::Rejected(refused) => refused.kind,
            other => panic!("{status} {body}: {other:?}"),
        }
    }

    #[test]
    fn every_status_has_its_class() {
        for (status, kind) in [
            (301, RefusedKind::Redirect),
            (400, RefusedKind::Malformed),
            (401, RefusedKind::Credentials),
            (402, RefusedKind::Credit),
            (403, RefusedKind::Geo),
            (404, RefusedKind::NotFound),
            (405, RefusedKind::Malformed),
            (413, RefusedKind::Malformed),
            (418, RefusedKind::Other),
            (422, RefusedKind::Malformed),
            (429, RefusedKind::RateLimited { retry_after: None }),
            (503, RefusedKind::Shed { retry_after: None }),
        ] {
            assert_eq!(kind_of(status, ""), kind, "{status}");
        }
        for status in [500, 501, 502, 504, 520, 599] {
            assert!(
                matches!(of(status, "{}"), Outcome::InDoubt(InDoubt { kind: InDoubtKind::Status { status: s }, .. }) if s == status),
                "{status}"
            );
        }
    }

    #[test]
    fn lack_of_credit_is_known_by_both_its_words() {
        for words in ["InsufficientCredit", "Insufficient Credit."] {
            assert_eq!(
                kind_of(400, &format!(r#"{{"error":"{words}"}}"#)),
                RefusedKind::Credit,
                "{words}"
            );
        }
    }

    #[test]
    fn a_2xx_is_accepted_only_with_a_readable_uuid() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"message_uuid":[]}"#,
            r#"{"message_uuid":"abc"}"#,
            r#"{"message_uuid":[""]}"#,
            r#"{"message_uuid":["a b"]}"#,
            r#"{"message_uuid":[7]}"#,
            r#"{"message_uuid":["t0k"]}"#,
        ] {
            let outcome = of(202, body);
            assert!(
                matches!(
                    outcome,
                    Outcome::InDoubt(InDoubt { kind: InDoubtKind::NoUuid { status: 202 }, .. })
                ),
                "{body}: {outcome:?}"
            );
        }
        let cut = read(202, None);
        assert!(cut.may_have_been_sent() && cut.may_retry().is_none(), "{cut:?}");
        for status in [200, 201, 202] {
            let outcome = of(status, r#"{"api_id":"a","message_uuid":["u1","u2"]}"#);
            let Outcome::Accepted(receipt) = outcome else { panic!("{status}: {outcome:?}") };
            assert_eq!(
                (receipt.message_uuid.as_str(), receipt.extra_uuids),
                ("u1", vec!["u2".to_owned()])
            );
        }
    }

    #[test]
    fn a_member_of_another_shape_hides_none_beside_it() {
        for body in [
            r#"{"api_id":5,"message_uuid":["u1"],"invalid_number":null}"#,
            r#"{"message_uuid":[null,"u1"],"invalid_number":"","error":{}}"#,
        ] {
            let outcome = of(202, body);
            assert!(
                matches!(&outcome, Outcome::Accepted(receipt) if receipt.message_uuid == "u1"),
                "{body}: {outcome:?}"
            );
        }
        let body = r#"{"api_id":5,"error":"insufficient credit","message_uuid":null}"#;
        assert_eq!(kind_of(400, body), RefusedKind::Credit);
        let body = r#"{"message_uuid":["u1"],"invalid_number":[null,14155550123]}"#;
        assert_eq!(kind_of(202, body), RefusedKind::InvalidRecipient);
    }

    #[test]
    fn our_number_among_the_invalid_ones_is_a_refusal() {
        for number in ["14155550123", "+14155550123", "+1 (415) 555-0123"] {
            let body = format!(r#"{{"message_uuid":[],"invalid_number":["{number}"]}}"#);
            assert_eq!(kind_of(202, &body), RefusedKind::InvalidRecipient, "{number}");
        }
        let other = of(202, r#"{"message_uuid":["u1"],"invalid_number":["14155550199"]}"#);
        assert!(matches!(other, Outcome::Accepted(_)), "{other:?}");
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(of("2"), Some(Duration::from_secs(2)));
        for long in ["999999999", "99999999999999999999"] {
            assert_eq!(of(long), Some(LONGEST_WAIT));
        }
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
        let wait = of(&date).unwrap();
        assert!(
            wait > Duration::from_secs(3_000) && wait <= Duration::from_secs(3_600),
            "{wait:?}"
        );
        assert_eq!(of("soon"), None);
        assert_eq!(of("-1"), None);
        // Plivo's clock is not this machine's.
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        headers.insert(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:45 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(8)));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn plivos_words_are_shown_only_on_request_and_then_made_fit() {
        let outcome = of(400, r#"{"error":"not a valid phone number"}"#);
        let told = format!("{outcome} {outcome:?}");
        assert!(!told.contains("valid phone"), "{told}");
        let Outcome::Rejected(refused) = outcome else { panic!("{outcome:?}") };
        assert_eq!(refused.detail(), Some("shown not a valid phone number"));
    }
}
