//! A request to the admin listener, and who asks.

use http::{HeaderMap, Method, Request, Uri, header};
use hyper::body::Body as _;
use url::form_urlencoded;

use super::Refusal;
use crate::config::Secret;
use crate::listen::Received;

/// Bytes of `{}`.
const EMPTY_OBJECT: u64 = 2;

/// A request, of which no body is ever read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    has_body: bool,
    /// It has more of a body than an object without members, or it is not known how much.
    says_more: bool,
}

impl Asked {
    pub(super) fn of(request: Request<Received>) -> Self {
        let has_body = !request.body().is_end_stream();
        let length = request.body().size_hint().exact();
        let says_more = has_body && length.is_none_or(|length| length > EMPTY_OBJECT);
        let (parts, _) = request.into_parts();
        Self { method: parts.method, uri: parts.uri, headers: parts.headers, has_body, says_more }
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
    /// A body that is not said to be JSON, or that says something, which nobody would heed.
    pub(super) fn has_no_form(&self) -> Result<(), Refusal> {
        let given = self.headers.get(header::CONTENT_TYPE);
        let json = given.and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/json")
        });
        match json || (given.is_none() && !self.has_body) {
            false => Err(Refusal::Form),
            true if self.says_more => {
                let why =
                    "the body is not read; give what is meant in the URL, and no body or `{}`";
                Err(Refusal::Query(vec![why.into()]))
            }
            true => Ok(()),
        }
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
            return Err(Refusal::TokenInvalid);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)], has_body: bool) -> Asked {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(name, header::HeaderValue::from_static(value));
        }
        let uri = Uri::from_static("/");
        Asked { method: Method::POST, uri, headers: map, has_body, says_more: false }
    }

    #[test]
    fn a_body_that_would_not_be_heeded_is_refused() {
        let json = [("content-type", "application/json")];
        let says_more = Asked { says_more: true, ..asked(&json, true) };
        assert!(matches!(says_more.has_no_form(), Err(Refusal::Query(_))));
        let form = Asked { says_more: true, ..asked(&[], true) };
        assert!(matches!(form.has_no_form(), Err(Refusal::Form)));
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
