//! `[[apps]]`: who may send.

use std::collections::BTreeMap;

use message::Sender;

use super::cursor::{Item, Section};
use super::names::{sender, word};
use super::reading::Spot;
use super::{Relay, Secret};

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
    sockets: bool,
}

impl App {
    /// Reads every app. The names come back even where an app is faulty, so that policies may name it.
    ///
    /// `sockets` says whether apps may come over a Unix socket; `taken` is a token that no app may have.
    pub(super) fn read_all(
        root: &mut Section<'_>,
        sockets: bool,
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
        let mut claimed = Claimed { sockets, tokens, ..Claimed::default() };
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
        let default_intent =
            section.get("default_intent").and_then(|item| word(&item, "an intent"));
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

fn senders(item: &Item<'_>) -> Option<Vec<Sender>> {
    let items = item.filled_list(MOST_ENTRIES, "leave the key out to allow every sender")?;
    Some(items.iter().filter_map(sender).collect())
}

#[cfg(test)]
mod tests {
    use super::PhoneForm;
    use crate::config::testing::{Folder, account, assert_faults, config_of};
    use crate::config::{Environment, SecretSource};

    /// The faults of a file that holds nothing but `apps`.
    fn faults(apps: &str) -> Vec<String> {
        Folder::new().faults(apps, &account())
    }

    #[test]
    fn an_app_has_its_documented_defaults() {
        let config = config_of("");
        let app = &config.reloadable.apps[0];
        assert_eq!((app.name.as_str(), app.phone), ("demo", PhoneForm::Strict));
        assert_eq!(app.token.as_ref().unwrap().source(), &SecretSource::Literal);
        assert!(!app.open_on_loopback && !app.require_idempotency_key, "{app:?}");
        assert_eq!((&app.senders, &app.default_intent, app.uids.len()), (&None, &None, 0));
        assert_eq!(app.relay, None);
    }

    #[test]
    fn every_key_of_an_app_is_read() {
        let toml = "[listen]\napps = \"unix:s\"\n[[apps]]\nname = \"MADEMOXXXXXXXXXXXXXX\"\nopen_on_loopback = true\n\
                    senders = [\"+14155551212\", \"12345\", \"Acme\", \"86bbb125-97bb-4d72-89fd-81d5c515b015\"]\n\
                    phone = \"lenient\"\ndefault_intent = \"otp\"\nrequire_idempotency_key = true\nuid = [0, 1000]\n";
        let config = Folder::new().config(toml, &account());
        let app = &config.reloadable.apps[0];
        let kinds: Vec<&str> = app.senders.iter().flatten().map(|sender| sender.kind()).collect();
        assert_eq!(kinds, ["number", "short-code", "alphanumeric", "pool"]);
        assert_eq!((app.phone, app.uids.as_slice()), (PhoneForm::Lenient, &[0, 1000][..]));
        assert_eq!(app.default_intent.as_deref(), Some("otp"));
        assert!(
            app.open_on_loopback && app.require_idempotency_key && app.token.is_none(),
            "{app:?}"
        );
    }

    #[test]
    fn a_file_without_apps_is_refused() {
        let want = |found: Vec<String>, start: &str| {
            assert!(
                found.len() == 1 && found[0].starts_with(start),
                "wanted {start}, found {found:#?}"
            );
        };
        want(faults(""), "sidecar.toml:1:1: apps: is missing; write at least one [[apps]]");
        want(faults("apps = []"), "sidecar.toml:1:8: apps: is empty; write at least one [[apps]]");
        want(
            faults("[apps]\nname = \"a\""),
            "sidecar.toml:1:1: apps: is a table; give a list of tables, each under [[apps]]",
        );
        want(faults("apps = [1]"), "sidecar.toml:1:9: apps[0]: is an integer; give a table");
    }

    #[test]
    fn each_fault_of_an_app_is_named_at_its_place() {
        assert_faults(&[
            (
                "[[apps]]\ntoken = \"t\"",
                &["sidecar.toml:1:1: apps[0].name: is missing; write name ="],
            ),
            (
                "[[apps]]\nname = \"a:b\"\ntoken = \"t\"",
                &["sidecar.toml:2:8: apps[0].name: is not a name"],
            ),
            (
                "[[apps]]\nname = \"a\"",
                &["sidecar.toml:1:1: apps[0].token: is missing, so nobody could be this app"],
            ),
            (
                "[[apps]]\nname = \"a\"\ntoken = 5",
                &["sidecar.toml:3:9: apps[0].token: is an integer; give \"literal\""],
            ),
            ("[[apps]]\nname = \"a\"\nuid = -1", &["sidecar.toml:3:7: apps[0].uid: is -1; give"]),
            (
                "[[apps]]\nname = \"a\"\ntoken = \"t\"\nsenders = []",
                &["sidecar.toml:4:11: apps[0].senders: is empty; leave"],
            ),
            (
                "[[apps]]\nname = \"a\"\ntoken = \"t\"\nphone = \"loose\"",
                &["sidecar.toml:4:9: apps[0].phone: is none of \"strict\", \"lenient\""],
            ),
            (
                "[[apps]]\nname = \"a\"\ntoken = \"t\"\ndefault_intent = \"\"",
                &["sidecar.toml:4:18: apps[0].default_intent: is not an intent"],
            ),
            (
                "[[apps]]\nname = \"a\"\ntoken = \"t\"\nrequire_idempotency_key = \"yes\"",
                &[
                    "sidecar.toml:4:27: apps[0].require_idempotency_key: is a string; give true or false",
                ],
            ),
            (
                "[[apps]]\nname = \"a\"\ntokn = \"t\"",
                &[
                    "sidecar.toml:1:1: apps[0].token: is missing",
                    "sidecar.toml:3:1: apps[0].tokn: is not a known key; did you mean `token`?",
                ],
            ),
        ]);
    }

    #[test]
    fn what_two_apps_may_not_share_is_a_fault_in_the_second() {
        assert_faults(&[
            (
                "[[apps]]\nname = \"demo\"\ntoken = \"t\"",
                &["sidecar.toml:5:8: apps[1].name: is apps[0].name too"],
            ),
            (
                "[[apps]]\nname = \"a\"\ntoken = \"demo-token\"",
                &["sidecar.toml:6:9: apps[1].token: is apps[0].token too"],
            ),
            (
                "listen.admin_token = \"demo-token\"",
                &["sidecar.toml:4:9: apps[0].token: is listen.admin_token too; give each app"],
            ),
            (
                "[[apps]]\nname = \"a\"\nuid = 7\n[[apps]]\nname = \"b\"\nuid = [8, 7]",
                &["sidecar.toml:6:11: apps[1].uid[1]: is apps[0].uid too"],
            ),
            (
                "[[apps]]\nname = \"a\"\nopen_on_loopback = true\n[[apps]]\nname = \"b\"\nopen_on_loopback = true",
                &["sidecar.toml:6:20: apps[1].open_on_loopback: is apps[0].open_on_loopback too"],
            ),
        ]);
    }

    #[test]
    fn a_sender_that_is_wrong_is_not_shown() {
        let found =
            faults("[[apps]]\nname = \"a\"\ntoken = \"t\"\nsenders = [\"+1 415 555 1212\"]");
        assert!(
            found.len() == 1
                && found[0].starts_with("sidecar.toml:4:12: apps[0].senders[0]: is not a sender"),
            "{found:#?}"
        );
        assert!(!found[0].contains("415"), "{found:#?}");
    }

    #[test]
    fn an_open_app_and_a_useless_user_id_are_warnings() {
        let toml = "[[apps]]\nname = \"a\"\nopen_on_loopback = true\nuid = 7\n";
        let warnings = Folder::new().warnings(toml, &account());
        let [open, uid] = &warnings[..] else { panic!("two warnings: {warnings:#?}") };
        assert!(
            open.starts_with(
                "sidecar.toml:3:20: apps[0].open_on_loopback: anybody on this machine"
            ),
            "{open}"
        );
        assert!(uid.starts_with("sidecar.toml:4:7: apps[0].uid: is of no use"), "{uid}");
    }

    #[test]
    fn a_token_in_the_file_is_a_warning_unless_plivo_is_a_simulator_here() {
        let toml = "[[apps]]\nname = \"a\"\ntoken = \"t\"\n";
        let warnings = Folder::new().warnings(toml, &account());
        assert!(
            warnings.len() == 1
                && warnings[0].starts_with("sidecar.toml:3:9: apps[0].token: stands in the file"),
            "{warnings:#?}"
        );

        let simulated = format!("plivo.base_url = \"http://127.0.0.1:8790\"\n{toml}");
        assert_eq!(Folder::new().warnings(&simulated, &account()), Vec::<String>::new());

        let production: Environment = [
            ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
            ("PLIVO_AUTH_TOKEN", "t0"),
            ("PLIVO_SENDER_NUMBER", "+14155551212"),
            (Environment::STAGE, "production"),
        ]
        .into_iter()
        .collect();
        assert_eq!(Folder::new().warnings(&simulated, &production).len(), 1);
    }
}
