//! The least that any proxy must do: take a request, send its body on, and send the answer back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use message::{Timestamp, facts};
use policy_host::Candidate;
use reqwest::{Client, Url, redirect, retry};

use crate::Result;
use crate::rules::{Question, Rules};
use crate::sample::{APP, Request as Asked};
use crate::serve::Answer;

/// A proxy on hyper with a pool of connections as `plivo-client` has it, and rules in between where it has some.
pub(crate) struct Hop {
    client: Client,
    to: Url,
    rules: Option<Rules>,
}

impl Hop {
    pub(crate) fn new(upstream: &str, rules: Option<Rules>) -> Result<Self> {
        facts::warm_up();
        let client = Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(Duration::from_secs(3))
            .pool_max_idle_per_host(100)
            .pool_idle_timeout(Duration::from_secs(60))
            .build()?;
        let to =
            Url::parse(&format!("http://{upstream}/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/"))?;
        Ok(Self { client, to, rules })
    }

    async fn forward(&self, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let request = self.client.post(self.to.clone()).timeout(Duration::from_secs(15));
        let request = request
            .header(header::AUTHORIZATION, HeaderValue::from_static("Basic YmVuY2g6YmVuY2g="))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        let response = request.send().await?;
        Ok((response.status(), response.bytes().await?))
    }
}

impl Answer for Hop {
    async fn answer(&self, request: Request<Incoming>) -> Result<(StatusCode, Bytes)> {
        let body = request.into_body().collect().await?.to_bytes();
        let Some(rules) = &self.rules else { return self.forward(body).await };
        let (message, facts) = serde_json::from_slice::<Asked>(&body)?.read()?;
        let now = Timestamp::from(std::time::SystemTime::now());
        let (app, account) = (APP.into(), message::DEFAULT_ACCOUNT.into());
        let candidate = Candidate { message, facts, app, account, door: "messages", now };
        let (holds, _decision) = rules.decide(&Question::of(&candidate)).await?;
        let answer = self.forward(body).await?;
        rules.sent(holds).await?;
        Ok(answer)
    }
}
