//! A Plivo that is not even HTTP: what it does to one connection, further ones lead to a real one.

use std::net::SocketAddr;
use std::time::Duration;

use plivo_sim::PlivoSim;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;

use crate::harness::{Setup, Sidecar, TO, plivo, texts};

/// What is done to the first connection.
#[derive(Clone, Copy, Debug)]
enum Trick {
    /// Says at once that nothing will come, and reads on.
    HalfCloses,
    /// The same once it has begun to read.
    HalfClosesAfterAByte,
    /// Reads, and never answers.
    IsMute,
    /// Does not even read.
    IsDeaf,
    /// Answers without end, a byte at a time.
    Drips,
    /// Promises more than it sends, and closes its side only. (After a 2xx it would never be sent again.)
    Promises,
    /// Speaks something else.
    Babbles,
    /// Answers without end, as fast as it is read.
    NeverEnds,
}

/// Longer than anybody here waits: what must end by itself does not end by it.
const NO_TIMEOUT_MS: u32 = 300_000;
const TIMEOUT_MS: u32 = 1_000;

const ALL: [Trick; 8] = [
    Trick::HalfCloses,
    Trick::HalfClosesAfterAByte,
    Trick::IsMute,
    Trick::IsDeaf,
    Trick::Drips,
    Trick::Promises,
    Trick::Babbles,
    Trick::NeverEnds,
];

impl Trick {
    /// Plays it until the peer has gone.
    async fn play(self, mut peer: TcpStream) -> std::io::Result<()> {
        let mut rest = Vec::new();
        match self {
            Self::HalfCloses => peer.shutdown().await?,
            Self::HalfClosesAfterAByte => {
                peer.read_u8().await?;
                peer.shutdown().await?;
            }
            Self::IsMute => {}
            Self::IsDeaf => std::future::pending().await,
            Self::Drips => {
                peer.read_u8().await?;
                let mut pace = interval(Duration::from_millis(50));
                loop {
                    pace.tick().await;
                    peer.write_all(b"H").await?;
                }
            }
            Self::Promises => {
                peer.read_u8().await?;
                let head =
                    "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 400\r\n\r\n{\"error\"";
                peer.write_all(head.as_bytes()).await?;
                peer.shutdown().await?;
            }
            Self::Babbles => {
                peer.read_u8().await?;
                peer.write_all(b"220 mail.example.com ESMTP\r\n").await?;
            }
            Self::NeverEnds => {
                peer.read_u8().await?;
                peer.write_all(b"HTTP/1.1 500 Internal Server Error\r\n\r\n").await?;
                // Nobody reads it to its end, and so it ends with the connection.
                loop {
                    peer.write_all(&[b' '; 1 << 16]).await?;
                }
            }
        }
        peer.read_to_end(&mut rest).await.map(drop)
    }
}

/// The address of something that plays `trick` once, and leads on to `plivo` ever after.
async fn tricky(trick: Trick, plivo: &PlivoSim) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, behind) = (listener.local_addr().expect("an address"), plivo.address());
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.expect("a connection");
        tokio::spawn(trick.play(first));
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut on = TcpStream::connect(behind).await?;
                copy_bidirectional(&mut peer, &mut on).await
            });
        }
    });
    address
}

#[tokio::test]
async fn whatever_a_connection_to_plivo_comes_to_the_message_is_sent_once_over_the_next() {
    for trick in ALL {
        let plivo = plivo().await;
        let address = tricky(trick, &plivo).await;
        let setup = Setup::with_base_url(&format!("http://{address}")).durable();
        let setup = setup.set("plivo.connect_timeout_ms", 1_000);
        let timeout = if let Trick::NeverEnds = trick { NO_TIMEOUT_MS } else { TIMEOUT_MS };
        let setup = setup.set("plivo.call_timeout_ms", timeout).set("delivery.settle_s", [1, 2]);
        let sidecar = Sidecar::start(setup).await;

        let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;

        // In doubt at first, where anything was written: then Plivo's list shows that it is not there.
        let record = sidecar.in_status(&id, "submitted").await;
        assert_eq!(texts(&plivo), ["hi"], "{trick:?}: {record}");
        let attempts = record["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 2, "{trick:?}: {record}");
        assert_ne!(attempts[0]["outcome"], "accepted", "{trick:?}: {record}");
        sidecar.stop().await;
    }
}
