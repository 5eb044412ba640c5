//! Where it listens, and how Plivo calls.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::path::Path;

use rustix::fs::Access;
use tokio::net::{UnixStream, lookup_host};
use tokio::time::timeout;

use super::{Finding, PATIENCE};
use crate::config::{Address, Callbacks, Listen};
use crate::listen::There;
use crate::messages::{self, Sends};

pub(super) async fn listeners(listen: &Listen) -> Vec<Finding> {
    let callbacks = listen.callbacks.as_ref().map(|callbacks| &callbacks.address);
    let all: Vec<_> = listen.apps.iter().chain([&listen.admin]).chain(callbacks).collect();
    if timeout(PATIENCE, messages::is_alive(&listen.admin)).await.unwrap_or(false) {
        return beside_one(listen, callbacks).await;
    }
    let mut taken = Vec::new();
    for address in &all {
        taken.extend(trouble(address).await);
    }
    if taken.is_empty() {
        let names: Vec<_> = all.iter().map(ToString::to_string).collect();
        return vec![Finding::ok("listeners", format!("free: {}", names.join(", ")))];
    }
    // Without a port of its own a sidecar at work cannot be asked whether it is it.
    let unless = match listen.admin.is_any_port() {
        true => {
            "; if it is a sidecar of this file, give [listen] admin a port, by which it is known"
        }
        false => "",
    };
    let fail = |bar: Bar| Finding::fail("listeners", bar.seen, format!("{}{unless}", bar.to_do));
    taken.into_iter().map(fail).collect()
}

/// Beside a sidecar at work: whether it listens at all the others. Of `callbacks` only that somebody does can be told.
async fn beside_one(listen: &Listen, callbacks: Option<&Address>) -> Vec<Finding> {
    let runs = format!("a sidecar runs, and answers at {}", listen.admin);
    if !timeout(PATIENCE, messages::has_started(&listen.admin)).await.unwrap_or(false) {
        let seen = format!("{runs}; it waits for its store, and takes nothing until then");
        return vec![Finding::ok("listeners", seen)];
    }
    let causes = timeout(PATIENCE, messages::not_ready(&listen.admin)).await.unwrap_or_default();
    let to_do = "mend that; /readyz and the log say more";
    let not_ready = |why| Finding::fail("readiness", format!("it is not ready: {why}"), to_do);
    let mut findings: Vec<Finding> = causes.into_iter().map(not_ready).collect();
    for address in listen.apps.iter().filter(|address| !address.is_any_port()) {
        match timeout(PATIENCE, messages::sends_at(address)).await.unwrap_or(Sends::KnowsNone) {
            Sends::Takes => continue,
            Sends::TurnsAway(why) => {
                let to_do = "let it do less at once, or raise that bound; /metrics tells how much";
                let seen = format!("{runs}, and turns requests away at {address}: {why}");
                findings.push(Finding::warn("listeners", seen, to_do));
                continue;
            }
            Sends::KnowsNone => {}
        }
        findings.extend(match trouble(address).await {
            Some(_) if is_for_others(address).await => None,
            Some(Bar { seen, to_do }) => {
                let to_do = format!("{to_do}; then restart the sidecar");
                Some(Finding::fail("listeners", format!("{runs}; {seen}"), to_do))
            }
            None => Some(nobody(&runs, address)),
        });
    }
    if let Some(address) = callbacks.filter(|address| !address.is_any_port())
        && trouble(address).await.is_none()
    {
        findings.push(nobody(&runs, address));
    }
    if findings.is_empty() { vec![Finding::ok("listeners", runs)] } else { findings }
}

fn nobody(runs: &str, address: &Address) -> Finding {
    let seen = format!("{runs}, and nobody at {address}");
    Finding::fail("listeners", seen, "restart the sidecar: it begins to listen there then")
}

/// A socket's file that only others may connect to.
async fn is_for_others(address: &Address) -> bool {
    let Address::Unix(path) = address else { return false };
    let connected = UnixStream::connect(path).await;
    connected.is_err_and(|err| err.kind() == ErrorKind::PermissionDenied)
}

/// Why an address could not be listened at, and what to do about it.
struct Bar {
    seen: String,
    to_do: &'static str,
}

/// What bars the way to it. A port is held for an instant.
async fn trouble(address: &Address) -> Option<Bar> {
    let taken = |seen: &str| Bar {
        seen: format!("{address} is {seen}"),
        to_do: "free it, or choose another address under [listen]",
    };
    match address {
        Address::Tcp(socket) => {
            let err = TcpListener::bind(socket).err()?;
            Some(match err.kind() {
                ErrorKind::AddrInUse => taken("held by another process"),
                _ => not_bound(address, &err),
            })
        }
        Address::Unix(path) => match There::at(path).await {
            There::Socket => Some(taken("held by another process")),
            There::Other => Some(taken("there already, and is no socket")),
            There::Nothing | There::Stale => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                // A start makes a file there, in the place of one that is stale.
                let may = rustix::fs::access(folder.join("."), Access::WRITE_OK | Access::EXEC_OK);
                may.err().map(|err| not_bound(address, &err.into()))
            }
        },
    }
}

fn not_bound(address: &Address, err: &io::Error) -> Bar {
    let to_do = match (address, err.kind()) {
        (Address::Unix(_), ErrorKind::NotFound) => "make its folder",
        (Address::Unix(_), ErrorKind::PermissionDenied) => {
            "let this user write in its folder, or choose another address under [listen]"
        }
        (Address::Tcp(_), ErrorKind::AddrNotAvailable) => {
            "choose an address that this machine has under [listen]"
        }
        (Address::Tcp(_), ErrorKind::PermissionDenied) => {
            "choose a port from 1024 on under [listen], or give the program CAP_NET_BIND_SERVICE"
        }
        _ => "choose another address under [listen]",
    };
    Bar { seen: format!("{address} could not be bound: {err}"), to_do }
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
