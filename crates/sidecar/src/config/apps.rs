//! `[[apps]]`: who may send.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use message::Sender;

use super::cursor::{Item, Section};
use super::names::{intent, sender, word};
use super::reading::Spot;
use super::{Listen, Relay, Secret};

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
    /// `listen` says whether apps may come over a Unix socket; `taken` is a token that no app may have.
    pub(super) fn read_all(
        root: &mut Section<'_>,
        listen: Option<&Listen>,
        taken: Option<&(Secret, Spot)>,
    ) -> (Vec<Self>, Vec<String>) {
        let advice = "write at least one [[apps]] with a name and a token";
        let item = root.need("apps", advice);
        if let Some(empty) =
            item.as_ref().filter(|item| item.value.as_array().is_some_and(|a| a.is_empty()))
        {
            empty.fault(format!("is empty; {advice}"));
        }
        let sections = item.map(|item| item.tables(MOST_APPS)).unwrap_or_default();
        let tokens = taken.into_iter().cloned().collect();
        let mut claimed = Claimed {
            sockets: listen.is_none_or(Listen::has_socket),
            mode: listen.is_none_or(|listen| listen.socket_mode.is_some()),
            tokens,
            ..Claimed::default()
        };
        let apps = sections.into_iter().filter_map(|app| Self::read(app, &mut claimed)).collect();
        (apps, claimed.names.into_keys().collect())
    }

    fn read(mut section: Section<'_>, claimed: &mut Claimed) -> Option<Self> {
        if section.is_broken() {
            return None;
        }
        let name =
            section.need("name", r#"write name = "billing""#).and_then(|item| claimed.name(&item));
        let token = section.get("token").and_then(|item| claimed.token(&item));
        let senders = section.get("senders").and_then(|item| senders(&item));
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

fn senders(item: &Item<'_>) -> Option<Vec<Sender>> {
    let items = item.filled_list(MOST_ENTRIES, "leave the key out to allow every sender")?;
    Some(items.iter().filter_map(sender).collect())
}

#[cfg(test)]
mod tests;
