//! The gateway's readers, fed with any bytes; and what it answers, to be measured.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use message::facts;
use message::{E164, Kind, MessageId, Segments};
use store::Status;
use tracing::Span;

use super::answer::{Door, Owned, Verdict};
use super::identity;
use super::prefer::Preferred;
use super::submission::{Recipient, Submission};
use crate::config::{App, Config};
use crate::fuzzing::loaded;
use crate::listen::Peer;

const TOML: &[u8] = b"[plivo]\nauth_id = \"MAXXXXXXXXXXXXXXXXXX\"\nauth_token = \"token\"\nsender = \"+14155551212\"\n\
                      [[apps]]\nname = \"demo\"\ntoken = \"demo-token\"\nphone = \"lenient\"\n";

static CONFIG: LazyLock<Config> = LazyLock::new(|| loaded(TOML).expect("it is right"));
static APPS: LazyLock<Vec<Arc<App>>> =
    LazyLock::new(|| CONFIG.reloadable.apps.iter().cloned().map(Arc::new).collect());

/// A body of `POST /v1/messages`.
pub fn native(body: &[u8]) {
    order(Door::Native, body);
}

/// A body of `POST /mms/send`.
pub fn seed(body: &[u8]) {
    order(Door::Seed, body);
}

/// A body of `POST /v1/Account/{auth_id}/Message/`.
pub fn plivo(body: &[u8]) {
    order(Door::Plivo, body);
}

/// What is refused has a fault, and what is taken is fit to be asked about.
fn order(door: Door, body: &[u8]) {
    let Ok(order) = door.read(body) else { return };
    let (app, plivo) = (&CONFIG.reloadable.apps[0], &CONFIG.reloadable.plivo);
    match Submission::of(order, app, plivo, SystemTime::now().into()) {
        Err(faults) => assert!(!faults.is_empty(), "refused for nothing"),
        Ok(Submission { drafts, unknown_fields, .. }) => {
            for message in drafts.iter().filter_map(|draft| draft.message.as_ref().ok()) {
                let surveyed = facts::survey(message, unknown_fields.clone());
                assert!(surveyed.is_ok(), "a message that was taken has no facts");
            }
        }
    }
}

/// Lines `name: value`, as headers that the gateway looks at, one after the other: whether they come from the same place,
/// who asks, of which trace, and what is preferred.
pub fn headers(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let (uri, peer) = (Uri::from_static("/v1/messages"), Peer::Unix { uid: None });
    if identity::same_place(&uri, &headers, &[]).is_ok() {
        let hosts = headers.get_all(header::HOST).iter().count();
        assert_eq!(hosts, 1, "it is not said which place is meant");
    }
    if let Ok(app) = identity::app(&APPS, &headers, &peer) {
        let proved = headers.get(header::AUTHORIZATION).is_some();
        assert!(proved && app.name == "demo", "{} is nobody that proves it", app.name);
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    telemetry::accept_trace(&Span::none(), text("traceparent"), text("tracestate"));
    let most = Duration::from_secs(10);
    assert!(Preferred::of(&headers, most).wait <= most, "an app waits longer than it may");
    if let Ok(Some(key)) = super::idempotency_key(&headers) {
        assert!((1..=255).contains(&key.len()), "a key is out of bounds");
    }
}

/// The forms of an answer that are measured.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Of `POST /v1/messages`.
    Native,
    /// Of Plivo's door.
    Plivo,
}

/// A message that Plivo took, to be told to its app.
pub struct Answered {
    door: Door,
    verdict: Verdict,
}

impl Answered {
    /// One of a single part, without remarks.
    ///
    /// # Panics
    ///
    /// Never: the number is one.
    pub fn new(form: Form) -> Self {
        let number = E164::parse("+14155550123", "/to").expect("a number");
        let given = number.as_str().to_owned();
        let to = Recipient { pointer: "/to".into(), given, number: Some(number.clone()) };
        let owned = Owned {
            id: MessageId("0193d6c1b2a47c3e8f5d6a7b8c9d0e1f".into()),
            to: number,
            kind: Kind::Sms,
            status: Status::Submitted,
            message_uuid: Some("db3ce55a-7f1d-11e1-8ea7-1231380bc196".into()),
            segments: Segments::of("Your order has left our store. Reply STOP to end."),
            warnings: Vec::new(),
            changes: Vec::new(),
            standings: Vec::new(),
        };
        let door = match form {
            Form::Native => Door::Native,
            Form::Plivo => Door::Plivo,
        };
        Self { door, verdict: Verdict { to, outcome: Ok(owned) } }
    }

    /// Writes the answer; how many bytes its body has.
    pub fn encode(&self) -> usize {
        self.door.answer(std::slice::from_ref(&self.verdict), false).body.len()
    }
}
