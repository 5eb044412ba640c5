//! A request's body, within its bounds of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::timeout;

use super::refusal::Plain;
use crate::listen::{DISCARDED, PAUSE, Received};

/// Bounds of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

/// Reads a JSON body whole.
///
/// # Errors
///
/// `body.content_type` unless it is `application/json` in UTF-8; `body.content_encoding` where it is compressed;
/// `body.too_large`, `body.too_slow`, `body.incomplete`.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Received,
    limits: BodyLimits,
) -> Result<Bytes, Plain> {
    let form = match is_json(headers) {
        false => Err(Plain::ContentType),
        true if is_coded(headers) => Err(Plain::ContentEncoding),
        true => Ok(()),
    };
    whole(headers, body, limits, form).await
}

/// Reads a body whole, whose `form` is known already: of one that is too slow or too large that is told first.
///
/// # Errors
///
/// `body.too_large`, `body.too_slow`, `body.incomplete`; what is wrong with its form.
pub(crate) async fn whole(
    headers: &HeaderMap,
    body: Received,
    limits: BodyLimits,
    form: Result<(), Plain>,
) -> Result<Bytes, Plain> {
    let most = limits.bytes;
    let mut size = body.size_hint().lower();
    // Who asks before sending is told before: the first read would tell it to go on.
    if is_above(size, most) && asks_first(headers) {
        return Err(Plain::TooLarge(most));
    }
    match timeout(limits.time, collect(body, most, &mut size)).await {
        Err(_) | Ok(Err(Plain::Incomplete)) if is_above(size, most) => Err(Plain::TooLarge(most)),
        Err(_elapsed) => Err(Plain::TooSlow),
        Ok(read) => form.and(read),
    }
}

/// The body's bytes; `size` is what was announced, or what was seen where that is more.
async fn collect(mut body: Received, most: usize, size: &mut u64) -> Result<Bytes, Plain> {
    // A length announced above what is even thrown away is not worth reading.
    if is_above(*size, DISCARDED) {
        return Err(Plain::TooLarge(most));
    }
    let mut bytes = BytesMut::new();
    let mut seen = 0;
    loop {
        let next = body.frame();
        // Who has sent or announced too much and pauses waits for the answer.
        let next = match is_above(*size, most) {
            true => timeout(PAUSE, next).await.unwrap_or(None),
            false => next.await,
        };
        let Some(frame) = next else { break };
        let Ok(data) = frame.map_err(|_| Plain::Incomplete)?.into_data() else { continue };
        seen += data.len();
        *size = (*size).max(seen as u64);
        if seen > DISCARDED {
            break;
        }
        if seen <= most {
            bytes.extend_from_slice(&data);
        }
    }
    if is_above(*size, most) { Err(Plain::TooLarge(most)) } else { Ok(bytes.freeze()) }
}

fn is_above(size: u64, most: usize) -> bool {
    size > most as u64
}

/// `Expect: 100-continue`, the only expectation that there is (RFC 9110 section 10.1.1).
fn asks_first(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether the bytes are other ones than the app's: compressed as a whole, or on the way (RFC 9112 section 6.1).
fn is_coded(headers: &HeaderMap) -> bool {
    let is_chunked = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let is_identity =
        |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    !headers.get_all(header::CONTENT_ENCODING).iter().all(is_identity)
        || !headers.get_all(header::TRANSFER_ENCODING).iter().all(is_chunked)
}

/// `application/json`, once, with no charset but UTF-8 (RFC 8259 section 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    let named =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    named
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !name.eq_ignore_ascii_case("charset")
                || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::is_json;

    #[test]
    fn json_is_taken_with_utf_8_or_without_a_charset_and_nothing_else() {
        for (value, taken) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; charset=utf-16", false),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_json(&headers), taken, "{value:?}");
            headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            assert!(!is_json(&headers), "{value:?} and another");
        }
        assert!(!is_json(&HeaderMap::new()), "no content type at all");
    }
}
