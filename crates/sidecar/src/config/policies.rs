//! `[[policies]]`: the chain, in order.

mod candidate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use policy_host::{ErrorBudget, Grant, Grants, Isolation, Mode, OnFailure, VisitLimits};

use super::cursor::{Item, Section};
use super::names::word;
use super::reading::Spot;
use super::settings::Settings;
use super::{Location, suggest};

pub use self::candidate::CandidateEntry;

/// Most policies in the chain.
const MOST_POLICIES: usize = 64;
/// Most apps that one policy may name.
const MOST_APPS: usize = 1_024;
/// One policy of the chain: its module, what it may do, and its settings.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// Its name in spans, answers and its state: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// The module's file, which was there when the configuration was read.
    pub module: PathBuf,
    /// What happens when it cannot decide. Default: the message is refused.
    pub on_failure: OnFailure,
    /// Whether its verdict counts. Default: it does.
    pub mode: Mode,
    /// What it may do besides deciding.
    pub grants: Grants,
    /// The apps whose messages it sees; all where absent. Never empty.
    pub apps: Option<Vec<Arc<str>>>,
    /// Whether its instances are used again. Default: they are.
    pub isolation: Isolation,
    /// What one decision may cost. Default 50 ms, 16 MiB (512 are the engine's most), 64 calls to imports,
    /// 4,096 bytes of log.
    pub limits: VisitLimits,
    /// Every app of the file, for settings that name some.
    pub known_apps: Arc<[Arc<str>]>,
    /// How often it may fail before it is asked no more. Default: as often as it does.
    pub budget: Option<ErrorBudget>,
    /// What is on trial beside it.
    pub candidate: Option<CandidateEntry>,
    settings: Settings,
}

impl PolicyEntry {
    /// The settings, as the JSON object that the policy is configured with.
    pub fn settings(&self) -> &serde_json::Value {
        &self.settings.value
    }

    /// Where the value at `pointer` (RFC 6901, into the settings) stands in the file, or the nearest thing around it.
    pub fn locate(&self, pointer: &str) -> &Location {
        self.settings.locate(pointer)
    }

    /// The settings of the candidate, where there is one.
    pub fn candidate_settings(&self) -> &serde_json::Value {
        &self.settings_on_trial().value
    }

    /// As [`PolicyEntry::locate`], of the candidate's settings.
    pub fn locate_candidate(&self, pointer: &str) -> &Location {
        self.settings_on_trial().locate(pointer)
    }

    /// Has the candidate take the policy's place.
    pub fn promote(&mut self) {
        if let Some(CandidateEntry { module, settings, .. }) = self.candidate.take() {
            self.module = module;
            self.settings = settings.unwrap_or_else(|| self.settings.clone());
        }
    }

    fn settings_on_trial(&self) -> &Settings {
        let own = self.candidate.as_ref().and_then(|candidate| candidate.settings.as_ref());
        own.unwrap_or(&self.settings)
    }

    /// Those without a fault, in the order of the file.
    pub(super) fn read_all(root: &mut Section<'_>, apps: &[String]) -> Vec<Self> {
        let mut names = BTreeMap::new();
        let apps: Arc<[Arc<str>]> = apps.iter().map(|app| Arc::from(app.as_str())).collect();
        let sections = root.get("policies").map(|item| item.tables(MOST_POLICIES));
        let policy = |section| Self::read(section, &mut names, &apps);
        sections.into_iter().flatten().filter_map(policy).collect()
    }

    fn read(
        mut section: Section<'_>,
        names: &mut BTreeMap<String, Spot>,
        known_apps: &Arc<[Arc<str>]>,
    ) -> Option<Self> {
        let reading = section.reading();
        let before = reading.faults_so_far();
        let name = section
            .need("name", r#"write name = "country""#)
            .and_then(|item| own_name(&item, names));
        let module =
            section.need("module", r#"write module = "PATH.wasm""#).and_then(|item| module(&item));
        let settings = match section.get("settings") {
            Some(item) => Settings::read(&item),
            None => Some(Settings::none(section.reading().locate(section.spot().offset))),
        };
        let on_failure = [OnFailure::Reject, OnFailure::Accept, OnFailure::LastGood];
        let on_failure = section.word("on_failure", &on_failure.map(|word| (word.as_str(), word)));
        let mode = [Mode::Enforce, Mode::Shadow].map(|mode| (mode.as_str(), mode));
        let mode = section.word("mode", &mode);
        let grants = section.get("grants").map(|item| grants(&item)).unwrap_or_default();
        let apps = section.get("apps").and_then(|item| named_apps(&item, known_apps));
        let isolation =
            section.word("isolation", &[("warm", Isolation::Warm), ("fresh", Isolation::Fresh)]);
        let limits = VisitLimits {
            time: section.millis("time_ms", 50, 1..=10_000),
            memory: section.size("memory_mb", 16, 1..=512) << 20,
            host_calls: section.number("host_calls", 64, 1..=10_000),
            log_bytes: section.size("log_bytes", 4_096, 0..=1 << 20),
            ..VisitLimits::default()
        };
        let budget =
            section.get("error_budget").map(|item| candidate::error_budget(item.section()));
        let candidate = CandidateEntry::read(&mut section, mode, budget);
        section.finish();
        if reading.faults_so_far() > before {
            return None;
        }
        let (name, module, settings) = (name?, module?, settings?);
        let known_apps = Arc::clone(known_apps);
        Some(Self {
            name,
            module,
            on_failure,
            mode,
            grants,
            apps,
            isolation,
            limits,
            known_apps,
            budget,
            candidate,
            settings,
        })
    }
}

fn own_name(item: &Item<'_>, names: &mut BTreeMap<String, Spot>) -> Option<String> {
    let name = word(item, "a name")?;
    if let Some(other) = names.get(&name) {
        item.fault(format!("is {} too; give each policy a name of its own", other.key));
        return None;
    }
    names.insert(name.clone(), item.spot.clone());
    Some(name)
}

fn module(item: &Item<'_>) -> Option<PathBuf> {
    let path = item.reading.watched(item.text()?);
    if path.is_file() {
        return Some(path);
    }
    let path = path.display();
    item.fault(format!("there is no module at {path}; build it, or correct the path"));
    None
}

fn grants(item: &Item<'_>) -> Grants {
    let words = Grant::ALL.map(|grant| (grant.as_str(), grant));
    let entries = item.list(words.len()).unwrap_or_default();
    let grants: Grants = entries.iter().filter_map(|entry| entry.word(&words)).collect();
    if grants.contains(Grant::AmendRecipient) && !grants.contains(Grant::Amend) {
        item.fault(r#"has "amend-recipient" without "amend", which it needs; add it"#);
    }
    grants
}

fn named_apps(item: &Item<'_>, known: &[Arc<str>]) -> Option<Vec<Arc<str>>> {
    let app = |entry: &Item<'_>| {
        let name = entry.text()?;
        if !known.iter().any(|app| **app == *name) {
            let hint = suggest::hint(name, known.iter().map(|app| &**app));
            entry.fault(format!("is no app of this file{hint}"));
        }
        Some(Arc::from(name))
    };
    let entries = item.filled_list(MOST_APPS, "leave the key out to see every app's messages")?;
    Some(entries.iter().filter_map(app).collect())
}

#[cfg(test)]
mod tests {
    use super::{Grant, Grants, Isolation, Mode, OnFailure};
    use crate::config::testing::{APP, Folder, account};

    /// A folder with one module, `m.wasm`.
    pub(super) fn folder() -> Folder {
        let folder = Folder::new();
        folder.file("m.wasm", b"\0asm");
        folder
    }

    #[test]
    fn a_policy_has_its_documented_defaults() {
        let folder = folder();
        let config = folder
            .config(&format!("{APP}[[policies]]\nname = \"a\"\nmodule = \"m.wasm\"\n"), &account());
        let policy = &config.reloadable.policies[0];
        assert_eq!(policy.module, folder.path().join("m.wasm"));
        assert_eq!((policy.on_failure, policy.mode), (OnFailure::Reject, Mode::Enforce));
        assert_eq!((policy.isolation, &policy.apps), (Isolation::Warm, &None));
        assert_eq!(
            (policy.limits.time.as_millis(), policy.limits.memory, policy.limits.host_calls),
            (50, 16 << 20, 64)
        );
        assert_eq!(
            (policy.settings().to_string().as_str(), policy.grants),
            ("{}", Grants::default())
        );
        assert_eq!((policy.locate("/window_s").line, policy.locate("").line), (4, 4));
    }

    #[test]
    fn every_key_of_a_policy_is_read_and_the_order_of_the_file_holds() {
        let toml = format!(
            "{APP}[[policies]]\nname = \"z\"\nmodule = \"m.wasm\"\non_failure = \"last-good\"\nmode = \"shadow\"\n\
             grants = [\"amend\", \"state\", \"amend-recipient\", \"state\"]\napps = [\"demo\"]\nisolation = \
              \"fresh\"\n\
             time_ms = 5\nmemory_mb = 2\nhost_calls = 1\n[[policies]]\nname = \"a\"\nmodule = \"./m.wasm\"\n"
        );
        let policies = folder().config(&toml, &account()).reloadable.policies;
        let [z, a] = &policies[..] else { panic!("two policies: {policies:#?}") };
        assert_eq!((z.name.as_str(), a.name.as_str()), ("z", "a"));
        assert_eq!(
            (z.on_failure, z.mode, z.isolation),
            (OnFailure::LastGood, Mode::Shadow, Isolation::Fresh)
        );
        let granted: Vec<Grant> = z.grants.iter().collect();
        assert_eq!(granted, [Grant::State, Grant::Amend, Grant::AmendRecipient]);
        assert_eq!(z.apps.as_deref(), Some(&["demo".into()][..]));
        assert_eq!(
            (z.limits.time.as_millis(), z.limits.memory, z.limits.host_calls),
            (5, 2 << 20, 1)
        );
    }

    #[test]
    fn each_fault_of_a_policy_is_named_at_its_place() {
        let own = "name = \"a\"\nmodule = \"m.wasm\"\n";
        let cases: [(&str, &[&str]); 17] = [
            ("", &["4:1: policies[0].module: is missing", "4:1: policies[0].name: is missing"]),
            ("name = \"\"\nmodule = \"m.wasm\"", &["5:8: policies[0].name: is not a name"]),
            (
                "name = \"a\"\nmodule = \"gone.wasm\"",
                &["6:10: policies[0].module: there is no module at gone.wasm; build it"],
            ),
            ("name = \"a\"\nmodule = \".\"", &["6:10: policies[0].module: there is no module at"]),
            (
                "{own}on_failure = \"last_good\"",
                &[
                    "7:14: policies[0].on_failure: is none of \"reject\", \"accept\", \"last-good\"; did you mean \
                     `last-good`?",
                ],
            ),
            (
                "{own}mode = \"enfroce\"",
                &[
                    "7:8: policies[0].mode: is none of \"enforce\", \"shadow\"; did you mean `enforce`?",
                ],
            ),
            (
                "{own}grants = [\"stat\"]",
                &[
                    "7:11: policies[0].grants[0]: is none of \"state\", \"log\", \"metrics\", \"telecom\", \"zones\", \
                     \"media\", \"amend\", \"amend-recipient\"; did you mean `state`?",
                ],
            ),
            (
                "{own}grants = [\"amend-recipient\"]",
                &["7:10: policies[0].grants: has \"amend-recipient\" without \"amend\""],
            ),
            (
                "{own}apps = [\"dmeo\"]",
                &["7:9: policies[0].apps[0]: is no app of this file; did you mean `demo`?"],
            ),
            ("{own}apps = []", &["7:8: policies[0].apps: is empty; leave the key out"]),
            (
                "{own}time_ms = 0\nmemory_mb = 0\nhost_calls = 0",
                &[
                    "7:11: policies[0].time_ms: is 0",
                    "8:13: policies[0].memory_mb: is 0",
                    "9:14: policies[0].host_calls: is 0",
                ],
            ),
            (
                "{own}candidate = \"gone.wasm\"",
                &["7:13: policies[0].candidate: there is no module at gone.wasm"],
            ),
            (
                "{own}candidate_settings = {}",
                &["7:22: policies[0].candidate_settings: has no `candidate` to go to"],
            ),
            (
                "{own}promote_after = 5\npromote_unless = [\"verdict\"]",
                &[
                    "7:17: policies[0].promote_after: has no `candidate` to go to",
                    "8:18: policies[0].promote_unless: has no `candidate` to go to",
                ],
            ),
            (
                "{own}candidate = \"m.wasm\"\npromote_after = 0\npromote_unless = [\"verdicts\"]\n\
                 error_budget = { failures = 0, window = 1 }",
                &[
                    "8:17: policies[0].promote_after: is 0",
                    "9:19: policies[0].promote_unless[0]: is none of \"verdict\", \"code\"",
                    "10:29: policies[0].error_budget.failures: is 0",
                    "10:32: policies[0].error_budget.window: is not a known key; did you mean `window_s`?",
                ],
            ),
            (
                "{own}mode = \"shadow\"\ncandidate = \"m.wasm\"",
                &["8:13: policies[0].candidate: stands beside a policy that is not enforced"],
            ),
            ("{own}[[policies]]\n{own}", &["8:8: policies[1].name: is policies[0].name too"]),
        ];
        for (toml, wanted) in cases {
            let toml = format!("{APP}[[policies]]\n{}", toml.replace("{own}", own));
            let found = folder().faults(&toml, &account());
            let fits = |(found, wanted): (&String, &&str)| {
                found.starts_with(&format!("sidecar.toml:{wanted}"))
            };
            let same = found.len() == wanted.len() && found.iter().zip(wanted).all(fits);
            assert!(same, "for\n{toml}\nwanted {wanted:#?}\nfound {found:#?}");
        }
    }

    #[test]
    fn policies_that_name_a_faulty_app_add_no_second_fault() {
        let toml = "[[apps]]\nname = \"a\"\n[[policies]]\nname = \"p\"\nmodule = \"m.wasm\"\napps = [\"a\"]\n";
        let found = folder().faults(toml, &account());
        assert!(found.len() == 1 && found[0].contains("apps[0].token: is missing"), "{found:#?}");
    }
}
