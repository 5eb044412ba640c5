//! `[listen]`: the doors and their limits. All of it but `admin_token` is fixed until a restart.

use std::time::Duration;

use http::uri::Authority;

use super::cursor::{Item, Section};
use super::reading::Spot;
use super::{Address, HttpUrl};
use crate::gateway;

/// Most addresses for apps, and most further `Host` values.
const MOST_ENTRIES: usize = 16;

/// Where to listen, and what one connection may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where apps send their messages; at least one. Default `127.0.0.1:8787`.
    pub apps: Vec<Address>,
    /// Permissions of the files of Unix sockets for apps. Default: what the umask leaves.
    pub socket_mode: Option<u32>,
    /// Probes, metrics, status. Default `127.0.0.1:8788`.
    pub admin: Address,
    /// Where Plivo's delivery reports arrive, where they are wanted.
    pub callbacks: Option<Callbacks>,
    /// `Host` values taken besides the listeners' own; lower case.
    pub hosts: Vec<String>,
    /// Most bytes of a request's body. Default 65,536.
    pub max_body_bytes: usize,
    /// Most bytes of a request's head; hyper needs 8,192. Default 16,384.
    pub max_header_bytes: usize,
    /// How long a request's head may take. Default 5 s.
    pub header_timeout: Duration,
    /// How long a kept connection may be idle. Default 120 s, longer than common clients keep one.
    pub idle_timeout: Duration,
    /// How long a request's body may take. Default 10 s.
    pub body_timeout: Duration,
    /// Most connections at once over all listeners for apps; the admin listener has as many of its own. For one more,
    /// an idle one ends. Default 1,024.
    pub max_connections: usize,
    /// Above so many resident bytes no send is taken. Default: nine tenths of what the container may have.
    pub max_memory: Option<u64>,
    /// How long apps that end together with the sidecar may still send after SIGTERM, while any is connected. Default 5 s.
    pub linger: Duration,
    /// How long everything may take from SIGTERM to the end of the process. Default 25 s.
    pub drain: Duration,
}

/// The listener for delivery reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callbacks {
    /// Where to listen.
    pub address: Address,
    /// How Plivo reaches it; signatures cover this URL exactly.
    pub url: HttpUrl,
    /// Whether a report is taken whose only signature is Plivo's older one, V2. Default: it is not.
    pub v2_alone: bool,
}

impl Listen {
    /// Whether apps may come over a Unix socket.
    pub(super) fn has_socket(&self) -> bool {
        self.apps.iter().any(|address| matches!(address, Address::Unix(_)))
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let mut taken: Vec<(Spot, Address)> = Vec::new();
        section.or_default("apps", "\"127.0.0.1:8787\"");
        section.or_default("admin", "\"127.0.0.1:8788\"");
        let apps = match section.get("apps") {
            Some(item) => {
                let items = item.one_or_list(MOST_ENTRIES).unwrap_or_default();
                // One that is written twice is told already.
                let own =
                    items.iter().enumerate().filter(|(nth, item)| !item.repeats(&items[..*nth]));
                own.filter_map(|(_, item)| listener(item, &mut taken)).collect()
            }
            None => vec![Address::Tcp(([127, 0, 0, 1], 8787).into())],
        };
        if !section.has("apps") {
            taken.extend(apps.iter().map(|apps| (section.spot_of("apps"), apps.clone())));
        }
        let socket_mode = section.get("socket_mode").and_then(|item| mode(&item));
        let admin = match section.get("admin") {
            Some(item) => listener(&item, &mut taken),
            None => default_admin(&mut section, &mut taken),
        };
        let callbacks = callbacks(&mut section, &mut taken);
        section.or_default("hosts", "[]");
        let hosts = section.get("hosts").and_then(|item| item.one_or_list(MOST_ENTRIES));
        let hosts = hosts.iter().flatten().filter_map(host).collect();
        let max_body_bytes = section.size("max_body_bytes", 65_536, 1..=16 * 1024 * 1024);
        let max_header_bytes = section.size("max_header_bytes", 16_384, 8_192..=1024 * 1024);
        let header_timeout = section.millis("header_timeout_ms", 5_000, 1..=60_000);
        let idle_timeout = section.millis("idle_timeout_ms", 120_000, 1..=3_600_000);
        let body_timeout = section.millis("body_timeout_ms", 10_000, 1..=600_000);
        let max_connections = section.size("max_connections", 1_024, 1..=65_536);
        let max_memory = section.get("max_memory_mb").and_then(|item| item.number(1..=1 << 20));
        let before = section.reading().faults_so_far();
        let drain = section.seconds("drain_s", 25, 1..=3_600);
        let linger = section.seconds("linger_s", 5, 0..=3_600);
        let are_read = section.reading().faults_so_far() == before;
        if linger > drain && are_read && section.has("linger_s") {
            let detail = "is more than `drain_s`, which ends it";
            section.reading().warn(&section.spot_of("linger_s"), detail);
        }
        section.finish();
        Some(Self {
            apps,
            socket_mode,
            admin: admin?,
            callbacks,
            hosts,
            max_body_bytes,
            max_header_bytes,
            header_timeout,
            idle_timeout,
            body_timeout,
            max_connections,
            max_memory: max_memory.map(|mb| u64::from(mb) << 20),
            linger,
            drain,
        })
    }
}

/// Reads an address that no other listener has.
fn listener(item: &Item<'_>, taken: &mut Vec<(Spot, Address)>) -> Option<Address> {
    let address = Address::read(item)?;
    if let Some((other, theirs)) = taken.iter().find(|(_, other)| other.overlaps(&address)) {
        let what = if *theirs == address { "is" } else { "takes in" };
        item.fault(format!("{what} the address of {} too; give each listener its own", other.key));
        return None;
    }
    if !address.is_local() {
        let detail = match item.spot.key.as_str() {
            "listen.admin" => {
                "can be reached from other machines: what is not for everybody is in clear text there, the token \
                 too; prefer 127.0.0.1 or a Unix socket"
            }
            "listen.callbacks" => {
                "can be reached from other machines, and reports hold phone numbers in clear text; prefer 127.0.0.1 \
                 behind what ends TLS"
            }
            _ => {
                "can be reached from other machines, and tokens cross the network in clear text; prefer 127.0.0.1 or \
                 a Unix socket"
            }
        };
        item.reading.warn(&item.spot, detail);
    }
    taken.push((item.spot.clone(), address.clone()));
    Some(address)
}

/// The address where the file names none, unless a listener in the file has it.
fn default_admin(section: &mut Section<'_>, taken: &mut Vec<(Spot, Address)>) -> Option<Address> {
    let own = Address::default_admin();
    if let Some((other, _)) = taken.iter().find(|(_, other)| other.overlaps(&own)) {
        let detail = format!("takes in {own}, where listen.admin is by default; set that too");
        section.reading().fault(other, detail);
        return None;
    }
    taken.push((section.spot_of("admin"), own.clone()));
    Some(own)
}

fn callbacks(section: &mut Section<'_>, taken: &mut Vec<(Spot, Address)>) -> Option<Callbacks> {
    let v2_alone = section.flag("callbacks_v2", false);
    match (section.get("callbacks"), section.get("callbacks_url")) {
        (None, None) => {
            if v2_alone {
                let detail = "is of no use without `callbacks` and `callbacks_url`";
                section.reading().warn(&section.spot_of("callbacks_v2"), detail);
            }
            None
        }
        // What is there is read too, so that all that is wrong is told at once.
        (Some(item), None) => {
            item.fault("needs `callbacks_url`, the URL at which Plivo reaches this listener");
            listener(&item, taken);
            None
        }
        (None, Some(item)) => {
            item.fault("needs `callbacks`, the address to listen on for Plivo's reports");
            HttpUrl::read(&item);
            None
        }
        (Some(address), Some(url_item)) => {
            let (address, url) = (listener(&address, taken), HttpUrl::read(&url_item));
            let callbacks = Callbacks { address: address?, url: url?, v2_alone };
            if !callbacks.url.is_https() && !callbacks.url.is_loopback() {
                let detail = "is plain http: reports hold phone numbers; serve it over https";
                url_item.reading.warn(&url_item.spot, detail);
            }
            Some(callbacks)
        }
    }
}

/// Permissions as `chmod` takes them, such as `"0660"`.
fn mode(item: &Item<'_>) -> Option<u32> {
    let text = item.text()?;
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        item.fault(r#"is no mode of a file; write it as chmod takes it, such as "0660""#);
    }
    mode
}

fn host(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    // Each is compared whole with what clients send: a pattern or an impossible port would be nobody's.
    let shape = |authority: &Authority| {
        let named = !authority.host().is_empty() && !text.contains(['@', '*']);
        named && (gateway::has_port(authority) || authority.host() == text)
    };
    let host = text.parse().ok().filter(shape).map(|_| text.to_ascii_lowercase());
    if host.is_none() {
        item.fault("is not a host; write it whole, as clients send it, such as sms.internal:8787");
    }
    host
}

#[cfg(test)]
mod tests;
