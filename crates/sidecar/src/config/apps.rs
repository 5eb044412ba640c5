//! `[[apps]]`: who may send.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use message::{DEFAULT_ACCOUNT, Sender};

use super::cursor::{Item, Section};
use super::names::{intent, sender, word};
use super::reading::Spot;
use super::{Listen, Relay, Secret, suggest};

/// Most apps.
const MOST_APPS: usize = 1_024;
/// Most senders or user ids of one app.
const MOST_ENTRIES: usize = 1_024;

/// One app that may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// 1 to 64 of `A-Z a-z 0-9 . _ -`: it may be the user of Basic authentication, so it has no colon. Unique.
    pub name: String,
    /// What it authenticates with, where it has one. No two apps have the same.
    pub token: Option<Secret>,
    /// The account at Plivo that its messages are sent with, by name.
    pub account: String,
    /// What a message comes from that names no sender: else the first of `senders`, else the account's.
    pub sender: Option<Sender>,
    /// What it may send from; anything where absent. Never empty.
    pub senders: Option<Vec<Sender>>,
    /// How forgiving the reading of its numbers is.
    pub phone: PhoneForm,
    /// Requests from loopback that bring no credentials are taken for this app's. At most one app has it.
    pub open_on_loopback: bool,
    /// The intent of messages that name none.
    pub default_intent: Option<String>,
    /// Sends without an `Idempotency-Key` are refused.
    pub require_idempotency_key: bool,
    /// Unix users that are this app on a Unix socket.
    pub uids: Vec<u32>,
    /// Where it is told what became of its messages, where it is told.
    pub relay: Option<Relay>,
}

/// How numbers may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneForm {
    /// E.164 and nothing else.
    Strict,
    /// Spaces, brackets, hyphens and dots are taken out first.
    Lenient,
}

/// What no two apps may share, and whether user ids are of use.
#[derive(Default)]
struct Claimed {
    names: BTreeMap<String, Spot>,
    tokens: Vec<(Secret, Spot)>,
    uids: BTreeMap<u32, Spot>,
    open: Option<Spot>,
    /// Whether there is a Unix socket.
    sockets: bool,
    /// Whether nothing is to be said of its permissions.
    mode: bool,
}

impl App {
    /// Reads every app. The names come back even where an app is faulty, so that policies may name it.
    ///
    /// `listen` says whether apps may come over a Unix socket; `taken` are tokens that no app may have; `accounts` are
    /// those beside `[plivo]`.
    pub(super) fn read_all(
        root: &mut Section<'_>,
        listen: Option<&Listen>,
        taken: Vec<(Secret, Spot)>,
        accounts: &[(String, Spot)],
    ) -> (Vec<Self>, Vec<String>) {
        let advice = "write at least one [[apps]] with a name and a token";
        let item = root.need("apps", advice);
        if let Some(empty) =
            item.as_ref().filter(|item| item.value.as_array().is_some_and(|a| a.is_empty()))
        {
            empty.fault(format!("is empty; {advice}"));
        }
        let sections = item.map(|item| item.tables(MOST_APPS)).unwrap_or_default();
        let mut claimed = Claimed {
            sockets: listen.is_none_or(Listen::has_socket),
            mode: listen.is_none_or(|listen| listen.socket_mode.is_some()),
            tokens: taken,
            ..Claimed::default()
        };
        let read = |app| Self::read(app, &mut claimed, accounts);
        let apps = sections.into_iter().filter_map(read).collect();
        (apps, claimed.names.into_keys().collect())
    }

    fn read(
        mut section: Section<'_>,
        claimed: &mut Claimed,
        accounts: &[(String, Spot)],
    ) -> Option<Self> {
        if section.is_broken() {
            return None;
        }
        let name =
            section.need("name", r#"write name = "billing""#).and_then(|item| claimed.name(&item));
        let token = section.get("token").and_then(|item| claimed.token(&item));
        section.or_default("account", format_args!("{DEFAULT_ACCOUNT:?}"));
        let account = match section.get("account") {
            Some(item) => account(&item, accounts),
            None => Some(DEFAULT_ACCOUNT.to_owned()),
        };
        let senders = section.get("senders").and_then(|item| senders(&item));
        let own = section.get("sender").and_then(|item| own_sender(&item, senders.as_deref()));
        let uids = section.get("uid").and_then(|item| item.one_or_list(MOST_ENTRIES));
        let uids: Vec<u32> = uids.iter().flatten().filter_map(|item| claimed.uid(item)).collect();
        let phone = section
            .word("phone", &[("strict", PhoneForm::Strict), ("lenient", PhoneForm::Lenient)]);
        let open_on_loopback = section.flag("open_on_loopback", false);
        let default_intent = section.get("default_intent").and_then(|item| intent(&item));
        let require_idempotency_key = section.flag("require_idempotency_key", false);
        let relay = Relay::read(&mut section);
        if open_on_loopback {
            claimed.open(&section);
        } else if !section.has("token") && !section.has("uid") {
            let detail =
                r#"is missing, so nobody could be this app; write token = { env = "NAME" }"#;
            section.reading().fault(&section.spot_of("token"), detail);
        }
        section.finish();
        Some(Self {
            name: name?,
            token,
            account: account?,
            sender: own,
            senders,
            phone,
            open_on_loopback,
            default_intent,
            require_idempotency_key,
            uids,
            relay,
        })
    }
}

impl Claimed {
    fn name(&mut self, item: &Item<'_>) -> Option<String> {
        let name = word(item, "a name")?;
        if let Some(other) = self.names.get(&name) {
            item.fault(format!("is {} too; give each app a name of its own", other.key));
            return None;
        }
        self.names.insert(name.clone(), item.spot.clone());
        Some(name)
    }

    fn token(&mut self, item: &Item<'_>) -> Option<Secret> {
        let token = Secret::read(item)?;
        let same = |(other, _): &&(Secret, Spot)| other.matches(token.expose().as_bytes());
        if let Some((_, other)) = self.tokens.iter().find(same) {
            item.fault(format!("is {} too; give each app a token of its own", other.key));
            return None;
        }
        self.tokens.push((token.clone(), item.spot.clone()));
        Some(token)
    }

    fn uid(&mut self, item: &Item<'_>) -> Option<u32> {
        let uid = item.number(0..=u32::MAX)?;
        if let Some(other) = self.uids.get(&uid) {
            item.fault(format!("is {} too; a user can be one app only", other.key));
            return None;
        }
        if !self.sockets {
            item.reading
                .warn(&item.spot, "is of no use: no address of [listen] apps is a Unix socket");
        } else if !self.mode && own_uid().is_some_and(|own| own != uid) {
            let detail = "is not this program's user, who alone can connect under most umasks; set listen.socket_mode, \
                          such as \"0666\": each request is told by its user";
            item.reading.warn(&item.spot, detail);
            self.mode = true;
        }
        self.uids.insert(uid, item.spot.clone());
        Some(uid)
    }

    fn open(&mut self, section: &Section<'_>) {
        let spot = section.spot_of("open_on_loopback");
        if let Some(other) = &self.open {
            let detail = format!("is {} too; only one app can be open", other.key);
            section.reading().fault(&spot, detail);
            return;
        }
        let detail = "anybody on this machine may send as this app; for development only";
        section.reading().warn(&spot, detail);
        self.open = Some(spot);
    }
}

/// The user of this process (proc(5)).
fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}

/// The name of an account that the file has.
fn account(item: &Item<'_>, accounts: &[(String, Spot)]) -> Option<String> {
    let name = item.text()?;
    let known = || accounts.iter().map(|(name, _)| name.as_str()).chain([DEFAULT_ACCOUNT]);
    if !known().any(|known| known == name) {
        let detail = "is no account of this file; [plivo.accounts.NAME] adds one";
        item.fault(format!("{detail}{}", suggest::hint(name, known())));
        return None;
    }
    Some(name.to_owned())
}

/// What the app's messages come from that name no sender; one that it may send from.
fn own_sender(item: &Item<'_>, senders: Option<&[Sender]>) -> Option<Sender> {
    let own = sender(item)?;
    if senders.is_some_and(|senders| !senders.contains(&own)) {
        item.fault("is not among this app's senders; add it there, or name one of them");
        return None;
    }
    Some(own)
}

fn senders(item: &Item<'_>) -> Option<Vec<Sender>> {
    let items = item.filled_list(MOST_ENTRIES, "leave the key out to allow every sender")?;
    Some(items.iter().filter_map(sender).collect())
}

#[cfg(test)]
mod tests;
