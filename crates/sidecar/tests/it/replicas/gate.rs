//! The way from one replica to the Redis, which can be barred.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::harness::PATIENCE;

/// Passes on what a replica asks, and holds it back when told to. Nothing is lost of what is held.
pub(super) struct Gate {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// How long each answer takes besides.
    delay: watch::Sender<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Closes at the first request that holds these bytes.
    ClosesAt(&'static [u8]),
    Closed,
}

impl Gate {
    /// An open one, before the server on `port`.
    pub(super) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (state, seen) = watch::channel(State::Open);
        let (delay, slowed) = watch::channel(Duration::ZERO);
        let own = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, port, own.clone(), seen.clone(), slowed.clone()));
            }
        });
        Self { address, state, delay }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(super) fn slow(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }

    pub(super) fn close(&self) {
        self.state.send_replace(State::Closed);
    }

    pub(super) fn close_at(&self, bytes: &'static str) {
        self.state.send_replace(State::ClosesAt(bytes.as_bytes()));
    }

    pub(super) fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// Waits until something is held.
    pub(super) async fn is_closed(&self) {
        let mut seen = self.state.subscribe();
        let closed = timeout(PATIENCE, seen.wait_for(|state| *state == State::Closed)).await;
        closed.expect("the gate closes in time").expect("the gate is still there");
    }
}

async fn pass(
    client: TcpStream,
    port: u16,
    state: watch::Sender<State>,
    mut seen: watch::Receiver<State>,
    slowed: watch::Receiver<Duration>,
) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let ((mut asks, mut hears), (mut answers, mut takes)) =
        (client.into_split(), server.into_split());
    let asking = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = asks.read(&mut bytes).await {
            let asked = &bytes[..read];
            state.send_if_modified(|state| match *state {
                State::ClosesAt(mark) if asked.windows(mark.len()).any(|part| part == mark) => {
                    *state = State::Closed;
                    true
                }
                _ => false,
            });
            if seen.wait_for(|state| *state != State::Closed).await.is_err()
                || takes.write_all(asked).await.is_err()
            {
                return;
            }
        }
    };
    let answering = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = answers.read(&mut bytes).await {
            let delay = *slowed.borrow();
            sleep(delay).await;
            if hears.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    // Whichever end goes away, the other is told.
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}
