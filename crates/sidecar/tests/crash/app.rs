//! The app: it asks with a key, and asks again until it has an answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{PATIENCE, client};

/// One app, which reaches the sidecar at one address whatever becomes of it.
#[derive(Clone)]
pub(crate) struct App {
    client: reqwest::Client,
    address: SocketAddr,
    token: String,
    /// What the orders' delays count from.
    began: jiff::Timestamp,
}

/// A message that the app wants sent once.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) key: String,
    pub(crate) to: String,
    pub(crate) text: String,
    /// Whether the answer is to wait for Plivo's.
    pub(crate) waits: bool,
    /// Not to be sent earlier than so long after the run began.
    pub(crate) delay: Option<jiff::SignedDuration>,
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    pub(crate) body: Value,
}

/// Where a message stands, as the sidecar says.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) to: Option<String>,
    pub(crate) status: String,
    pub(crate) code: Option<String>,
    pub(crate) uuid: Option<String>,
}

impl App {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self { client: client(), address, token: token.to_owned(), began: jiff::Timestamp::now() }
    }

    /// The same app, which asks at another address.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Asks once; none where no whole answer came.
    pub(crate) async fn ask(&self, order: &Order) -> Option<Reply> {
        let mut body = json!({"to": order.to, "text": order.text});
        if let Some(delay) = order.delay {
            body["not_before"] = (self.began + delay).to_string().into();
        }
        let request = self
            .client
            .post(format!("http://{}/v1/messages", self.address))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .header("idempotency-key", &order.key)
            .header("prefer", if order.waits { "wait=10" } else { "respond-async" })
            .body(body.to_string());
        let response = request.send().await.ok()?;
        let (status, replayed) =
            (response.status().as_u16(), response.headers().contains_key("idempotent-replayed"));
        let text = response.text().await.ok()?;
        Some(Reply { status, replayed, body: serde_json::from_str(&text).ok()? })
    }

    /// Asks until an answer comes whole: a kept connection may be one to a process before.
    ///
    /// # Panics
    ///
    /// When none has come for [`PATIENCE`].
    pub(crate) async fn ask_until_answered(&self, order: &Order) -> Reply {
        let answered = timeout(PATIENCE, async {
            loop {
                if let Some(reply) = self.ask(order).await {
                    return reply;
                }
                Self::pause().await;
            }
        });
        answered
            .await
            .unwrap_or_else(|_| panic!("no answer to `{}` within {PATIENCE:?}", order.key))
    }

    /// Where every message of the app stands, by id; none where no whole answer came.
    pub(crate) async fn standings(&self) -> Option<HashMap<String, Standing>> {
        let (mut found, mut after) = (HashMap::new(), String::new());
        loop {
            let url = format!("http://{}/v1/messages?limit=100{after}", self.address);
            let response = self.client.get(url).bearer_auth(&self.token).send().await.ok()?;
            let page: Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
            for message in page["messages"].as_array()? {
                found.insert(message["id"].as_str()?.to_owned(), Standing::read(message)?);
            }
            let Some(next) = page["next"].as_str() else { return Some(found) };
            after = format!("&after={next}");
        }
    }

    /// Between two questions.
    pub(crate) async fn pause() {
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

impl Reply {
    /// Whether to ask again: the sidecar could not decide yet.
    pub(crate) fn is_not_yet(&self) -> bool {
        matches!(self.status, 409 | 503)
    }

    /// The message that the sidecar owns now.
    pub(crate) fn id(&self) -> Option<&str> {
        self.body["id"].as_str()
    }
}

impl Standing {
    fn read(message: &Value) -> Option<Self> {
        let text = |name: &str| message[name].as_str().map(str::to_owned);
        Some(Self {
            to: text("to"),
            status: text("status")?,
            code: text("error_code"),
            uuid: text("message_uuid"),
        })
    }

    /// Whether its way to Plivo has not ended.
    pub(crate) fn is_open(&self) -> bool {
        matches!(
            self.status.as_str(),
            "accepted" | "waiting" | "sending" | "retry_wait" | "in_doubt"
        )
    }

    /// Whether nothing more will be heard of it, but from a person.
    pub(crate) fn is_final(&self) -> bool {
        !self.is_open() && !matches!(self.status.as_str(), "submitted" | "sent")
    }

    /// Whether it is said in words that nobody knows.
    pub(crate) fn is_unknown(&self) -> bool {
        match self.status.as_str() {
            "held" => true,
            "failed" => self.code.as_deref() == Some("send.unresolved"),
            _ => false,
        }
    }

    /// Whether it was certainly not sent, and is tried no more: Plivo turned it away often enough.
    pub(crate) fn is_given_up(&self) -> bool {
        self.status == "failed" && self.code.as_deref() == Some("upstream.unavailable")
    }

    /// Whether a person is to decide about it.
    pub(crate) fn is_held(&self) -> bool {
        self.status == "held"
    }

    /// Whether Plivo said a definite no.
    pub(crate) fn is_refused(&self) -> bool {
        self.status == "failed" && self.code.as_deref() == Some("upstream.rejected")
    }

    /// Whether another replica answers for its key.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.status == "canceled" && self.code.as_deref() == Some("idem.elsewhere")
    }

    /// Whether Plivo has it, as the sidecar says.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.status.as_str(), "submitted" | "sent" | "delivered" | "undelivered")
    }
}
