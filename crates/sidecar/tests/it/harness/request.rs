//! One request of an app.

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::Answer;

/// A request that is not sent yet. It has a bearer token and a JSON content type unless it is told otherwise.
#[must_use = "it is sent by `answer`"]
pub(crate) struct Request {
    builder: RequestBuilder,
    headers: HeaderMap,
    what: String,
}

impl Request {
    pub(super) fn new(builder: RequestBuilder, what: String, token: &str) -> Self {
        let request = Self { builder, headers: HeaderMap::new(), what };
        request.bearer(token).header("content-type", "application/json")
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.headers.remove(AUTHORIZATION);
        self
    }

    pub(crate) fn untyped(mut self) -> Self {
        self.headers.remove(CONTENT_TYPE);
        self
    }

    /// Sets a header, in place of what it was.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// Adds a header, beside what there was.
    pub(crate) fn header_again(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.append(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let shown: String = String::from_utf8_lossy(&body).chars().take(2_000).collect();
        self.what = format!("{} with {shown}", self.what);
        self.builder = self.builder.body(body);
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    ///
    /// If no answer comes.
    pub(crate) async fn answer(self) -> Answer {
        let what = self.what.clone();
        self.outcome().await.unwrap_or_else(|err| panic!("no whole answer to {what}: {err:?}"))
    }

    /// The same of a sidecar that may be killed meanwhile: why there is no whole answer.
    pub(crate) async fn outcome(self) -> Result<Answer, reqwest::Error> {
        let Self { builder, headers, what } = self;
        let response = builder.headers(headers).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { to: what, status, headers, text: response.text().await? })
    }
}
