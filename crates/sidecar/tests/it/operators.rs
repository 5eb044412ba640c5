//! What operators do with messages: by the admin listener, and by the program's own commands.

mod command_line;
mod decisions;
mod guard;
mod listing;

use std::fs::File;
use std::time::{Duration, SystemTime};

use message::{E164, Message, MessageId, Segments, Sender, Timestamp};
use plivo_sim::PlivoSim;
use serde_json::{Value, json};
use store::{
    Attempt, AttemptOutcome, Change, MinFree, NewMessage, Place, Record, Relayed, Status, Store,
    StoreOptions,
};
use tokio::net::TcpSocket;

use crate::harness::{Folder, SENDER, Setup, Sidecar, TO, eventually, exchange};

pub(crate) const OPERATOR: &str = "token-of-the-operator";
const BEARER: (&str, &str) = ("authorization", "Bearer token-of-the-operator");
const HOST: (&str, &str) = ("host", "127.0.0.1");

/// A sidecar that keeps its messages in a file, and has an operator.
pub(crate) fn durable(plivo: &PlivoSim) -> Setup {
    ephemeral(plivo)
        .set("store.ephemeral", Value::Null)
        .set("store.path", "sendgate.db")
        .set("store.min_free_percent", 0)
}

/// One that forgets them.
fn ephemeral(plivo: &PlivoSim) -> Setup {
    Setup::new(plivo).set("listen.admin_token", OPERATOR)
}

/// A message that an earlier process has left in the store.
pub(crate) struct Left {
    id: &'static str,
    app: &'static str,
    status: Status,
    lives: Duration,
    relay: Option<&'static str>,
}

impl Left {
    pub(crate) fn new(id: &'static str, status: Status) -> Self {
        Self { id, app: "demo", status, lives: Duration::from_secs(3_600), relay: None }
    }
}

/// Puts them into the store of a sidecar that is yet to start in `folder`; the events of those with a relay were given
/// up.
pub(crate) async fn leave(folder: &Folder, all: &[Left]) {
    let now: Timestamp = SystemTime::now().into();
    let place = Place::File(folder.path().join("sendgate.db"));
    let options = StoreOptions { place, min_free: MinFree::NONE, ..StoreOptions::default() };
    let store = Store::open(options, now).unwrap();
    for left in all {
        let message = message(left.id);
        let (segments, deadline) = (Segments::of(&message.text), now.after(left.lives));
        let record = Record {
            relay: left.relay.map(str::to_owned),
            ..Record::of(&message, segments, left.app, "messages", now, deadline)
        };
        let new = NewMessage { record, text: message.text, holds: vec![] };
        store.accept(vec![new], None).await.unwrap();
        // What is in doubt, or held, has had a call.
        let attempt = Attempt {
            number: 1,
            started: now,
            ended: Some(now),
            outcome: Some(AttemptOutcome::InDoubt),
            http_status: None,
            code: Some("timeout".into()),
            account: None,
            plivo_time: None,
            given_up: None,
        };
        let called = matches!(left.status, Status::InDoubt | Status::Held);
        let attempt = called.then_some(attempt);
        let change = Change { attempt, ..Change::to(left.status, now) };
        store.change(&message.id, change).await.unwrap();
    }
    for event in store.due_relays(now, 100).await.unwrap() {
        let fault = "connection refused".into();
        store.relayed(event.number, Relayed::Dead { fault }).await.unwrap();
    }
    drop(store);
    // A process that another test was just starting may have inherited the lock, until it runs its own program.
    let lock = File::open(folder.path().join("sendgate.db.lock")).unwrap();
    let free = async || lock.try_lock().ok();
    eventually("the store is free for a sidecar", free).await;
}

fn message(id: &str) -> Message {
    Message::plain(
        MessageId(id.into()),
        E164::parse(TO, "").unwrap(),
        Sender::parse(SENDER, "").unwrap(),
        format!("swordfish {id}"),
    )
}

/// An answer of the admin listener.
#[derive(Debug)]
struct Told {
    status: u16,
    head: String,
    body: Value,
}

impl Told {
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "the status of {self:?}");
        self.body
    }

    fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{self:?}");
        let sentence = self.body["error"].as_str().unwrap_or_default();
        assert!(sentence.len() > 10, "no reason is told: {self:?}");
        self
    }
}

/// One request with exactly these headers.
async fn ask(sidecar: &Sidecar, request: &str, headers: &[(&str, &str)]) -> Told {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let bytes = format!("{request} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    let answer = exchange(sidecar.admin, bytes).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in the answer to {request}: {answer}"));
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Told { status, head: head.to_ascii_lowercase(), body }
}

/// The same by the operator.
async fn operator(sidecar: &Sidecar, request: &str) -> Told {
    ask(sidecar, request, &[HOST, BEARER]).await
}

/// `GET` by anybody on this machine.
async fn look(sidecar: &Sidecar, path: &str) -> Told {
    ask(sidecar, &format!("GET {path}"), &[HOST]).await
}

/// A port that refuses every connection, and that nobody else gets, for as long as the socket lives.
fn closed_port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// The ids of a list, in its order.
fn ids(list: &Value) -> Vec<&str> {
    let messages = list["messages"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    messages.iter().filter_map(|message| message["id"].as_str()).collect()
}
