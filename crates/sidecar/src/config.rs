//! The configuration: `sidecar.toml`, checked whole before anything starts.
//!
//! [`Config::load`] finds every fault at once, each with its file, line, column and key. What it returns holds no
//! question that a later step could answer differently: names are unique, addresses parse, secrets are read, modules
//! are there. The types say what a reload may change: [`Reloadable`] it may, [`Fixed`] it may not.
//!
//! **Environment.** `{ env = "NAME" }` reads the variable `NAME`; where it is not set, the file that `NAME_FILE` names.
//! `auth_id`, `auth_token` and `sender` of `[plivo]` fall back to `PLIVO_AUTH_ID`, `PLIVO_AUTH_TOKEN` and
//! `PLIVO_SENDER_NUMBER` in the same way; further accounts name their variables themselves. `.env` beside the
//! configuration file is read too, unless `SENDGATE_ENV=production`; the process's own variables win over it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

mod address;
mod admin;
mod apps;
mod cursor;
mod decisions;
mod delivery;
mod effective;
mod environment;
mod faults;
mod fixed;
pub(crate) mod hidden;
mod listen;
mod literals;
mod media;
mod names;
mod origin;
mod plivo;
mod policies;
mod reading;
#[cfg(feature = "oci")]
mod registry;
mod relay;
mod secret;
mod sections;
mod settings;
mod snapshot;
mod store;
mod suggest;
mod telemetry;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use self::reading::{Findings, Reading, Source};
use self::sections::sections;

pub use self::address::{Address, HttpUrl};
pub use self::admin::Admin;
pub use self::apps::{App, PhoneForm};
pub use self::decisions::Decisions;
pub use self::delivery::{
    BreakerSettings, DeliverySettings, Looks, OnUnresolved, OnUnresolvedTable, Treat503,
};
pub use self::effective::Effective;
use self::environment::DotenvFault;
pub use self::environment::{Environment, Stage};
pub use self::faults::{ConfigFaults, Finding, Location};
pub use self::fixed::Fixed;
pub use self::listen::{Callbacks, Listen};
pub use self::media::Media;
pub use self::plivo::{Plivo, SenderCapability};
pub use self::policies::{CandidateEntry, ModuleSource, PolicyEntry};
pub(crate) use self::reading::read_bounded;
#[cfg(feature = "oci")]
pub use self::registry::Registry;
pub use self::relay::Relay;
pub use self::secret::{Secret, SecretSource};
pub use self::snapshot::Snapshot;
pub use self::store::{Shared, Store};
pub use self::telemetry::{LogFormat, OtlpProtocol, Telemetry};

/// Most bytes of the configuration file, and of `.env`.
const FILE_BYTES: u64 = 1024 * 1024;
/// What stands in for the environment in development, beside the configuration file.
const DOTENV: &str = ".env";

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What holds until a restart.
    pub fixed: Fixed,
    /// What a reload may replace.
    pub reloadable: Reloadable,
    /// What is allowed but should be known, in the order of the file.
    pub warnings: Vec<Finding>,
    /// All of it, key by key, for people.
    pub effective: Effective,
    snapshot: Snapshot,
    secret_files: BTreeSet<PathBuf>,
    literals: Vec<String>,
    in_memory: bool,
}

/// Settings that a reload may replace.
#[derive(Clone, Debug)]
pub struct Reloadable {
    /// `[listen] admin_token`: what operators' changes need, where there are to be any. It is no app's token.
    pub admin_token: Option<Secret>,
    /// `[[apps]]`; at least one.
    pub apps: Vec<App>,
    /// `[plivo]`: the account of every app that names none.
    pub plivo: Plivo,
    /// `[plivo.accounts.NAME]`, by name.
    pub accounts: BTreeMap<String, Plivo>,
    /// `[delivery]`.
    pub delivery: DeliverySettings,
    /// `[media]`.
    pub media: Media,
    /// `[[policies]]`, in the order in which they are asked.
    pub policies: Vec<PolicyEntry>,
    /// Whether the file says something of policies, be it `policies = []`.
    pub names_policies: bool,
    /// `[registry]`.
    #[cfg(feature = "oci")]
    pub registry: Registry,
    /// `[store] shared` as it is written: how to log in to the server of [`Shared`], where replicas share one.
    pub shared_url: Option<Secret>,
    /// `[reload] poll_ms`: how often files are looked at where no notification came. Default 2 s.
    pub poll: Duration,
}

impl Config {
    /// Reads and checks the file at `path`, the files it names, and `.env` beside it.
    ///
    /// Relative paths in the file are relative to its folder.
    ///
    /// # Errors
    ///
    /// Every fault at once; where the file is no TOML, what the parser found.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigFaults> {
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = full.parent().unwrap_or(Path::new("")).to_owned();
        let mut snapshot = Snapshot::read([&full]);
        if environment.stage() != Some(Stage::Production) {
            snapshot.look_at(&folder.join(DOTENV));
        }
        let source = match Source::open(path, FILE_BYTES) {
            Ok(source) => source,
            Err(fault) => return Err(ConfigFaults::new(vec![fault], snapshot)),
        };
        let (environment, mut faults) = layered(environment, &path.with_file_name(DOTENV));
        if environment.stage().is_none() {
            let detail = "must be development, production or unset in the environment".into();
            faults.push(Finding {
                location: source.locate(0),
                key: Environment::STAGE.into(),
                detail,
            });
        }
        let (table, broken) = DeTable::parse_recoverable(source.text());
        if !broken.is_empty() {
            faults.extend(syntax(&source, &broken));
            return Err(ConfigFaults::new(faults, snapshot));
        }
        let reading = Reading::new(&source, folder, &environment, snapshot);
        let sections = sections(&reading, table.get_ref());
        let mut found = reading.finish();
        faults.append(&mut found.faults);
        let (fixed, reloadable) = match sections.everything {
            Some(read) if faults.is_empty() => read,
            read => {
                let fixed = read.map(|(fixed, _)| fixed);
                let faults = ConfigFaults::new(faults, found.snapshot);
                let faults = faults.with_policies(sections.policies).with_fixed(fixed);
                #[cfg(feature = "oci")]
                let faults = match sections.registry {
                    Some(registry) => faults.with_registry(registry, found.warnings),
                    None => faults,
                };
                return Err(faults);
            }
        };
        let snapshot = std::mem::take(&mut found.snapshot);
        let secret_files = std::mem::take(&mut found.secret_files);
        let effective = std::mem::take(&mut found.effective);
        let literals = literals::keys(&found, &reloadable);
        let warnings = warnings(found, &source, &reloadable, &environment);
        Ok(Self {
            fixed,
            reloadable,
            warnings,
            effective,
            snapshot,
            secret_files,
            literals,
            in_memory: false,
        })
    }

    /// Every file whose change matters: the configuration itself, `.env` in development, secrets, modules. Absolute.
    pub fn files(&self) -> Vec<PathBuf> {
        self.snapshot.paths().cloned().collect()
    }

    /// Every file that a secret was read from, but the configuration itself. Absolute.
    pub fn secret_files(&self) -> &BTreeSet<PathBuf> {
        &self.secret_files
    }

    /// The keys of the file under which secrets stand in it, those in policies' settings too.
    pub fn literals(&self) -> &[String] {
        &self.literals
    }

    /// These files as they were just before they were read: compare it with a later [`Snapshot::read`] of them.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The same with the store in memory, as `--ephemeral` asks for, whatever the file says.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.fixed.store.in_memory();
        self.in_memory = true;
        self
    }

    /// Whether `--ephemeral` was given.
    pub fn is_ephemeral(&self) -> bool {
        self.in_memory
    }
}

/// The environment with `.env` below it, where the stage lets it be read, and what is wrong with `.env`.
fn layered(environment: &Environment, dotenv: &Path) -> (Environment, Vec<Finding>) {
    if environment.stage() == Some(Stage::Production) || !dotenv.exists() {
        return (environment.clone(), Vec::new());
    }
    let source = match Source::open(dotenv, FILE_BYTES) {
        Ok(source) => source,
        // What can be read of it is, for the same reason as below.
        Err(fault) => {
            let bytes = read_bounded(dotenv, FILE_BYTES).unwrap_or_default();
            return (environment.with_dotenv(&String::from_utf8_lossy(&bytes)).0, vec![fault]);
        }
    };
    // The lines that are well hold, or what needs them would be called missing beside the one that is wrong.
    let (layered, faults) = environment.with_dotenv(source.text());
    let finding = |fault: DotenvFault| Finding {
        location: source.locate(fault.offset),
        key: fault.name,
        detail: fault.detail.into(),
    };
    (layered, faults.into_iter().map(finding).collect())
}

/// What the parser found, one finding a line: one slip often makes several. Never quotes the line.
fn syntax(source: &Source, errors: &[toml::de::Error]) -> Vec<Finding> {
    let finding = |err: &toml::de::Error| Finding {
        location: source.locate(err.span().map_or(0, |span| span.start)),
        key: String::new(),
        detail: format!("is not TOML: {}", err.message()),
    };
    // Where a heading cannot be read, what follows stands in the table before it, twice perhaps.
    let follows = |err: &&toml::de::Error| {
        ["duplicate key", "cannot extend"].iter().any(|word| err.message().starts_with(word))
    };
    let first = errors.iter().filter(|err| !follows(err)).filter_map(toml::de::Error::span);
    let first = first.map(|span| span.start).min();
    let at = |err: &&toml::de::Error| err.span().map_or(0, |span| span.start);
    let own =
        errors.iter().filter(|err| !follows(err) || first.is_none_or(|first| at(err) < first));
    let mut findings: Vec<Finding> = own.map(finding).collect();
    findings.sort();
    findings.dedup_by_key(|finding| finding.location.line);
    findings
}

/// The warnings, with those that only the whole file can tell: secrets written in it, unless it is for development.
fn warnings(
    found: Findings,
    source: &Source,
    reloadable: &Reloadable,
    environment: &Environment,
) -> Vec<Finding> {
    let mut warnings = found.warnings;
    let development =
        environment.stage() == Some(Stage::Development) && reloadable.plivo.base_url.is_loopback();
    let hidden = found.literals.into_iter().filter(|spot| !literals::is_shown(&spot.key));
    for spot in hidden.filter(|_| !development) {
        let detail =
            "stands in the file itself; use { env = \"NAME\" } or { file = \"PATH\" }".into();
        warnings.push(Finding { location: source.locate(spot.offset), key: spot.key, detail });
    }
    warnings.sort();
    warnings
}
