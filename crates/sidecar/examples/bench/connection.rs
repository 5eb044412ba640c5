//! One kept connection of the load generator: as little client as will do, so that the programs get the cores.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;
use crate::sample::Asking;

/// Most bytes of an answer. Nothing here answers with more.
const ANSWER: usize = 16 << 10;

pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// An answer, whole.
pub(crate) struct Heard<'a> {
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::new(), answer: Vec::with_capacity(ANSWER) })
    }

    /// Sends the `nth` of what is asked and waits for the answer.
    ///
    /// # Errors
    ///
    /// Where it is not answered as it should be.
    pub(crate) async fn ask(&mut self, asking: Asking, nth: u64) -> Result<()> {
        let body = (asking.body)(nth);
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            asking.token,
            body.len()
        );
        let heard = self.exchange(&head, &body).await?;
        if (asking.is_well)(&heard) {
            return Ok(());
        }
        Err(format!("answered {} {}", heard.first_line(), heard.text()).into())
    }

    /// Reads what is at `path`, with whatever status.
    ///
    /// # Errors
    ///
    /// Where there is no answer.
    pub(crate) async fn read(&mut self, path: &str) -> Result<Heard<'_>> {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"), b"").await
    }

    async fn exchange(&mut self, head: &str, body: &[u8]) -> Result<Heard<'_>> {
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
                let (head, body) = self.answer.split_at(body_at);
                return Ok(Heard { head, body });
            }
            if self.answer.len() >= ANSWER {
                return Err(format!("an answer of more than {ANSWER} bytes").into());
            }
        }
    }
}

impl Heard<'_> {
    pub(crate) fn is(&self, status: &str) -> bool {
        self.head.get("HTTP/1.1 ".len()..).is_some_and(|rest| rest.starts_with(status.as_bytes()))
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.body.windows(words.len()).any(|some| some == words.as_bytes())
    }

    fn first_line(&self) -> String {
        String::from_utf8_lossy(self.head).lines().next().unwrap_or_default().to_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.body).into_owned()
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
