//! Messages, events and apps for the tests of this folder.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use message::{E164, Message, MessageId, Segments, Sender, Timestamp};
use store::{Change, Event, NewMessage, Record, Status, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

/// 2026-05-28T20:26:40Z
pub(super) const NOW: Timestamp = Timestamp(1_780_000_000_000);

pub(super) fn record(id: &str) -> Record {
    let message = Message::plain(
        MessageId(id.into()),
        E164::parse("+14155550123", "").unwrap(),
        Sender::Number(E164::parse("+14155551212", "").unwrap()),
        "hello",
    );
    let deadline = NOW.after(std::time::Duration::from_secs(600));
    Record::of(&message, Segments::of("hello"), "demo", "messages", NOW, deadline)
}

pub(super) fn event(number: u64, message: &str, state: Status) -> Event {
    Event {
        number,
        message: MessageId(message.into()),
        app: "demo".into(),
        state,
        sequence: 0,
        at: NOW,
        code: None,
        tries: 0,
        fault: None,
        revived: None,
    }
}

pub(super) fn store() -> Store {
    Store::open(StoreOptions::default(), NOW).unwrap()
}

/// Records a message whose events go to `relay`.
pub(super) async fn accept(store: &Store, id: &str, relay: Option<String>) {
    let record = Record { relay, ..record(id) };
    let new = NewMessage { record, text: "hello".into(), holds: vec![] };
    store.accept(vec![new], None).await.unwrap();
}

/// Moves a message, which makes an event.
pub(super) async fn become_(store: &Store, id: &str, status: Status, at: Timestamp) {
    store.change(&MessageId(id.into()), Change::to(status, at)).await.unwrap();
}

/// What an app was told in one call.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An app that listens, and answers as it is told to.
pub(super) struct App {
    pub(super) address: SocketAddr,
    pub(super) told: mpsc::UnboundedReceiver<Told>,
    answers: Script,
    /// One answer may go out for each.
    may_answer: Arc<Semaphore>,
}

/// Statuses, each with a `Retry-After` or none.
type Script = Arc<Mutex<Vec<(StatusCode, Option<&'static str>)>>>;

impl App {
    pub(super) async fn start() -> Self {
        Self::answering(Semaphore::MAX_PERMITS).await
    }

    /// One that answers that many calls, and more of them when it is [let](Self::answer).
    pub(super) async fn answering(calls: usize) -> Self {
        let may_answer = Arc::new(Semaphore::new(calls));
        let gate = Arc::clone(&may_answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let answers = Script::default();
        let script = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, script, gate) = (tell.clone(), Arc::clone(&script), Arc::clone(&gate));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (tell, script, gate) =
                        (tell.clone(), Arc::clone(&script), Arc::clone(&gate));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let path = parts.uri.to_string();
                        let told =
                            Told { method: parts.method, path, headers: parts.headers, body };
                        // The test may have seen enough.
                        drop(tell.send(told));
                        gate.acquire().await.unwrap().forget();
                        let mut script = script.lock().unwrap();
                        let next = if script.is_empty() { None } else { Some(script.remove(0)) };
                        let (status, retry_after) = next.unwrap_or((StatusCode::NO_CONTENT, None));
                        let mut response = Response::builder().status(status);
                        if let Some(retry_after) = retry_after {
                            response = response.header("retry-after", retry_after);
                        }
                        if status.is_redirection() {
                            response = response.header("location", "/elsewhere");
                        }
                        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, told, answers, may_answer }
    }

    /// Lets it answer that many calls more.
    pub(super) fn answer(&self, calls: usize) {
        self.may_answer.add_permits(calls);
    }

    /// What it answers to the next calls; 204 after that.
    pub(super) fn script(&self, answers: &[(u16, Option<&'static str>)]) {
        let each =
            answers.iter().map(|(status, after)| (StatusCode::from_u16(*status).unwrap(), *after));
        self.answers.lock().unwrap().extend(each);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next call to it.
    pub(super) async fn next(&mut self) -> Told {
        let within = std::time::Duration::from_secs(60);
        let told = tokio::time::timeout(within, self.told.recv()).await;
        told.unwrap_or_else(|_| panic!("the app was not called within {within:?}")).unwrap()
    }
}
