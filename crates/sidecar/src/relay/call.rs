//! One call to an app, and how it ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use jiff::fmt::rfc2822::DateTimeParser;
use message::Timestamp;
use reqwest::{Client, Method, redirect, retry};
use rustls::RootCertStore;
use rustls::crypto::ring;
use store::{Event, Record};
use tracing::Span;
use url::Url;

use super::circuit::Heard;
use super::{Form, Source, Subscriber, Target, event, plivo_form, webhook};

/// Longest time for a whole call.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Most bytes of an answer that are read, for the connection's sake; they mean nothing.
const READ: usize = 16_384;
const USER_AGENT: &str = concat!("sendgate/", env!("CARGO_PKG_VERSION"));

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// 2xx: the app has it.
    Taken,
    /// 410: the app wants no more.
    Gone,
    /// Any other status.
    Refused { status: u16, retry_after: Option<Duration> },
    /// There was no connection.
    Unreached,
    /// There was no answer, or not in time.
    Unanswered,
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

impl Call {
    /// The event in the target's form; none where that form has no word for it.
    pub(super) fn of(
        event: &Event,
        record: &Record,
        target: &Target,
        subscriber: &Subscriber,
        source: &Source,
        now: Timestamp,
    ) -> Option<Self> {
        match target.form() {
            Form::CloudEvent => {
                let body = event::json(event, Some(record), source).to_string().into_bytes();
                let id = event::id(event);
                let mut headers =
                    webhook::headers(&subscriber.keys, &id, now.0 / 1_000, &body).to_vec();
                let json = "application/cloudevents+json; charset=utf-8";
                headers.push((header::CONTENT_TYPE.as_str(), json.to_owned()));
                let url = target.url().clone();
                Some(Self { method: Method::POST, url, headers, body })
            }
            form => {
                let get = form == Form::PlivoGet;
                let params = plivo_form::params(event, record)?;
                let token = subscriber.token.as_ref()?;
                let mut headers = plivo_form::headers(token, get, target.text(), &params);
                let (mut url, encoded) = (target.url().clone(), plivo_form::encode(&params));
                if get {
                    let query = url.query().filter(|query| !query.is_empty());
                    let query = query.map_or(encoded.clone(), |own| format!("{own}&{encoded}"));
                    url.set_query(Some(&query));
                    return Some(Self { method: Method::GET, url, headers, body: Vec::new() });
                }
                let typed = "application/x-www-form-urlencoded";
                headers.push((header::CONTENT_TYPE.as_str(), typed.to_owned()));
                Some(Self { method: Method::POST, url, headers, body: encoded.into_bytes() })
            }
        }
    }

    /// Makes the call within its time.
    pub(super) async fn make(self, client: &Client) -> Ended {
        let span = Span::current();
        span.record("http.request.method", self.method.as_str());
        let mut request = client.request(self.method, self.url).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(traceparent) = telemetry::traceparent(&span) {
            request = request.header("traceparent", traceparent);
        }
        let ended = match request.send().await {
            Ok(mut response) => {
                let status = response.status().as_u16();
                span.record("http.response.status_code", status);
                let retry_after = retry_after(response.headers(), SystemTime::now().into());
                let mut left = READ;
                // Whether the rest can be read changes nothing.
                while let Ok(Some(chunk)) = response.chunk().await {
                    left = left.saturating_sub(chunk.len());
                    if left == 0 {
                        break;
                    }
                }
                match status {
                    200..300 => Ended::Taken,
                    410 => Ended::Gone,
                    _ => Ended::Refused { status, retry_after },
                }
            }
            Err(err) if err.is_connect() => Ended::Unreached,
            Err(_) => Ended::Unanswered,
        };
        if ended != Ended::Taken {
            span.record("error.type", ended.kind());
            span.record("otel.status_code", "ERROR");
        }
        ended
    }
}

impl Ended {
    /// What it says of the app's health.
    pub(super) fn heard(self) -> Heard {
        match self {
            Self::Refused { status: 429 | 500.., retry_after } => Heard::Failed { retry_after },
            Self::Unreached | Self::Unanswered => Heard::Failed { retry_after: None },
            Self::Taken | Self::Gone | Self::Refused { .. } => Heard::Served,
        }
    }

    /// The app's own word on when to come again.
    pub(super) fn retry_after(self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { retry_after } else { None }
    }

    /// What went wrong, for people.
    pub(super) fn fault(self) -> String {
        match self {
            Self::Taken => "nothing".to_owned(),
            Self::Gone => "the app answered 410: it wants no more events there".to_owned(),
            Self::Refused { status, .. } => format!("the app answered {status}"),
            Self::Unreached => "the app could not be reached".to_owned(),
            Self::Unanswered => format!("the app did not answer within {} s", ANSWER.as_secs()),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Taken => "none",
            Self::Gone => "gone",
            Self::Refused { .. } => "refused",
            Self::Unreached => "unreached",
            Self::Unanswered => "unanswered",
        }
    }
}

/// A client that goes where it is told and nowhere else: no proxy, no redirect, no retry of its own.
///
/// # Errors
///
/// [`ClientError`]. Without certificates of the system it reaches plain HTTP only, which is what apps beside it speak.
pub(super) fn client() -> Result<Client, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .pool_idle_timeout(IDLE)
        .user_agent(USER_AGENT)
        .build()
        .map_err(ClientError::Http)
}

/// `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    let at = Timestamp(u64::try_from(at.as_millisecond()).ok()?);
    Some(at.since(now))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn after(value: &'static str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
        // 1994-11-06T08:49:07Z
        retry_after(&headers, Timestamp(784_111_747_000)).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(after("30"), Some(30));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!((after("soon"), after("-1"), after("")), (None, None, None));
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp(0)), None);
    }

    #[test]
    fn only_what_the_app_itself_cannot_do_speaks_against_its_health() {
        let refused = |status| Ended::Refused { status, retry_after: None };
        let failed = Heard::Failed { retry_after: None };
        for (ended, heard) in [
            (Ended::Taken, Heard::Served),
            (Ended::Gone, Heard::Served),
            (refused(302), Heard::Served),
            (refused(404), Heard::Served),
            (refused(429), failed),
            (refused(500), failed),
            (refused(503), failed),
            (Ended::Unreached, failed),
            (Ended::Unanswered, failed),
        ] {
            assert_eq!(ended.heard(), heard, "{ended:?}");
        }
    }
}
