//! What each account has of its own, and `[plivo.accounts.NAME]`.

use std::collections::BTreeMap;

use message::{DEFAULT_ACCOUNT, Sender};

use super::SenderCapability;
use crate::config::Secret;
use crate::config::cursor::{Item, Section};
use crate::config::names::{is_word, parse_sender, sender};
use crate::config::reading::Spot;
use crate::config::secret::Sourced;

/// Most accounts beside `[plivo]`.
const MOST_ACCOUNTS: usize = 64;
/// Most entries of the register of senders.
const MOST_SENDERS: usize = 10_000;
/// An auth id: `MA` or `SA` and 18 more characters. Plivo's SDKs for Python, Ruby and Java check the same.
const AUTH_ID_BYTES: usize = 20;
/// An auth token's usual length, as integrators' set-up pages give it.
const AUTH_TOKEN_BYTES: usize = 40;

/// What an account has of its own.
pub(super) struct Own {
    pub(super) auth_id: Secret,
    pub(super) auth_token: Secret,
    pub(super) sender: Sender,
    pub(super) senders: Vec<SenderCapability>,
}

/// What was read so far of accounts' credentials.
#[derive(Default)]
pub(super) struct Ids {
    /// No two accounts have one, or the file would not say whose token, reports and limits they are.
    ids: Vec<(Secret, Spot)>,
    pub(super) tokens: Vec<(Secret, Spot)>,
}

/// Whose keys these are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those of `[plivo]`, which the environment may have.
    All,
    /// Those of a further account. A variable for each by its name would be read whether or not it was meant.
    One,
}

impl Own {
    /// What `[plivo]` has: the account of every app that names none.
    pub(super) fn of_all(section: &mut Section<'_>, real: bool, ids: &mut Ids) -> Option<Self> {
        Self::read(section, Whose::All, real, ids)
    }

    fn read(section: &mut Section<'_>, whose: Whose, real: bool, ids: &mut Ids) -> Option<Self> {
        let auth_id = auth_id(section, whose, ids);
        let auth_token = auth_token(section, whose, real, ids);
        let sender = default_sender(section, whose);
        section.or_default("senders", "[]");
        let senders = section.get("senders").map(|item| register(&item)).unwrap_or_default();
        Some(Self { auth_id: auth_id?, auth_token: auth_token?, sender: sender?, senders })
    }
}

/// Every `[plivo.accounts.NAME]` of the file; none where it cannot be used, which is reported.
pub(super) fn further(
    section: &mut Section<'_>,
    real: bool,
    ids: &mut Ids,
) -> Vec<(String, Spot, Option<Own>)> {
    let entries = section.get("accounts").and_then(|item| item.entries(MOST_ACCOUNTS));
    let mut found = Vec::new();
    for (name, item) in entries.unwrap_or_default() {
        if name == DEFAULT_ACCOUNT {
            item.fault("is [plivo] itself, under that name; give this account another");
        } else if !is_word(name) {
            item.fault("has no name for an account; use 1 to 64 letters, digits, dots, underscores and hyphens");
        }
        let mut section = item.section();
        if !section.is_broken() {
            let own = Own::read(&mut section, Whose::One, real, ids);
            section.finish();
            found.push((name.to_owned(), item.spot, own));
        }
    }
    found
}

fn secret(
    section: &mut Section<'_>,
    key: &'static str,
    variable: &str,
    whose: Whose,
) -> Option<Secret> {
    match whose {
        Whose::All => Secret::read_or(section, key, variable),
        Whose::One => Secret::read(&needed(section, key)?),
    }
}

fn needed<'r>(section: &mut Section<'r>, key: &'static str) -> Option<Item<'r>> {
    section.need(key, &format!("write {key} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"))
}

fn auth_id(section: &mut Section<'_>, whose: Whose, ids: &mut Ids) -> Option<Secret> {
    let auth_id = secret(section, "auth_id", "PLIVO_AUTH_ID", whose)?;
    let value = auth_id.expose();
    if value.contains([':', '/', '?', '#', '%']) {
        // It stands in the URL's path and before the colon of Basic authentication.
        let detail = "is not an auth id; copy it from Plivo's console";
        section.reading().fault(&section.spot_of("auth_id"), auth_id.source().said(detail));
        return None;
    }
    let usual = value.len() == AUTH_ID_BYTES
        && (value.starts_with("MA") || value.starts_with("SA"))
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !usual {
        let detail = "does not look like an auth id: MA or SA, then 18 capitals and digits";
        section.reading().warn(&section.spot_of("auth_id"), auth_id.source().said(detail));
    }
    let spot = section.spot_of("auth_id");
    let same = |(other, _): &&(Secret, Spot)| other.matches(value.as_bytes());
    if let Some((_, other)) = ids.ids.iter().find(same) {
        let detail = format!("is {} too; give each account an auth id of its own", other.key);
        section.reading().fault(&spot, detail);
        return None;
    }
    ids.ids.push((auth_id.clone(), spot));
    Some(auth_id)
}

fn auth_token(
    section: &mut Section<'_>,
    whose: Whose,
    real: bool,
    ids: &mut Ids,
) -> Option<Secret> {
    let token = secret(section, "auth_token", "PLIVO_AUTH_TOKEN", whose)?;
    if real && token.expose().len() != AUTH_TOKEN_BYTES {
        let detail = "does not look like Plivo's auth token, which has 40 characters";
        section.reading().warn(&section.spot_of("auth_token"), token.source().said(detail));
    }
    ids.tokens.push((token.clone(), section.spot_of("auth_token")));
    Some(token)
}

fn default_sender(section: &mut Section<'_>, whose: Whose) -> Option<Sender> {
    let key = "sender";
    let found = match whose {
        Whose::All => Sourced::read_or(section, key, "PLIVO_SENDER_NUMBER"),
        Whose::One => Sourced::read(&needed(section, key)?),
    };
    let (found, spot) = (found?, section.spot_of(key));
    let sender = parse_sender(&found.value);
    match sender {
        // What is no sender may be a secret that stands here by mistake.
        None => section.reading().fault(
            &spot,
            format!(
                "{} is not a sender; give a number in E.164, such as +14155551212, a short code, a name or a pool's UUID",
                found.source
            ),
        ),
        Some(_) => found.show(section.reading(), &spot),
    }
    sender
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
