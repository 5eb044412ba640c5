//! The client against the simulator and against peers that break off, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod in_doubt;
mod lookup;
mod not_sent;
mod peers;
mod pool;
mod request;
mod span;
mod tls;

use std::time::Duration;

use message::{E164, Message, MessageId, Sender};
use plivo_client::{
    AuthId, AuthToken, ClientConfig, Credentials, InDoubtKind, NotSentKind, Outcome, Outgoing,
    PlivoClient, Refused,
};
use plivo_sim::{PlivoSim, SimConfig};

/// Longer than anything here takes, so that a test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(20);
/// For a call that is to run out of time.
const SOON: Duration = Duration::from_millis(100);

fn client(base_url: &str) -> PlivoClient {
    let config = ClientConfig {
        base_url: base_url.to_owned(),
        call_timeout: PATIENCE,
        connect_timeout: PATIENCE,
        ..ClientConfig::default()
    };
    PlivoClient::new(config).unwrap()
}

/// A simulator and a client of it.
async fn plivo() -> (PlivoSim, PlivoClient) {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let client = client(&sim.base_url());
    (sim, client)
}

/// The simulator's own.
fn credentials() -> Credentials {
    credentials_with("TOKEN")
}

fn credentials_with(token: &str) -> Credentials {
    Credentials {
        auth_id: AuthId::parse("MAXXXXXXXXXXXXXXXXXX").unwrap(),
        auth_token: AuthToken::parse(token).unwrap(),
    }
}

fn sms() -> Message {
    Message::plain(
        MessageId("0d0e1f3a-1111-4222-8333-444455556666".into()),
        E164::parse("+14155550123", "/to").unwrap(),
        Sender::parse("+14155551212", "/from").unwrap(),
        "hello there",
    )
}

async fn send(client: &PlivoClient) -> Outcome {
    send_within(client, PATIENCE).await
}

async fn send_within(client: &PlivoClient, timeout: Duration) -> Outcome {
    let outcome = client.send(&credentials(), Outgoing::new(&sms()), timeout).await;
    let shown = format!("{outcome} {outcome:?}");
    for secret in ["TOKEN", "MAXXXXXXXXXXXXXXXXXX", "4155550123", "4155551212", "hello there"] {
        assert!(!shown.contains(secret), "the outcome shows {secret}: {shown}");
    }
    outcome
}

fn refused(outcome: Outcome) -> Refused {
    match outcome {
        Outcome::Rejected(refused) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

fn not_sent(outcome: &Outcome) -> NotSentKind {
    match outcome {
        Outcome::NotSent(not_sent) => not_sent.kind,
        other => panic!("not unsent: {other:?}"),
    }
}

/// What nobody can tell; whatever it is, it must not be sent again.
fn in_doubt(outcome: &Outcome) -> InDoubtKind {
    assert!(outcome.may_have_been_sent() && outcome.may_retry().is_none(), "{outcome:?}");
    match outcome {
        Outcome::InDoubt(in_doubt) => in_doubt.kind,
        other => panic!("not in doubt: {other:?}"),
    }
}
