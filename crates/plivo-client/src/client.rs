//! The client, and the one call that sends.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use message::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Client, RequestBuilder, Response, redirect, retry};
use tracing::Instrument;
use url::Url;

use crate::clock::Clock;
use crate::handed::Handed;
use crate::{
    ClientConfig, ClientError, Credentials, Outcome, Outgoing, answer, failure, hidden, spans, tls,
};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("sendgate/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A pool of connections to one Plivo. Cloning shares it.
#[derive(Clone, Debug)]
pub struct PlivoClient {
    http: Client,
    base: Url,
    call_timeout: Duration,
    pub(crate) clock: Clock,
}

impl PlivoClient {
    /// A client that has not connected yet.
    ///
    /// # Errors
    ///
    /// If the base URL cannot be used, or TLS has nothing to trust.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let base = base_url(&config.base_url)?;
        let tls = tls::config(config.extra_root_pem.as_deref(), base.scheme() == "https")?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            // Features that other crates may switch on.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(config.max_idle)
            .pool_idle_timeout(IDLE)
            .user_agent(USER_AGENT)
            .build()
            .map_err(ClientError::Http)?;
        Ok(Self { http, base, call_timeout: config.call_timeout, clock: Clock::default() })
    }

    /// Sends one message once, within `timeout` or the client's own call timeout, whichever is shorter.
    ///
    /// Not cancel safe: dropped before its end it leaves the outcome unknown, and the message may have been sent. Run
    /// it in a task of its own.
    pub async fn send(
        &self,
        credentials: &Credentials,
        outgoing: Outgoing<'_>,
        timeout: Duration,
    ) -> Outcome {
        let span = spans::send(&self.base, &outgoing);
        let call = async {
            let handed = Handed::default();
            let body = handed.body(Bytes::from(outgoing.to_json()));
            let url = self.url(credentials, &["Message", ""]);
            let request = self.with_headers(self.http.post(url), credentials, timeout);
            let request = request.header(CONTENT_TYPE, JSON).body(Body::wrap(body));
            match request.send().await {
                Ok(response) => {
                    self.clock.hear(response.headers());
                    let (status, headers) =
                        (response.status().as_u16(), response.headers().clone());
                    let body = read(response).await;
                    let to = &outgoing.message.to;
                    let call = answer::Call {
                        to,
                        shown: &|words| hidden::shown(words, credentials, &outgoing),
                        repeats: &|id| hidden::repeats(id, credentials, Some(to)),
                    };
                    (Some(status), answer::outcome(status, &headers, body.as_deref(), &call))
                }
                Err(err) => (None, failure::outcome(err, &handed)),
            }
        };
        let (status, outcome) = call.instrument(span.clone()).await;
        spans::settle(&span, status, &outcome);
        outcome
    }

    /// What Plivo's clock showed at `at`, by the latest of its answers: never more, and a second or two less, whatever
    /// this machine's wall clock says. None before the first answer.
    ///
    /// It rests on the monotonic clock. A machine that sleeps between `at` and that answer makes it more.
    pub fn time_at(&self, at: Instant) -> Option<Timestamp> {
        self.clock.at(at)
    }

    /// A GET of a resource of the account.
    pub(crate) fn get(
        &self,
        credentials: &Credentials,
        url: Url,
        timeout: Duration,
    ) -> RequestBuilder {
        self.with_headers(self.http.get(url), credentials, timeout)
    }

    /// `…/v1/Account/{auth_id}/` and `parts`; an empty last part gives the slash that Plivo's SDKs send.
    pub(crate) fn url(&self, credentials: &Credentials, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["v1", "Account", credentials.auth_id.as_str()])
                .extend(parts);
        }
        url
    }

    fn with_headers(
        &self,
        request: RequestBuilder,
        credentials: &Credentials,
        timeout: Duration,
    ) -> RequestBuilder {
        request
            .timeout(timeout.min(self.call_timeout))
            .header(AUTHORIZATION, credentials.basic())
            .header(ACCEPT, JSON)
    }
}

/// The whole body of an answer, unless it breaks off or is too long.
pub(crate) async fn read(mut response: Response) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > answer::MOST_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}

fn base_url(text: &str) -> Result<Url, ClientError> {
    let refuse = |reason| ClientError::BaseUrl { reason };
    let url = Url::parse(text).map_err(|_| refuse("is not a URL"))?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err(refuse("is neither http nor https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has a query or a fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuthId, AuthToken};

    #[test]
    fn base_urls_that_cannot_be_used_are_refused_without_showing_them() {
        for text in
            ["api.plivo.com", "ftp://x", "https://user:secret@x", "https://x/?a=b", "https://x/#f"]
        {
            let err = base_url(text).expect_err(text);
            assert!(!err.to_string().contains("secret"), "{err}");
        }
    }

    #[test]
    fn a_path_of_the_base_url_is_kept_as_a_prefix() {
        let credentials = Credentials {
            auth_id: AuthId::parse("MA1").unwrap(),
            auth_token: AuthToken::parse("t").unwrap(),
        };
        for base in ["http://127.0.0.1:1/proxy", "http://127.0.0.1:1/proxy/"] {
            let config = ClientConfig { base_url: base.to_owned(), ..ClientConfig::default() };
            let client = PlivoClient::new(config).unwrap();
            let url = client.url(&credentials, &["Message", ""]);
            assert_eq!(url.as_str(), "http://127.0.0.1:1/proxy/v1/Account/MA1/Message/");
        }
    }
}
