//! Where it listens, and how Plivo calls.

use std::io::ErrorKind;
use std::net::TcpListener;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{Finding, PATIENCE};
use crate::config::{Address, Callbacks, Listen};
use crate::messages;

pub(super) async fn listeners(listen: &Listen) -> Vec<Finding> {
    let callbacks = listen.callbacks.as_ref().map(|callbacks| &callbacks.address);
    let all: Vec<_> = listen.apps.iter().chain([&listen.admin]).chain(callbacks).collect();
    if timeout(PATIENCE, messages::is_alive(&listen.admin)).await.unwrap_or(false) {
        let seen = format!("a sidecar runs, and answers at {}", listen.admin);
        return vec![Finding::ok("listeners", seen)];
    }
    let taken: Vec<_> = all.iter().filter_map(|address| trouble(address)).collect();
    if taken.is_empty() {
        let names: Vec<_> = all.iter().map(ToString::to_string).collect();
        return vec![Finding::ok("listeners", format!("free: {}", names.join(", ")))];
    }
    let to_do = "stop what holds it, or choose another address under [listen]";
    taken.into_iter().map(|seen| Finding::fail("listeners", seen, to_do)).collect()
}

/// Why it could not be listened at. A port is held for an instant; of a socket's file a start makes another.
fn trouble(address: &Address) -> Option<String> {
    let err = match address {
        Address::Tcp(address) => TcpListener::bind(address).err()?,
        Address::Unix(path) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
            if folder.is_dir() { return None } else { ErrorKind::NotFound.into() }
        }
    };
    Some(match err.kind() {
        ErrorKind::AddrInUse => format!("{address} is held by another process"),
        _ => format!("{address} could not be bound: {err}"),
    })
}

/// Whether Plivo can find the callback listener, as far as this machine can tell.
pub(super) async fn callbacks(callbacks: Option<&Callbacks>) -> Vec<Finding> {
    let Some(callbacks) = callbacks else {
        return vec![Finding::skipped("callbacks", "Plivo is asked for what becomes of messages")];
    };
    let (url, host) = (callbacks.url.as_str(), callbacks.url.host());
    let found = timeout(PATIENCE, lookup_host((host, 443))).await;
    let addresses: Vec<_> = found.ok().and_then(Result::ok).into_iter().flatten().collect();
    vec![match addresses.iter().find(|address| !message::facts::is_public(address.ip())) {
        _ if addresses.is_empty() => Finding::fail(
            "callbacks",
            format!("{url}: the name has no address"),
            "mend [listen] callbacks_url, or the name's record: Plivo's reports do not come",
        ),
        Some(address) => Finding::warn(
            "callbacks",
            format!("{url} leads to {}, which is no public address", address.ip()),
            "see that Plivo finds another from outside; it calls from the internet",
        ),
        None => Finding::ok("callbacks", format!("{url} leads to a public address")),
    }]
}
