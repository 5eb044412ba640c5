//! HTTP/1.1 by hand: what is asserted on is what was on the wire.

use std::io::ErrorKind;
use std::net::SocketAddr;

use plivo_sim::PlivoSim;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `Basic` of the default account.
pub(crate) const BASIC: &str = "Basic TUFYWFhYWFhYWFhYWFhYWFhYWFg6VE9LRU4=";
pub(crate) const MESSAGES: &str = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";
pub(crate) const SMS: &str = r#"{"src":"+14155551212","dst":"+14155550123","text":"hi"}"#;

/// How one exchange ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the body was as long as its head said.
    pub(crate) whole: bool,
    pub(crate) ending: Ending,
}

/// How the connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Reset,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.body))
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request with the account's credentials.
pub(crate) async fn call(sim: &PlivoSim, method: &str, path: &str, body: &str) -> Answer {
    let headers = format!("authorization: {BASIC}\r\ncontent-type: application/json\r\n");
    exchange(sim.address(), method, path, &headers, body.as_bytes()).await
}

/// A send with the account's credentials.
pub(crate) async fn send(sim: &PlivoSim, body: &str) -> Answer {
    call(sim, "POST", MESSAGES, body).await
}

/// One request on a connection of its own, read until the connection ends.
pub(crate) async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    read(&mut stream).await
}

/// Reads until the connection ends.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let ending = match stream.read_to_end(&mut bytes).await {
        Ok(_) => Ending::Closed,
        Err(err) if err.kind() == ErrorKind::ConnectionReset => Ending::Reset,
        Err(err) => panic!("{err}"),
    };
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Answer {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0),
        whole: length.and_then(|length| length.parse().ok()) == Some(body.len()),
        body: body.to_owned(),
        ending,
        head,
    }
}
