//! An app's `relay_*` keys: where it is told what became of its messages.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::{Origin, Url};

use super::Secret;
use super::cursor::{Item, Section};
use super::origin::{read_origin, read_url};

/// Most origins of one app.
const MOST_ORIGINS: usize = 64;
/// Most secrets of one app: the new one, the old one, and room for a slip.
const MOST_SECRETS: usize = 4;
/// What Standard Webhooks puts before a secret that is written in base64.
const CODED: &str = "whsec_";

/// Where an app is told what became of its messages, and how that is signed.
///
/// `Debug` shows no path: some hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Relay {
    /// Where events of messages go that name no place themselves.
    pub url: Option<Url>,
    /// The origins that may be called, compared as they are parsed; that of `url` is among them. Never empty.
    pub allow: Vec<Origin>,
    /// What is signed with, by each of them; at least one, no two the same. `whsec_` and base64, or the key's own
    /// bytes.
    pub secrets: Vec<Secret>,
}

impl Relay {
    /// Reads `relay_url`, `relay_allow` and `relay_secret`; `None` where the app has none of them.
    pub(super) fn read(app: &mut Section<'_>) -> Option<Self> {
        let url_item = app.get("relay_url");
        app.or_default("relay_allow", "[]");
        let allow_item = app.get("relay_allow");
        let secret_item = app.get("relay_secret");
        match (url_item.as_ref().or(allow_item.as_ref()), &secret_item) {
            (Some(item), None) => {
                item.fault(r#"needs `relay_secret`, which signs events; write relay_secret = { env = "NAME" }"#)
            }
            (None, Some(item)) => {
                item.fault("signs nothing without `relay_url` or `relay_allow`; add one of them")
            }
            _ => {}
        }
        let url = url_item.as_ref().and_then(read_url);
        let allowed = allow_item.and_then(|item| {
            item.filled_list(MOST_ORIGINS, "leave the key out to allow relay_url's origin only")
        });
        let mut allow: Vec<Origin> = allowed.iter().flatten().filter_map(read_origin).collect();
        let own = url.as_ref().map(Url::origin);
        allow.extend(own.filter(|own| !allow.contains(own)));
        let secrets = secrets(&secret_item?);
        Some(Self { url, allow, secrets })
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("url", &self.url.as_ref().map(|url| shown(&url.origin())))
            .field("allow", &self.allow.iter().map(shown).collect::<Vec<_>>())
            .field("secrets", &self.secrets)
            .finish()
    }
}

fn shown(origin: &Origin) -> String {
    origin.ascii_serialization()
}

fn secrets(item: &Item<'_>) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    let items = item.one_or_list(MOST_SECRETS).unwrap_or_default();
    for (nth, item) in items.iter().enumerate() {
        let Some(secret) = secret(item) else { continue };
        let is_known = secrets.iter().any(|other| other.matches(secret.expose().as_bytes()));
        if is_known && !item.repeats(&items[..nth]) {
            item.fault("stands here twice; take one out");
        }
        secrets.push(secret);
    }
    secrets
}

fn secret(item: &Item<'_>) -> Option<Secret> {
    let secret = Secret::read(item)?;
    let coded = secret.expose().strip_prefix(CODED);
    let key = coded.map(|coded| BASE64_STANDARD.decode(coded));
    let short = match key {
        None => secret.is_short(),
        Some(Ok(key)) if !key.is_empty() => key.len() < Secret::SHORT_BYTES,
        Some(_) => {
            let detail = "has no base64 after `whsec_`; copy the whole secret";
            item.fault(secret.source().said(detail));
            return None;
        }
    };
    if short {
        let detail = "is short for a signing key; Standard Webhooks asks for 24 bytes or more";
        item.reading.warn(&item.spot, secret.source().said(detail));
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::Relay;
    use crate::config::testing::{Folder, account};

    const SECRET: &str = "relay_secret = { env = \"PLIVO_AUTH_TOKEN\" }";

    fn app(keys: &str) -> String {
        format!("[[apps]]\nname = \"a\"\ntoken = {{ env = \"PLIVO_AUTH_ID\" }}\n{keys}\n")
    }

    fn relay(keys: &str) -> Option<Relay> {
        Folder::new().config(&app(keys), &account()).reloadable.apps.remove(0).relay
    }

    fn origins(relay: &Relay) -> Vec<String> {
        relay.allow.iter().map(super::shown).collect()
    }

    #[test]
    fn an_app_has_no_relay_unless_it_asks_for_one() {
        assert_eq!(relay(""), None);
    }

    #[test]
    fn the_origin_of_the_default_target_is_allowed_and_those_that_are_listed() {
        let own =
            relay(&format!("relay_url = \"http://127.0.0.1:3000/reports?a=b\"\n{SECRET}")).unwrap();
        assert_eq!(
            own.url.as_ref().map(|url| url.as_str()),
            Some("http://127.0.0.1:3000/reports?a=b")
        );
        assert_eq!(origins(&own), ["http://127.0.0.1:3000"]);

        let listed = format!(
            "relay_url = \"http://127.0.0.1:3000/x\"\nrelay_allow = [\"https://A.example:443\", \
             \"http://127.0.0.1:3000\"]\n{SECRET}"
        );
        assert_eq!(
            origins(&relay(&listed).unwrap()),
            ["https://a.example", "http://127.0.0.1:3000"]
        );

        let alone = relay(&format!("relay_allow = [\"http://[::1]:9\"]\n{SECRET}")).unwrap();
        assert_eq!((&alone.url, origins(&alone)), (&None, vec!["http://[::1]:9".to_owned()]));
    }

    #[test]
    fn secrets_may_be_several_while_they_are_changed() {
        let relay = relay(
            "relay_url = \"http://127.0.0.1:3000\"\n\
             relay_secret = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\", { env = \"PLIVO_AUTH_TOKEN\" }]",
        )
        .unwrap();
        let lengths: Vec<usize> =
            relay.secrets.iter().map(|secret| secret.expose().len()).collect();
        assert_eq!(lengths, [38, 40]);
    }

    #[test]
    fn settings_that_contradict_or_cannot_be_used_are_faults_at_their_places() {
        let url = "relay_url = \"http://127.0.0.1:3000\"";
        let cases: [(String, &[&str]); 12] = [
            (url.into(), &["4:13: apps[0].relay_url: needs `relay_secret`"]),
            (
                "relay_allow = [\"http://127.0.0.1:1\"]".into(),
                &["4:15: apps[0].relay_allow: needs `relay_secret`"],
            ),
            (SECRET.into(), &["4:16: apps[0].relay_secret: signs nothing without"]),
            (
                format!("relay_url = \"/reports\"\n{SECRET}"),
                &["4:13: apps[0].relay_url: is not an absolute http or https URL"],
            ),
            (
                format!("relay_url = \"http://u:hush@127.0.0.1\"\n{SECRET}"),
                &["4:13: apps[0].relay_url: holds a user or password"],
            ),
            (
                format!(
                    "relay_allow = [\"http://127.0.0.1:1/x\", \"http://127.0.0.1:1/\"]\n{SECRET}"
                ),
                &["4:16: apps[0].relay_allow[0]: has a path or a query"],
            ),
            (format!("relay_allow = []\n{SECRET}"), &["4:15: apps[0].relay_allow: is empty"]),
            (
                format!("relay_allow = \"http://127.0.0.1:1\"\n{SECRET}"),
                &["4:15: apps[0].relay_allow: is a string; give a list"],
            ),
            (
                format!("{url}\nrelay_secret = \"whsec_hush!\""),
                &["5:16: apps[0].relay_secret: has no base64 after `whsec_`"],
            ),
            (
                format!("{url}\nrelay_secret = \"whsec_\""),
                &["5:16: apps[0].relay_secret: has no base64 after `whsec_`"],
            ),
            (
                format!("{url}\nrelay_secret = [\"s\", \"s\"]"),
                &["5:22: apps[0].relay_secret[1]: stands here twice"],
            ),
            (
                format!("{url}\nrelay_secret = [\"a\", \"b\", \"c\", \"d\", \"e\"]"),
                &["5:16: apps[0].relay_secret: has 5 entries; give at most 4"],
            ),
        ];
        for (keys, wanted) in cases {
            let found = Folder::new().faults(&app(&keys), &account());
            let fits = |(found, wanted): (&String, &&str)| {
                found.starts_with(&format!("sidecar.toml:{wanted}"))
            };
            let same = found.len() == wanted.len() && found.iter().zip(wanted).all(fits);
            assert!(same, "for\n{keys}\nwanted {wanted:#?}\nfound {found:#?}");
            assert!(!found.join("\n").contains("hush"), "{found:#?}");
        }
    }

    #[test]
    fn short_secrets_those_in_the_file_and_plain_http_elsewhere_are_warnings() {
        let keys = "relay_url = \"http://reports.example\"\nrelay_secret = [\"whsec_c2hvcnQ=\", \"short\"]";
        let warnings = Folder::new().warnings(&app(keys), &account());
        let wanted = [
            "4:13: apps[0].relay_url: is plain http to another machine",
            "5:17: apps[0].relay_secret[0]: is short for a signing key",
            "5:17: apps[0].relay_secret[0]: stands in the file itself",
            "5:35: apps[0].relay_secret[1]: is short for a signing key",
            "5:35: apps[0].relay_secret[1]: stands in the file itself",
        ];
        let same = warnings.len() == wanted.len()
            && warnings
                .iter()
                .zip(wanted)
                .all(|(found, wanted)| found.starts_with(&format!("sidecar.toml:{wanted}")));
        assert!(same, "wanted {wanted:#?}\nfound {warnings:#?}");
    }

    #[test]
    fn debug_shows_neither_path_nor_secret() {
        let relay =
            relay("relay_url = \"http://127.0.0.1:3000/hush?hush\"\nrelay_secret = \"hush\"");
        let text = format!("{relay:?}");
        assert!(text.contains("127.0.0.1") && !text.contains("hush"), "{text}");
    }
}
