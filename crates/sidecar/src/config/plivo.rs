//! `[plivo]`: the account, and how it is called.

use std::collections::BTreeMap;
use std::time::Duration;

use message::Sender;
use toml::de::DeValue;

use super::cursor::{Item, Section};
use super::names::{parse_sender, sender};
use super::{HttpUrl, Secret};

/// Where Plivo is, unless the file says otherwise.
const BASE_URL: &str = "https://api.plivo.com";
/// Most entries of the register of senders.
const MOST_SENDERS: usize = 10_000;
/// An auth id: `MA` or `SA` and 18 more characters. Plivo's SDKs for Python, Ruby and Java check the same.
const AUTH_ID_BYTES: usize = 20;
/// An auth token's usual length, as integrators' set-up pages give it.
const AUTH_TOKEN_BYTES: usize = 40;
/// Plivo's words for what its log keeps of a message (its page "Send a message").
const LOG: [(&str, &str); 4] = [
    ("true", "true"),
    ("false", "false"),
    ("content_only", "content_only"),
    ("number_only", "number_only"),
];

/// The Plivo account and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plivo {
    /// Scheme, host and perhaps a prefix; `/v1/…` is appended.
    pub base_url: HttpUrl,
    /// From `PLIVO_AUTH_ID` where the file has none.
    pub auth_id: Secret,
    /// From `PLIVO_AUTH_TOKEN` where the file has none.
    pub auth_token: Secret,
    /// What a message comes from that names no sender; from `PLIVO_SENDER_NUMBER` where the file has none.
    pub sender: Sender,
    /// What the account's senders can carry; a sender that is not listed can carry everything.
    pub senders: Vec<SenderCapability>,
    /// Default 3 s.
    pub connect_timeout: Duration,
    /// From the first byte to the answer's last, connecting included. Default 15 s.
    pub call_timeout: Duration,
    /// Most calls to Plivo at once, and most idle connections kept. Default 100.
    pub max_connections: usize,
    /// Most calls for one message that Plivo turns away for now (429, 503), the first included. Default: as many as
    /// there is time for.
    pub attempts: Option<u32>,
    /// Plivo's `log`, where it is to be sent: `true`, `false`, `content_only` or `number_only`.
    pub log: Option<&'static str>,
}

/// What one sender can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderCapability {
    /// The number, short code, name or pool.
    pub sender: Sender,
    /// Whether it sends SMS. Default yes.
    pub sms: bool,
    /// Whether it sends MMS. Default yes.
    pub mms: bool,
}

impl Plivo {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let base_url = base_url(&mut section);
        let real = base_url.as_ref().is_some_and(|url| !url.is_loopback());
        let auth_id = auth_id(&mut section);
        let auth_token = auth_token(&mut section, real);
        let sender = default_sender(&mut section);
        let senders = section.get("senders").map(|item| register(&item)).unwrap_or_default();
        let (connect_timeout, call_timeout) = timeouts(&mut section);
        let max_connections = section.size("max_connections", 100, 1..=10_000);
        section.or_default("attempts", "\"auto\"");
        let attempts = section.get("attempts").and_then(|item| match item.value {
            DeValue::String(_) => item.word(&[("auto", ())]).and(None),
            _ => item.number(1..=20),
        });
        let log = section.get("log").and_then(|item| match item.value {
            DeValue::Boolean(true) => Some("true"),
            DeValue::Boolean(false) => Some("false"),
            _ => item.word(&LOG),
        });
        section.finish();
        Some(Self {
            base_url: base_url?,
            auth_id: auth_id?,
            auth_token: auth_token?,
            sender: sender?,
            senders,
            connect_timeout,
            call_timeout,
            max_connections,
            attempts,
            log,
        })
    }
}

/// Credentials go in clear text over plain http, so a host elsewhere needs the operator's word.
fn base_url(section: &mut Section<'_>) -> Option<HttpUrl> {
    let allowed = section.flag("allow_plain_http", false);
    section.or_default("base_url", format_args!("{BASE_URL:?}"));
    let Some(item) = section.get("base_url") else { return HttpUrl::parse(BASE_URL).ok() };
    let url = HttpUrl::read(&item)?;
    let plain = !url.is_https() && !url.is_loopback();
    if plain && !allowed {
        let detail = "is plain http to another machine, so credentials and messages would cross the network in clear \
                      text; use https, or set allow_plain_http = true";
        item.fault(detail);
    } else if plain {
        item.reading.warn(
            &item.spot,
            "is plain http: credentials and messages cross the network in clear text",
        );
    }
    Some(url)
}

fn auth_id(section: &mut Section<'_>) -> Option<Secret> {
    let auth_id = Secret::read_or(section, "auth_id", "PLIVO_AUTH_ID")?;
    let value = auth_id.expose();
    if value.contains([':', '/', '?', '#', '%']) {
        // It stands in the URL's path and before the colon of Basic authentication.
        let detail = "is not an auth id; copy it from Plivo's console";
        section
            .reading()
            .fault(&section.spot_of("auth_id"), format!("{}: {detail}", auth_id.source()));
        return None;
    }
    let usual = value.len() == AUTH_ID_BYTES
        && (value.starts_with("MA") || value.starts_with("SA"))
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !usual {
        let detail = "does not look like an auth id: MA or SA, then 18 capitals and digits";
        section
            .reading()
            .warn(&section.spot_of("auth_id"), format!("{}: {detail}", auth_id.source()));
    }
    Some(auth_id)
}

fn auth_token(section: &mut Section<'_>, real: bool) -> Option<Secret> {
    let token = Secret::read_or(section, "auth_token", "PLIVO_AUTH_TOKEN")?;
    if real && token.expose().len() != AUTH_TOKEN_BYTES {
        let detail = "does not look like Plivo's auth token, which has 40 characters";
        section
            .reading()
            .warn(&section.spot_of("auth_token"), format!("{}: {detail}", token.source()));
    }
    Some(token)
}

fn default_sender(section: &mut Section<'_>) -> Option<Sender> {
    let value = Secret::read_or(section, "sender", "PLIVO_SENDER_NUMBER")?;
    let sender = parse_sender(value.expose());
    if sender.is_none() {
        let detail = format!(
            "{} is not a sender; give a number in E.164, such as +14155551212, a short code, a name or a pool's UUID",
            value.source()
        );
        section.reading().fault(&section.spot_of("sender"), detail);
    }
    sender
}

fn timeouts(section: &mut Section<'_>) -> (Duration, Duration) {
    let connect = section.millis("connect_timeout_ms", 3_000, 1..=60_000);
    let call = section.millis("call_timeout_ms", 15_000, 1..=300_000);
    if connect > call {
        let detail = format!(
            "is longer than the whole call may take ({} ms); lower it, or raise call_timeout_ms",
            call.as_millis()
        );
        section.reading().fault(&section.spot_of("connect_timeout_ms"), detail);
    }
    (connect, call)
}

fn register(item: &Item<'_>) -> Vec<SenderCapability> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let capability = |mut entry: Section<'_>| {
        let number = entry.need("number", r#"write number = "+14155551212""#);
        let found = number.as_ref().and_then(sender);
        let (sms, mms) = (entry.flag("sms", true), entry.flag("mms", true));
        if !sms && !mms {
            entry
                .reading()
                .fault(entry.spot(), "can carry neither sms nor mms; take the sender out");
        }
        entry.finish();
        let (number, sender) = (number?, found?);
        if let Some(other) = seen.insert(sender.as_str().into(), number.spot.key.clone()) {
            number.fault(format!("is {other} too; list each sender once"));
        }
        Some(SenderCapability { sender, sms, mms })
    };
    item.tables(MOST_SENDERS).into_iter().filter_map(capability).collect()
}

#[cfg(test)]
mod tests;
