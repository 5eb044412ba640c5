//! `[[policies]]` as it stands in the file.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use policy_host::{Grant, Grants, Isolation, Mode, OnFailure, VisitLimits};

use super::super::cursor::{Item, Section};
use super::super::names::word;
use super::super::reading::Spot;
use super::super::settings::Settings;
use super::super::suggest;
use super::candidate::{self, CandidateEntry};
use super::{ModuleSource, PLACED, Places, PolicyEntry, Tags};

/// Most policies in the chain.
const MOST_POLICIES: usize = 64;
/// Most apps that one policy may name.
const MOST_APPS: usize = 1_024;
/// Most time that one decision may be given, and most memory.
const MOST_MS: u32 = 10_000;
const MOST_MB: u32 = 512;

impl PolicyEntry {
    /// Those whose modules are there, in the order of the file. Where other keys are at fault, such values stand for
    /// them that module and settings can be looked at without saying anything that may not be so. `None` where the file
    /// says nothing of policies.
    pub(in crate::config) fn read_all(
        root: &mut Section<'_>,
        apps: &[String],
        tags: Tags,
    ) -> Option<Vec<Self>> {
        let mut names = BTreeSet::new();
        let apps: Arc<[Arc<str>]> = apps.iter().map(|app| Arc::from(app.as_str())).collect();
        let Some(item) = root.get("policies") else {
            let detail = "names none, so that every message is sent as it is; write `policies = []` where that is meant";
            root.reading().warn(&root.spot_of("policies"), detail);
            return None;
        };
        let policy = |section| Self::read(section, &mut names, &apps, tags);
        Some(item.tables(MOST_POLICIES).into_iter().filter_map(policy).collect())
    }

    fn read(
        mut section: Section<'_>,
        names: &mut BTreeSet<String>,
        known_apps: &Arc<[Arc<str>]>,
        tags: Tags,
    ) -> Option<Self> {
        let name = section
            .need("name", r#"write name = "NAME", by which logs and /policies call it"#)
            .and_then(|item| own_name(&item, names));
        let place = section.spot().key.clone();
        let key = name.as_deref().map_or_else(|| place.clone(), key);
        section.reading().call(&place, &key);
        let module = section
            .need("module", r#"write module = "PATH.wasm""#)
            .and_then(|item| module(&item, tags));
        let settings = match section.get("settings") {
            Some(item) => Settings::read(&item),
            None => Settings::none(section.reading().locate(section.spot().offset)),
        };
        let on_failure = [OnFailure::Reject, OnFailure::Accept, OnFailure::LastGood];
        let on_failure = section.word("on_failure", &on_failure.map(|word| (word.as_str(), word)));
        let mode = sound(&mut section, |section| {
            section.word("mode", &[Mode::Enforce, Mode::Shadow].map(|mode| (mode.as_str(), mode)))
        });
        let grants = sound(&mut section, |section| {
            section.or_default("grants", "[]");
            section.get("grants").map(|item| grants(&item)).unwrap_or_default()
        });
        let apps = section.get("apps").and_then(|item| named_apps(&item, known_apps));
        let isolation =
            section.word("isolation", &[("warm", Isolation::Warm), ("fresh", Isolation::Fresh)]);
        let limits = sound(&mut section, limits);
        let budget =
            section.get("error_budget").map(|item| candidate::error_budget(item.section()));
        let candidate =
            CandidateEntry::read(&mut section, mode.unwrap_or(Mode::Enforce), budget, tags);
        let places = Places::of(&section);
        section.finish();
        Some(Self {
            name: name.unwrap_or(place),
            key,
            module: module?,
            on_failure,
            // What is not enforced is in nobody's way.
            mode: mode.filter(|_| grants.is_some()).unwrap_or(Mode::Shadow),
            grants: grants.unwrap_or_else(|| Grant::ALL.into_iter().collect()),
            apps,
            isolation,
            limits: limits.unwrap_or_else(generous),
            known_apps: Arc::clone(known_apps),
            budget,
            candidate,
            settings,
            places,
        })
    }
}

impl Places {
    fn of(section: &Section<'_>) -> Self {
        let at = |spot: &Spot| section.reading().locate(spot.offset);
        let written = PLACED.into_iter().filter(|key| section.has(key));
        let keys = written.map(|key| (key, at(&section.spot_of(key)))).collect();
        Self { table: at(section.spot()), keys }
    }
}

/// What `read` makes of some keys of `section`; none where it found a fault.
fn sound<'r, T>(section: &mut Section<'r>, read: impl FnOnce(&mut Section<'r>) -> T) -> Option<T> {
    let before = section.reading().faults_so_far();
    let found = read(section);
    (section.reading().faults_so_far() == before).then_some(found)
}

fn limits(section: &mut Section<'_>) -> VisitLimits {
    VisitLimits {
        time: section.millis("time_ms", 50, 1..=MOST_MS),
        memory: section.size("memory_mb", 16, 1..=MOST_MB) << 20,
        host_calls: section.number("host_calls", 64, 1..=10_000),
        log_bytes: section.size("log_bytes", 4_096, 0..=1 << 20),
        ..VisitLimits::default()
    }
}

/// Limits that no module is at fault for, where those meant are not known.
fn generous() -> VisitLimits {
    let (time, memory) = (Duration::from_millis(MOST_MS.into()), (MOST_MB as usize) << 20);
    VisitLimits { time, memory, ..VisitLimits::default() }
}

fn own_name(item: &Item<'_>, names: &mut BTreeSet<String>) -> Option<String> {
    let name = word(item, "a name")?;
    if !names.insert(name.clone()) {
        item.fault(format!("is {}.name too; give each policy a name of its own", key(&name)));
        return None;
    }
    Some(name)
}

/// What faults and warnings call a policy of this name.
fn key(name: &str) -> String {
    format!("policies.{name}")
}

pub(super) fn module(item: &Item<'_>, tags: Tags) -> Option<ModuleSource> {
    let text = item.text()?;
    if text.starts_with("oci://") {
        return in_registry(item, text, tags);
    }
    let path = item.reading.watched(text);
    let (found, shown) = (fs::metadata(&path), path.display());
    item.fault(match found {
        Ok(found) if found.is_file() => return Some(ModuleSource::File(path)),
        Ok(found) if found.is_dir() => {
            format!("{shown} is a folder; name the module's file in it")
        }
        Ok(_) => format!("{shown} is not a regular file; name the module's file"),
        Err(err) if err.kind() == ErrorKind::NotFound => {
            format!("there is no module at {shown}; build it, or correct the path")
        }
        Err(err) => format!("{shown} cannot be looked at: {err}"),
    });
    None
}

#[cfg(feature = "oci")]
fn in_registry(item: &Item<'_>, text: &str, tags: Tags) -> Option<ModuleSource> {
    let reference =
        ::registry::Reference::parse(text).map_err(|fault| item.fault(fault.to_string())).ok()?;
    match (reference.digest(), tags) {
        (Some(_), _) => {}
        (None, Tags::Refused) => {
            item.fault("has no digest, which require_digest wants; append @sha256:DIGEST");
        }
        (None, Tags::Anybodys) => item.reading.warn(
            &item.spot,
            "has no digest: whoever may push to the registry decides what runs here; append @sha256:DIGEST",
        ),
        (None, Tags::Signed) => item.reading.warn(
            &item.spot,
            "has no digest: whoever may push to the registry decides which of the modules runs here that [registry] \
             keys signed under this name, old ones too; append @sha256:DIGEST",
        ),
    }
    Some(ModuleSource::Registry(reference))
}

#[cfg(not(feature = "oci"))]
fn in_registry(item: &Item<'_>, _: &str, _: Tags) -> Option<ModuleSource> {
    item.fault("needs the feature `oci`, which this program was built without; name a file");
    None
}

fn grants(item: &Item<'_>) -> Grants {
    let words = Grant::ALL.map(|grant| (grant.as_str(), grant));
    let entries = item.list(words.len()).unwrap_or_default();
    let mut named = Vec::new();
    for entry in &entries {
        let Some(grant) = entry.word(&words) else { continue };
        if named.contains(&grant) {
            entry.fault("stands here twice; take one out");
        }
        named.push(grant);
    }
    let grants: Grants = named.into_iter().collect();
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
