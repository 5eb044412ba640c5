//! Requests as an app sends them.

use serde_json::Value;

use crate::Result;

/// Where apps send, and with what.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

/// An answer of sendgate.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<String>,
}

impl Door {
    pub(crate) fn new(address: &str) -> Self {
        Self { base: format!("http://{address}"), http: reqwest::Client::new() }
    }

    pub(crate) async fn send(
        &self,
        app: &str,
        message: &Value,
        traceparent: Option<&str>,
    ) -> Result<Reply> {
        let request = self.http.post(format!("{}/v1/messages", self.base)).json(message);
        let request = request.bearer_auth(format!("{app}-token"));
        let request = match traceparent {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        };
        let response = request.send().await?;
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|wait| Some(wait.to_str().ok()?.to_owned()));
        Ok(Reply { status: response.status().as_u16(), retry_after, body: response.json().await? })
    }
}

impl Reply {
    pub(crate) fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.status == 202 && self.code().is_none()
    }

    pub(crate) fn is_refused_with(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    pub(crate) fn must_be(&self, status: u16, code: Option<&str>) -> Result<()> {
        if (self.status, self.code()) == (status, code) {
            return Ok(());
        }
        Err(format!("expected {status} {code:?}, got {} {}", self.status, self.body).into())
    }
}
