//! `[listen]`: the doors and their limits. All of it but `admin_token` is fixed until a restart.

use std::time::Duration;

use http::uri::Authority;

use super::cursor::{Item, Section};
use super::reading::Spot;
use super::{Address, HttpUrl};

/// Most addresses for apps, and most further `Host` values.
const MOST_ENTRIES: usize = 16;

/// Where to listen, and what one connection may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where apps send their messages; at least one. Default `127.0.0.1:8787`.
    pub apps: Vec<Address>,
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
    /// Most connections at once over all listeners for apps; the admin listener has as many of its own. Default 1,024.
    pub max_connections: usize,
    /// How long requests in flight have to end after SIGTERM. Default 25 s.
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
        let apps = match section.get("apps") {
            Some(item) => {
                let items = item.one_or_list(MOST_ENTRIES).unwrap_or_default();
                items.iter().filter_map(|item| listener(item, &mut taken)).collect()
            }
            None => vec![Address::Tcp(([127, 0, 0, 1], 8787).into())],
        };
        let admin = match section.get("admin") {
            Some(item) => listener(&item, &mut taken),
            None => Some(Address::Tcp(([127, 0, 0, 1], 8788).into())),
        };
        let callbacks = callbacks(&mut section, &mut taken);
        let hosts = section.get("hosts").and_then(|item| item.one_or_list(MOST_ENTRIES));
        let hosts = hosts.iter().flatten().filter_map(host).collect();
        let max_body_bytes = section.size("max_body_bytes", 65_536, 1..=16 * 1024 * 1024);
        let max_header_bytes = section.size("max_header_bytes", 16_384, 8_192..=1024 * 1024);
        let header_timeout = section.millis("header_timeout_ms", 5_000, 1..=60_000);
        let idle_timeout = section.millis("idle_timeout_ms", 120_000, 1..=3_600_000);
        let body_timeout = section.millis("body_timeout_ms", 10_000, 1..=600_000);
        let max_connections = section.size("max_connections", 1_024, 1..=65_536);
        let drain = section.seconds("drain_s", 25, 1..=3_600);
        section.finish();
        Some(Self {
            apps,
            admin: admin?,
            callbacks,
            hosts,
            max_body_bytes,
            max_header_bytes,
            header_timeout,
            idle_timeout,
            body_timeout,
            max_connections,
            drain,
        })
    }
}

/// Reads an address that no other listener has.
fn listener(item: &Item<'_>, taken: &mut Vec<(Spot, Address)>) -> Option<Address> {
    let address = Address::read(item)?;
    let chosen_by_system = matches!(address, Address::Tcp(tcp) if tcp.port() == 0);
    if let Some((other, _)) = taken.iter().find(|(_, other)| *other == address)
        && !chosen_by_system
    {
        item.fault(format!("is the address of {} too; give each listener its own", other.key));
        return None;
    }
    if item.spot.key.starts_with("listen.apps") && !address.is_local() {
        let detail = "can be reached from other machines, and tokens cross the network in clear text; prefer \
                      127.0.0.1 or a Unix socket";
        item.reading.warn(&item.spot, detail);
    }
    taken.push((item.spot.clone(), address.clone()));
    Some(address)
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
        (Some(item), None) => {
            item.fault("needs `callbacks_url`, the URL at which Plivo reaches this listener");
            None
        }
        (None, Some(item)) => {
            item.fault("needs `callbacks`, the address to listen on for Plivo's reports");
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

fn host(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let shape = |authority: &Authority| !text.contains('@') && !authority.host().is_empty();
    let host = text.parse().ok().filter(shape).map(|_| text.to_ascii_lowercase());
    if host.is_none() {
        item.fault("is not a host; write it as clients send it, such as sms.internal:8787");
    }
    host
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{assert_faults, config_of, warnings_of};

    #[test]
    fn without_the_section_the_documented_defaults_hold() {
        let listen = config_of("").fixed.listen;
        let apps: Vec<String> = listen.apps.iter().map(ToString::to_string).collect();
        assert_eq!(apps, ["127.0.0.1:8787"]);
        assert_eq!(listen.admin.to_string(), "127.0.0.1:8788");
        assert_eq!((listen.callbacks, listen.hosts), (None, Vec::new()));
        assert_eq!((listen.max_body_bytes, listen.max_header_bytes), (65_536, 16_384));
        assert_eq!(
            (listen.header_timeout.as_millis(), listen.body_timeout.as_millis()),
            (5_000, 10_000)
        );
        assert_eq!((listen.max_connections, listen.drain.as_secs()), (1_024, 25));
    }

    #[test]
    fn a_list_of_addresses_is_taken_and_sockets_lie_beside_the_file() {
        let toml = "[listen]\napps = [\"[::1]:0\", \"127.0.0.1:0\", \"unix:run/apps.sock\"]\n\
                    callbacks = \"0.0.0.0:8789\"\ncallbacks_url = \"https://sms.example.com/\"\ncallbacks_v2 = true\n\
                    hosts = \"SMS.internal:8787\"\nmax_body_bytes = 65_537";
        let listen = config_of(toml).fixed.listen;
        let [_, _, socket] = &listen.apps[..] else { panic!("three addresses: {:?}", listen.apps) };
        let socket = socket.to_string();
        assert!(socket.starts_with("unix:/") && socket.ends_with("/run/apps.sock"), "{socket}");
        let callbacks = listen.callbacks.unwrap();
        assert_eq!((callbacks.url.as_str(), callbacks.v2_alone), ("https://sms.example.com", true));
        assert_eq!(
            (listen.hosts, listen.max_body_bytes),
            (vec!["sms.internal:8787".into()], 65_537)
        );
    }

    #[test]
    fn addresses_that_cannot_be_listened_on_are_faults() {
        let long = format!("[listen]\napps = \"unix:{}\"", "x".repeat(108));
        assert_faults(&[
            (
                "[listen]\napps = \"localhost:1\"",
                &["sidecar.toml:2:8: listen.apps: is not an address; write IP:PORT"],
            ),
            (
                "[listen]\napps = []",
                &["sidecar.toml:2:8: listen.apps: is empty; leave the key out instead"],
            ),
            (
                "[listen]\napps = [\"127.0.0.1:1\", 8]",
                &["sidecar.toml:2:24: listen.apps[1]: is an integer; give a string"],
            ),
            (
                "[listen]\nadmin = \"127.0.0.1:8787:\"",
                &["sidecar.toml:2:9: listen.admin: is not an address"],
            ),
            ("[listen]\nadmin = \"unix:\"", &["sidecar.toml:2:9: listen.admin: needs a path"]),
            (&long, &["sidecar.toml:2:8: listen.apps: needs a path of 1 to 107 bytes"]),
            (
                "[listen]\napps = \"127.0.0.1:9\"\nadmin = \"127.0.0.1:9\"",
                &["sidecar.toml:3:9: listen.admin: is the address of listen.apps too"],
            ),
        ]);
    }

    #[test]
    fn callbacks_need_their_address_and_their_url() {
        assert_faults(&[
            (
                "[listen]\ncallbacks = \"127.0.0.1:1\"",
                &["sidecar.toml:2:13: listen.callbacks: needs `callbacks_url`"],
            ),
            (
                "[listen]\ncallbacks_url = \"https://a.b\"",
                &["sidecar.toml:2:17: listen.callbacks_url: needs `callbacks`"],
            ),
            (
                "[listen]\ncallbacks = \"127.0.0.1:1\"\ncallbacks_url = \"a.b\"",
                &["sidecar.toml:3:17: listen.callbacks_url: is not an absolute http or https URL"],
            ),
        ]);
    }

    #[test]
    fn limits_out_of_range_are_faults() {
        assert_faults(&[
            (
                "[listen]\nmax_body_bytes = 0",
                &[
                    "sidecar.toml:2:18: listen.max_body_bytes: is 0; give a whole number from 1 to 16777216",
                ],
            ),
            (
                "[listen]\nmax_header_bytes = 100",
                &["sidecar.toml:2:20: listen.max_header_bytes: is 100; give"],
            ),
            (
                "[listen]\nheader_timeout_ms = -5",
                &["sidecar.toml:2:21: listen.header_timeout_ms: is -5; give"],
            ),
            (
                "[listen]\nbody_timeout_ms = 1.5",
                &["sidecar.toml:2:19: listen.body_timeout_ms: is a float; give"],
            ),
            (
                "[listen]\nmax_connections = 99999999999999999999",
                &["sidecar.toml:2:19: listen.max_connections: is 9999"],
            ),
            (
                "[listen]\ndrain_s = \"25\"",
                &["sidecar.toml:2:11: listen.drain_s: is a string; give a whole number"],
            ),
            (
                "[listen]\nhosts = [\"a b\", \"u@h\"]",
                &[
                    "sidecar.toml:2:10: listen.hosts[0]: is not a host",
                    "sidecar.toml:2:17: listen.hosts[1]: is not a host",
                ],
            ),
        ]);
    }

    #[test]
    fn what_other_machines_can_reach_or_read_is_a_warning() {
        let toml = "[listen]\napps = \"0.0.0.0:1\"\ncallbacks = \"127.0.0.1:3\"\ncallbacks_url = \"http://a.b\"";
        let warnings = warnings_of(toml);
        let [apps, url] = &warnings[..] else { panic!("two warnings: {warnings:#?}") };
        assert!(apps.starts_with("sidecar.toml:2:8: listen.apps: can be reached"), "{apps}");
        assert!(url.starts_with("sidecar.toml:4:17: listen.callbacks_url: is plain http"), "{url}");
    }

    #[test]
    fn callbacks_over_https_or_from_this_machine_are_no_warning_and_v2_without_them_is() {
        for url in ["https://a.b", "http://127.0.0.1:3"] {
            let toml = format!("[listen]\ncallbacks = \"127.0.0.1:3\"\ncallbacks_url = \"{url}\"");
            assert_eq!(warnings_of(&toml), Vec::<String>::new(), "for {url}");
        }
        let warnings = warnings_of("[listen]\ncallbacks_v2 = true");
        assert!(
            warnings.len() == 1
                && warnings[0].starts_with("sidecar.toml:2:16: listen.callbacks_v2: is of no use"),
            "{warnings:#?}"
        );
    }

    #[test]
    fn the_operators_token_is_read_and_may_change_by_a_reload() {
        let (none, one) = (config_of(""), config_of("[listen]\nadmin_token = \"operator\""));
        assert_eq!(none.reloadable.admin_token, None);
        assert!(one.reloadable.admin_token.is_some_and(|token| token.matches(b"operator")));
        assert_eq!(none.fixed.difference(&one.fixed), None);
    }
}
