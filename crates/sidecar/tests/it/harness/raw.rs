//! HTTP by hand, for what no client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// A connection whose every byte the test chooses.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap_or_else(|err| panic!("{address}: {err}")))
    }

    /// Sends `bytes`; that the peer has closed already is no failure, since its answer may be there to read.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.0.write_all(bytes.as_ref()).await);
    }

    /// Says that nothing more will come.
    pub(crate) async fn finish(&mut self) {
        drop(self.0.shutdown().await);
    }

    /// What comes up to `end`, and no byte more.
    ///
    /// # Panics
    ///
    /// If it does not come.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        let whole = timeout(PATIENCE, async {
            while !read.ends_with(end.as_bytes()) {
                match self.0.read_u8().await {
                    Ok(byte) => read.push(byte),
                    Err(_) => return false,
                }
            }
            true
        });
        let whole = whole.await.unwrap_or_default();
        let text = String::from_utf8_lossy(&read).into_owned();
        assert!(whole, "{end:?} did not come; read so far:\n{text}");
        text
    }

    /// One answer that tells its length; the connection stays open.
    ///
    /// # Panics
    ///
    /// If it does not come whole.
    pub(crate) async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        let whole = timeout(PATIENCE, async {
            while !is_whole(&read) && self.0.read_buf(&mut read).await.is_ok_and(|count| count > 0)
            {
            }
        });
        let in_time = whole.await.is_ok();
        let text = String::from_utf8_lossy(&read).into_owned();
        assert!(in_time && is_whole(&read), "no whole answer; read so far:\n{text}");
        text
    }

    /// Everything until the peer closes.
    ///
    /// # Panics
    ///
    /// If it does not close.
    pub(crate) async fn rest(mut self) -> String {
        let mut read = Vec::new();
        let ended = timeout(PATIENCE, async {
            let mut chunk = [0; 4_096];
            // A reset ends the answer like a close does.
            while let Ok(count @ 1..) = self.0.read(&mut chunk).await {
                read.extend_from_slice(&chunk[..count]);
            }
        });
        let in_time = ended.await.is_ok();
        let text = String::from_utf8_lossy(&read).into_owned();
        assert!(in_time, "the connection stayed open; read so far:\n{text}");
        text
    }
}

/// Whether `read` is a head and as much body as it announces.
fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_lowercase();
    let mut lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
    let length = lengths.next().and_then(|length| length.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// Sends `bytes` and reads until the peer closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut connection = Connection::open(address).await;
    connection.send(bytes).await;
    connection.rest().await
}
