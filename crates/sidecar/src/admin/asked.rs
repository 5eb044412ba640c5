//! A request to the admin listener, and who asks.

use std::time::Duration;

use http::{HeaderMap, Method, Request, Uri, header};
use hyper::body::Body as _;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Refusal;
use crate::config::Secret;
use crate::gateway::{BodyLimits, whole_body};
use crate::listen::Received;

/// Of an object without members.
const LIMITS: BodyLimits = BodyLimits { bytes: 1 << 16, time: Duration::from_secs(10) };

/// A request but for its body, which never says anything.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    has_body: bool,
}

impl Asked {
    pub(super) fn of(request: Request<Received>) -> (Self, Received) {
        let (parts, body) = request.into_parts();
        let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
        (Self { method, uri, headers, has_body: !body.is_end_stream() }, body)
    }

    /// The query's members, decoded.
    pub(super) fn query(&self) -> Vec<(String, String)> {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Whether it is what no web page can send by itself: a form needs a content type of its own.
    ///
    /// # Errors
    ///
    /// A body that is not said to be JSON.
    pub(super) fn has_no_form(&self) -> Result<(), Refusal> {
        let given = self.headers.get(header::CONTENT_TYPE);
        let json = given.and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/json")
        });
        let is_taken = json || (given.is_none() && !self.has_body);
        if is_taken { Ok(()) } else { Err(Refusal::Form) }
    }

    /// Whether it bears the operator's token, compared in constant time.
    ///
    /// # Errors
    ///
    /// No token is configured; none is given; another is given.
    pub(super) fn is_from_operator(&self, token: Option<&Secret>) -> Result<(), Refusal> {
        let token = token.ok_or(Refusal::NoTokenConfigured)?;
        let mut given = self.headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = given.next() else { return Err(Refusal::TokenMissing) };
        if given.next().is_some() {
            return Err(Refusal::TokenTwice);
        }
        let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
        match bearer {
            Some((scheme, offered))
                if scheme.eq_ignore_ascii_case("bearer")
                    && token.matches(offered.trim().as_bytes()) =>
            {
                Ok(())
            }
            _ => Err(Refusal::TokenInvalid),
        }
    }
}

/// Reads the body of what changes something.
///
/// # Errors
///
/// It cannot be read, or is more than an object without members: nobody would heed that.
pub(super) async fn says_nothing(headers: &HeaderMap, body: Received) -> Result<(), Refusal> {
    let bytes = whole_body(headers, body, LIMITS, Ok(())).await.map_err(Refusal::Body)?;
    if is_empty(&bytes) {
        return Ok(());
    }
    let why = "the body is not heeded; give what is meant in the URL, and no body or `{}`";
    Err(Refusal::Query(vec![why.into()]))
}

/// Whether this is nothing, or JSON of an object without members.
fn is_empty(bytes: &[u8]) -> bool {
    let object = |bytes| serde_json::from_slice::<Map<String, Value>>(bytes);
    bytes.is_empty() || object(bytes).is_ok_and(|object| object.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)], has_body: bool) -> Asked {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(name, header::HeaderValue::from_static(value));
        }
        let uri = Uri::from_static("/");
        Asked { method: Method::POST, uri, headers: map, has_body }
    }

    #[test]
    fn an_object_without_members_says_nothing_however_it_is_spaced() {
        for nothing in ["", "{}", "{ }", "{\n}\n", " \t{\r\n  } "] {
            assert!(is_empty(nothing.as_bytes()), "{nothing:?}");
        }
        for more in ["[]", "null", "{", "{}{}", "{{", " ", "{\"to\": 1}", "{\u{a0}}"] {
            assert!(!is_empty(more.as_bytes()), "{more:?}");
        }
    }

    #[test]
    fn a_body_must_be_json_and_none_must_not_pretend_to_be_a_form() {
        let json = ("content-type", "application/json");
        for (headers, has_body, taken) in [
            (&[][..], false, true),
            (&[][..], true, false),
            (&[json][..], true, true),
            (&[json][..], false, true),
            (&[("content-type", "Application/JSON; charset=utf-8")][..], true, true),
            (&[("content-type", "text/plain")][..], false, false),
            (&[("content-type", "application/x-www-form-urlencoded")][..], true, false),
            (&[("content-type", "text/plain; application/json")][..], true, false),
        ] {
            let found = asked(headers, has_body).has_no_form();
            assert_eq!(found.is_ok(), taken, "{headers:?}, body: {has_body}");
        }
    }

    #[test]
    fn without_a_configured_token_nobody_is_an_operator() {
        let bearer = [("authorization", "Bearer ")];
        for headers in [&[][..], &bearer[..]] {
            let refused = asked(headers, false).is_from_operator(None);
            assert!(matches!(refused, Err(Refusal::NoTokenConfigured)), "{refused:?}");
        }
    }
}
