//! A web of one server on this machine, and names that lead to it.

#![allow(clippy::unwrap_used, reason = "tests end where a step fails")]

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{Names, NamesFuture, Prober, ProberOptions};

/// For `*.example.com` and `*.example.net`, and nobody else; its key is beside it.
const CERTIFICATE: &[u8] = include_bytes!("testing/certificate.pem");
const KEY: &[u8] = include_bytes!("testing/key.pem");
/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 0x16;

/// An address that is somebody's.
pub const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34));

/// A server that answers every request, by http and https, as it was told to.
#[derive(Clone, Debug)]
pub struct Web {
    address: SocketAddr,
    pages: Arc<Vec<Page>>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// The answer at one URL.
#[derive(Clone, Debug)]
pub struct Page {
    url: String,
    status: u16,
    headers: Vec<(String, String)>,
    takes_head: bool,
    /// Whether HEAD is told of no bytes.
    empties_head: bool,
    answers: bool,
}

/// Names whose lookups are answered in order, the last one for ever.
#[derive(Debug)]
struct Told {
    web: SocketAddr,
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
}

impl Page {
    /// A page of this status.
    pub fn new(url: &str, status: u16) -> Self {
        let headers = Vec::new();
        let url = url.into();
        Self { url, status, headers, takes_head: true, empties_head: false, answers: true }
    }

    /// A medium.
    pub fn medium(url: &str, content_type: &str, bytes: u64) -> Self {
        let page = Self::new(url, 200).header("content-type", content_type);
        page.header("content-length", &bytes.to_string())
    }

    /// A redirect.
    pub fn redirect(url: &str, location: &str) -> Self {
        Self::new(url, 302).header("location", location)
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same for GET alone; HEAD is answered 405.
    #[must_use]
    pub fn without_head(self) -> Self {
        Self { takes_head: false, ..self }
    }

    /// The same for GET; HEAD is told of no bytes.
    #[must_use]
    pub fn empty_head(self) -> Self {
        Self { empties_head: true, ..self }
    }

    /// The same, but no answer ever comes.
    #[must_use]
    pub fn silent(self) -> Self {
        Self { answers: false, ..self }
    }
}

impl Web {
    /// One that has these pages.
    pub async fn of(pages: Vec<Page>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let web = Self { address, pages: Arc::new(pages), seen: Arc::default() };
        let (own, acceptor) = (web.clone(), acceptor());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (web, acceptor) = (own.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let mut first = [0];
                    if stream.peek(&mut first).await.is_ok() && first[0] == HANDSHAKE {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        web.answer(stream, "https").await;
                    } else {
                        web.answer(stream, "http").await;
                    }
                });
            }
        });
        web
    }

    /// A prober that finds this server wherever a name leads; names have `answers`, one lookup after the other.
    pub fn prober(&self, answers: Vec<Vec<IpAddr>>, time: Duration) -> Prober {
        let answers = Mutex::new(answers.into());
        let names = Arc::new(Told { web: self.address, answers });
        let options = ProberOptions { time, names, extra_roots: CERTIFICATE.to_vec() };
        Prober::new(options).unwrap()
    }

    /// The requests that came, such as `HEAD https://cdn.example.com/a.jpg`.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, scheme: &str) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let host = fields.lines().find_map(|field| {
            let (name, value) = field.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
        });
        let url = format!("{scheme}://{}{path}", host.unwrap_or_default());
        self.seen.lock().unwrap().push(format!("{method} {url}"));
        let absent = Page::new(&url, 404);
        let page = self.pages.iter().find(|page| page.url == url).unwrap_or(&absent);
        if !page.answers {
            return std::future::pending().await;
        }
        let refused = method == "HEAD" && !page.takes_head;
        let status = if refused { 405 } else { page.status };
        let mut answer = format!("HTTP/1.1 {status} said\r\nconnection: close\r\n");
        let is_emptied = method == "HEAD" && page.empties_head;
        let is_untold = |name: &str| refused || is_emptied && name.starts_with("content-");
        if is_emptied {
            answer += "content-length: 0\r\n";
        }
        for (name, value) in page.headers.iter().filter(|(name, _)| !is_untold(name)) {
            answer += &format!("{name}: {value}\r\n");
        }
        // Of a GET no body follows: whoever wants one finds the connection closed.
        drop(stream.write_all(format!("{answer}\r\n").as_bytes()).await);
        drop(stream.shutdown().await);
    }
}

impl Names for Told {
    fn addresses<'a>(&'a self, _: &'a str) -> NamesFuture<'a> {
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }

    fn dial(&self, _: IpAddr) -> SocketAddr {
        self.web
    }
}

fn acceptor() -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
