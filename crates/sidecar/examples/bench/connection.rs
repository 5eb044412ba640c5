//! One kept connection of the load generator: as little client as will do, so that the programs get the cores.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;

/// Most bytes of an answer. Nothing here answers with more.
const ANSWER: usize = 16 << 10;

pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::new(), answer: Vec::with_capacity(ANSWER) })
    }

    /// Sends `body` and waits for the answer.
    ///
    /// # Errors
    ///
    /// Where the answer is anything but a 202 that names a UUID of Plivo's.
    pub(crate) async fn post(&mut self, body: &[u8]) -> Result<()> {
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer bench-token\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the connection was closed instead of an answer".into());
            }
            if let Some(body_at) = whole(&self.answer)? {
                return judged(&self.answer, body_at);
            }
            if self.answer.len() >= ANSWER {
                return Err(format!("an answer of more than {ANSWER} bytes").into());
            }
        }
    }
}

/// Where the body begins, once all of it is there.
fn whole(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?;
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.ok_or("an answer without a length")??;
    Ok((answer.len() >= end + 4 + length).then_some(end + 4))
}

fn judged(answer: &[u8], body_at: usize) -> Result<()> {
    let (head, body) = answer.split_at(body_at);
    let named = b"\"message_uuid\":";
    let uuid = body.windows(named.len()).position(|some| some == named).map(|at| at + named.len());
    let has_uuid = uuid.is_some_and(|at| matches!(body.get(at), Some(b'"' | b'[')));
    if head.starts_with(b"HTTP/1.1 202 ") && has_uuid {
        return Ok(());
    }
    let (head, body) = (String::from_utf8_lossy(head), String::from_utf8_lossy(body));
    Err(format!("not accepted: {} {body}", head.lines().next().unwrap_or_default()).into())
}
