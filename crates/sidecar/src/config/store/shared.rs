//! `[store] shared`: what replicas share.

use std::time::Duration;

use url::Url;

use crate::config::cursor::{Item, Section};
use crate::config::origin::is_loopback;
use crate::config::{Secret, SecretSource};

/// Longest prefix of keys, in bytes: it stands in each of them.
const PREFIX_BYTES: usize = 64;
/// Where none is written.
const PORT: u16 = 6379;
/// The keys that say something about `shared` only.
const ABOUT: [&str; 3] = ["shared_prefix", "shared_timeout_ms", "shared_keys"];

/// A Redis or Valkey that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Where it is, `redis://HOST:PORT/DATABASE` or `rediss://…`, without the user and the password, which a reload may
    /// replace ([`crate::config::Reloadable::shared_url`]).
    pub server: String,
    /// What every key there begins with. Default `sendgate:`.
    pub prefix: String,
    /// Most time that one answer of it may take. Default 250 ms.
    pub timeout: Duration,
    /// Whether idempotency keys are shared as well as limits. Default: they are.
    pub keys: bool,
}

impl Shared {
    /// What is shared where, and the URL as it is written, with the credentials.
    pub(super) fn read(section: &mut Section<'_>) -> Option<(Self, Secret)> {
        let url = section.get("shared");
        let prefix = match section.get("shared_prefix") {
            Some(item) => prefix(&item),
            None => Some("sendgate:".into()),
        };
        section.or_default("shared_prefix", "\"sendgate:\"");
        let timeout = section.millis("shared_timeout_ms", 250, 1..=10_000);
        let keys = section.flag("shared_keys", true);
        let Some(item) = url else {
            for key in ABOUT.into_iter().filter(|key| section.has(key)) {
                let detail =
                    r#"needs `shared`; write shared = "redis://HOST", or take the key out"#;
                section.reading().fault(&section.spot_of(key), detail);
            }
            return None;
        };
        if !section.has("hash_key") {
            item.fault("needs `hash_key`, one and the same for all replicas: what they share is hashed with it");
        }
        let (server, url) = server(&item)?;
        Some((Self { server, prefix: prefix?, timeout, keys }, url))
    }
}

/// Reads the server's URL, of which no message shows anything: it may hold a password. Beside it what of it is none.
fn server(item: &Item<'_>) -> Option<(String, Secret)> {
    let url = Secret::read(item)?;
    match check(url.expose()) {
        Err(detail) => {
            item.fault(url.source().said(detail));
            None
        }
        Ok(parsed) => {
            if parsed.password().is_some() && *url.source() == SecretSource::Literal {
                let detail = "holds a password in the file itself; use { env = \"NAME\" } or { file = \"PATH\" }";
                item.reading.warn(&item.spot, detail);
            }
            if parsed.scheme() == "redis" && !is_loopback(&parsed) {
                let detail = "is not encrypted: what replicas share crosses the network in clear text; prefer \
                 rediss://";
                item.reading.warn(&item.spot, detail);
            }
            Some((without_credentials(&parsed), url))
        }
    }
}

/// What is written by default or left out is the same server.
fn without_credentials(url: &Url) -> String {
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    let database = url.path().trim_start_matches('/').parse::<u16>().unwrap_or_default();
    format!("{scheme}://{host}:{}/{database}", url.port().unwrap_or(PORT))
}

fn check(text: &str) -> Result<Url, &'static str> {
    const SHAPE: &str = "is not the URL of a Redis, such as redis://127.0.0.1:6379";
    let url = Url::parse(text).map_err(|_| SHAPE)?;
    let database = url.path().trim_start_matches('/');
    if !matches!(url.scheme(), "redis" | "rediss") || url.host_str().is_none_or(str::is_empty) {
        Err(SHAPE)
    } else if url.query().is_some() || url.fragment().is_some() {
        Err("has a query or a fragment; take it out")
    } else if !database.is_empty() && database.parse::<u16>().is_err() {
        Err("has a path that is not the number of a database; write /0 or leave it out")
    } else {
        Ok(url)
    }
}

fn prefix(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let fits = !text.is_empty()
        && text.len() <= PREFIX_BYTES
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'{' | b'}'));
    if !fits {
        item.fault(format!(
            "is not a prefix; use 1 to {PREFIX_BYTES} visible ASCII characters without braces, such as sendgate:"
        ));
    }
    fits.then(|| text.into())
}
