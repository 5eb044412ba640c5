//! The span of a send, as a subscriber sees it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use message::Message;
use plivo_client::Outgoing;
use plivo_sim::Step;
use serde_json::Value;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::{PATIENCE, credentials, plivo, sms};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that a subscriber of all levels was told during one send, and the closed span of it.
async fn told(step: Step, attempt: u32) -> (String, Value) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let (sim, client) = plivo().await;
    sim.script([step]).await;
    let message: Message = sms();
    let outgoing = Outgoing {
        attempt,
        account: (attempt > 1).then_some("europe"),
        callback_url: Some("http://127.0.0.1:1/secret-path"),
        ..Outgoing::new(&message)
    };
    let guard = tracing::subscriber::set_default(subscriber);
    client.send(&credentials(), outgoing, PATIENCE).await;
    drop(guard);
    let address = sim.address();
    sim.stop().await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let span = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["span"]["name"] == "plivo.send" && line["fields"]["message"] == "close")
        .unwrap_or_else(|| panic!("no span in {text}"));
    assert_eq!(span["span"]["server.port"], address.port());
    (text, span["span"].clone())
}

#[tokio::test]
async fn an_accepted_send_is_one_client_span_without_an_error() {
    let (_, span) = told(Step::default(), 2).await;
    for (field, value) in [
        ("otel.kind", Value::from("client")),
        ("http.request.method", "POST".into()),
        ("server.address", "127.0.0.1".into()),
        ("url.path", "/v1/Account/{auth_id}/Message/".into()),
        ("sendgate.account", "europe".into()),
        ("sendgate.attempt", 2.into()),
        ("sendgate.outcome", "accepted".into()),
        ("http.response.status_code", 202.into()),
        ("error.type", Value::Null),
        ("otel.status_code", Value::Null),
    ] {
        assert_eq!(span[field], value, "{field} of {span}");
    }
}

#[tokio::test]
async fn a_failed_send_says_how_it_failed() {
    let (_, span) = told(Step::status(429), 1).await;
    assert_eq!(
        (&span["error.type"], &span["http.response.status_code"]),
        (&"rate_limited".into(), &429.into())
    );
    assert_eq!(span["sendgate.account"], Value::Null, "whose account has no name");
    let (_, span) = told(Step::reset(), 1).await;
    assert_eq!(
        (&span["sendgate.outcome"], &span["error.type"]),
        (&"in-doubt".into(), &"connection_lost".into())
    );
    assert_eq!(
        (&span["otel.status_code"], &span["http.response.status_code"]),
        (&"ERROR".into(), &Value::Null)
    );
}

#[tokio::test]
async fn nothing_private_is_told_at_any_level() {
    for step in [Step::default(), Step::status(400).with_body("secret-detail"), Step::reset()] {
        let (text, _) = told(step, 1).await;
        for secret in [
            "TOKEN",
            "TUFYWFhYWFhYWFhY",
            "4155550123",
            "4155551212",
            "hello there",
            "secret-detail",
            "secret-path",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
