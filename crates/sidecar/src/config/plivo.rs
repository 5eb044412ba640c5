//! `[plivo]`: the account, how it is called, and further accounts.

mod account;

use std::collections::BTreeMap;
use std::time::Duration;

use message::Sender;
use toml::de::DeValue;

use self::account::{Ids, Own};
use super::cursor::Section;
use super::reading::Spot;
use super::{HttpUrl, Secret};

/// Where Plivo is, unless the file says otherwise.
const BASE_URL: &str = "https://api.plivo.com";
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

/// What `[plivo]` says: the account of every app that names none, and the others.
#[derive(Default)]
pub(super) struct Accounts {
    /// None only where a fault was reported.
    pub(super) plivo: Option<Plivo>,
    pub(super) further: BTreeMap<String, Plivo>,
    /// The name of each of those, and where it stands, whether or not it could be read.
    pub(super) names: Vec<(String, Spot)>,
    /// Every auth token, which no app may have.
    pub(super) tokens: Vec<(Secret, Spot)>,
}

impl Plivo {
    pub(super) fn read(mut section: Section<'_>) -> Accounts {
        let base_url = base_url(&mut section);
        let real = base_url.as_ref().is_some_and(|url| !url.is_loopback());
        let mut ids = Ids::default();
        let own = Own::of_all(&mut section, real, &mut ids);
        let (connect_timeout, call_timeout) = timeouts(&mut section);
        let max_connections = section.size("max_connections", 100, 1..=10_000);
        section.or_default("attempts", "\"auto\"");
        let attempts = section.get("attempts").and_then(|item| match item.value {
            DeValue::String(word) if word == "auto" => None,
            DeValue::String(_) => {
                item.fault("is neither \"auto\" nor a whole number from 1 to 20");
                None
            }
            _ => item.number(1..=20),
        });
        let log = section.get("log").and_then(|item| match item.value {
            DeValue::Boolean(true) => Some("true"),
            DeValue::Boolean(false) => Some("false"),
            _ => item.word(&LOG),
        });
        let further = account::further(&mut section, real, &mut ids);
        section.finish();
        let names = further.iter().map(|(name, spot, _)| (name.clone(), spot.clone())).collect();
        let Some((base_url, own)) = base_url.zip(own) else {
            return Accounts { names, tokens: ids.tokens, ..Accounts::default() };
        };
        let with = |own: Own| {
            let Own { auth_id, auth_token, sender, senders } = own;
            let base_url = base_url.clone();
            Self {
                base_url,
                auth_id,
                auth_token,
                sender,
                senders,
                connect_timeout,
                call_timeout,
                max_connections,
                attempts,
                log,
            }
        };
        let further = further.into_iter().filter_map(|(name, _, own)| Some((name, with(own?))));
        let (further, plivo) = (further.collect(), Some(with(own)));
        Accounts { further, plivo, names, tokens: ids.tokens }
    }
}

/// Credentials go in clear text over plain http, so a host elsewhere needs the operator's word.
fn base_url(section: &mut Section<'_>) -> Option<HttpUrl> {
    let allowed = section.flag("allow_plain_http", false);
    section.or_default("base_url", format_args!("{BASE_URL:?}"));
    let Some(item) = section.get("base_url") else {
        return HttpUrl::parse(BASE_URL).ok().map(|(url, _)| url);
    };
    let url = HttpUrl::read(&item)?;
    if url.as_str().trim_end_matches('/').ends_with("/v1") {
        item.fault("ends in /v1, which is added to it; take that out");
        return None;
    }
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

fn timeouts(section: &mut Section<'_>) -> (Duration, Duration) {
    let before = section.reading().faults_so_far();
    let call = section.millis("call_timeout_ms", 15_000, 1..=300_000);
    // Who shortens the whole call need not think of its beginning.
    let most = u32::try_from(call.as_millis()).unwrap_or(u32::MAX);
    let connect = section.millis("connect_timeout_ms", most.min(3_000), 1..=60_000);
    // In the place of a faulty one stands a default that nobody wrote.
    if connect > call && section.reading().faults_so_far() == before {
        let detail = format!(
            "is longer than the whole call may take ({} ms); lower it, or raise call_timeout_ms",
            call.as_millis()
        );
        section.reading().fault(&section.spot_of("connect_timeout_ms"), detail);
    }
    (connect, call)
}

#[cfg(test)]
mod tests;
