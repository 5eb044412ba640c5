//! An app that listens.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::PATIENCE;

/// A real HTTP server that answers every call with one status, 204 unless it is told otherwise.
pub(super) struct Listener {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    told: mpsc::UnboundedReceiver<Told>,
}

/// One call to it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) method: Method,
    /// With its query.
    pub(super) path: String,
    headers: HeaderMap,
    body: Bytes,
    pub(super) answered: u16,
}

impl Listener {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(204));
        let answers = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, answers) = (tell.clone(), Arc::clone(&answers));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (tell, answers) = (tell.clone(), Arc::clone(&answers));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body =
                            body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                        let (path, answered) =
                            (parts.uri.to_string(), answers.load(Ordering::SeqCst));
                        let (method, headers) = (parts.method, parts.headers);
                        // The test may have seen enough.
                        drop(tell.send(Told { method, path, headers, body, answered }));
                        let response = Response::builder().status(answered);
                        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, status, told }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it answers from now on.
    pub(super) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next call.
    pub(super) async fn next(&mut self) -> Told {
        let Ok(told) = timeout(PATIENCE, self.told.recv()).await else {
            panic!("the app was not called within {PATIENCE:?}");
        };
        told.expect("a listener at work")
    }

    /// Whether nobody has called.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.told.try_recv().is_err()
    }
}

impl Told {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|err| panic!("{err} in {self:?}"))
    }

    /// The parameters of Plivo's form, wherever they stand.
    pub(super) fn params(&self) -> Vec<(String, String)> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let text = if self.method == Method::GET { query.as_bytes() } else { &self.body };
        url::form_urlencoded::parse(text).into_owned().collect()
    }

    /// What Standard Webhooks has for this call, worked out on its own.
    pub(super) fn webhook_signature(&self, secret: &str) -> String {
        let key = secret.strip_prefix("whsec_").map(|key| BASE64_STANDARD.decode(key).unwrap());
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.unwrap()).unwrap();
        let (id, seconds) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(&[id.as_bytes(), b".", seconds.as_bytes(), b".", &self.body].concat());
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}
