//! The page's files, and what browsers are told about everything here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::Full;

/// Everything comes from here, nothing is written inside the page, and no other page may show it.
const CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                       base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum File {
    Page,
    Style,
    Script,
    Elements,
    Views,
    Trace,
    Icon,
}

impl File {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "page.css" => Some(Self::Style),
            "page.js" => Some(Self::Script),
            "elements.js" => Some(Self::Elements),
            "views.js" => Some(Self::Views),
            "trace.js" => Some(Self::Trace),
            "icon.svg" => Some(Self::Icon),
            _ => None,
        }
    }

    pub(super) fn response(self) -> Response<Full<Bytes>> {
        const SCRIPT: &str = "text/javascript; charset=utf-8";
        let (kind, text) = match self {
            Self::Page => ("text/html; charset=utf-8", include_str!("page.html")),
            Self::Style => ("text/css; charset=utf-8", include_str!("page.css")),
            Self::Script => (SCRIPT, include_str!("page.js")),
            Self::Elements => (SCRIPT, include_str!("elements.js")),
            Self::Views => (SCRIPT, include_str!("views.js")),
            Self::Trace => (SCRIPT, include_str!("trace.js")),
            Self::Icon => ("image/svg+xml", include_str!("icon.svg")),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        describe(response.headers_mut(), kind);
        response
    }
}

/// Adds what every answer of the dashboard says.
pub(super) fn describe(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
