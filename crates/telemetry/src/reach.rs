//! Whether the collector is there.

use std::error::Error;
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::environment::{self, Destination, Plan};
use crate::{Protocol, TelemetryOptions, exporter};

/// Why a collector does not answer.
pub type Away = Box<dyn Error + Send + Sync>;

/// The address that spans go to by `options` and the environment, and whether a collector answers there, within `most`:
/// over HTTP to a request without a span, over gRPC by a connection. `None` where spans go nowhere. Blocks.
pub fn reach(options: &TelemetryOptions, most: Duration) -> Option<(String, Result<(), Away>)> {
    let mut to = Plan::new(options, &environment::process).export?;
    to.timeout = to.timeout.min(most);
    let answered = match to.protocol {
        Protocol::Http => ask(&to),
        Protocol::Grpc => connect(&to).map_err(Away::from),
    };
    Some((to.endpoint, answered))
}

/// What of the environment could not be used for `options`, a sentence each.
#[must_use]
pub fn passed_over(options: &TelemetryOptions) -> Vec<String> {
    Plan::new(options, &environment::process).warnings
}

fn ask(to: &Destination) -> Result<(), Away> {
    // A message of protobuf without any member has no bytes.
    let asked = exporter::http_client(to)?.post(&to.endpoint);
    let answer = asked.header("content-type", "application/x-protobuf").send();
    match answer.map_err(reqwest::Error::without_url)?.status().as_u16() {
        // Whoever wants a key is there; it stands in OTEL_EXPORTER_OTLP_HEADERS, which are not sent here.
        200..300 | 401 | 403 => Ok(()),
        status => Err(format!("it answers {status}, as no collector does").into()),
    }
}

fn connect(to: &Destination) -> io::Result<()> {
    let authority = to.endpoint.split_once("://").map_or(to.endpoint.as_str(), |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let address = authority.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    TcpStream::connect_timeout(&address, to.timeout).map(drop)
}
