//! What a sidecar is configured with.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use plivo_sim::PlivoSim;
use serde_json::{Map, Value, json};

use super::{SENDER, TOKEN, toml};

/// A `sidecar.toml`, and the environment beside it.
#[derive(Clone)]
pub(crate) struct Setup {
    sections: BTreeMap<String, Map<String, Value>>,
    apps: Vec<App>,
    policies: Vec<Policy>,
    pub(super) flags: Vec<&'static str>,
    pub(crate) environment: Vec<(String, String)>,
}

/// One `[[apps]]`.
#[derive(Clone)]
pub(crate) struct App(Map<String, Value>);

/// One `[[policies]]`.
#[derive(Clone)]
pub(crate) struct Policy(Map<String, Value>);

impl Setup {
    /// An app called `demo` without policies, and `plivo` as the provider.
    pub(crate) fn new(plivo: &PlivoSim) -> Self {
        Self::with_base_url(&plivo.base_url())
    }

    pub(crate) fn with_base_url(base_url: &str) -> Self {
        let setup = Self {
            sections: BTreeMap::new(),
            apps: Vec::new(),
            policies: Vec::new(),
            flags: Vec::new(),
            environment: vec![("SENDGATE_ENV".into(), "development".into())],
        };
        setup
            .set("listen.apps", "127.0.0.1:0")
            .set("listen.admin", "127.0.0.1:0")
            // A client's pool keeps its connections.
            .set("listen.linger_s", 0)
            .set("plivo.base_url", base_url)
            .set("plivo.auth_id", "MAXXXXXXXXXXXXXXXXXX")
            .set("plivo.auth_token", "TOKEN")
            .set("plivo.sender", SENDER)
            .set("store.ephemeral", true)
            .set("reload.compile_cache", concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled-policies"))
            .app(App::new("demo", TOKEN))
    }

    /// The chain that most users have: `validation`, then `country`.
    pub(crate) fn standard(plivo: &PlivoSim) -> Self {
        Self::new(plivo).policy(Policy::new("validation")).policy(Policy::new("country"))
    }

    /// The store in a file, which the next sidecar in the same folder finds, however full this machine's disk is.
    pub(crate) fn durable(self) -> Self {
        let setup = self.set("store.ephemeral", false).set("store.path", "sendgate.db");
        setup.set("store.min_free_percent", 0)
    }

    /// Adds a flag of `sendgate run`.
    pub(crate) fn flag(mut self, flag: &'static str) -> Self {
        self.flags.push(flag);
        self
    }

    /// Sets `SECTION.KEY`.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (section, key) = key.split_once('.').expect("SECTION.KEY");
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.into());
        self
    }

    /// Leaves `SECTION.KEY` out again.
    #[cfg(feature = "oci")]
    pub(crate) fn unset(mut self, key: &str) -> Self {
        let (section, key) = key.split_once('.').expect("SECTION.KEY");
        self.sections.entry(section.to_owned()).or_default().remove(key);
        self
    }

    pub(crate) fn app(mut self, app: App) -> Self {
        self.apps.retain(|known| known.0["name"] != app.0["name"]);
        self.apps.push(app);
        self
    }

    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Sets a variable of the process's environment, which is empty otherwise.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn to_toml(&self) -> String {
        let sections = self.sections.iter().map(|(name, table)| (format!("[{name}]"), table));
        let apps = self.apps.iter().map(|app| ("[[apps]]".to_owned(), &app.0));
        let policies = self.policies.iter().map(|policy| ("[[policies]]".to_owned(), &policy.0));
        let tables = sections.chain(apps).chain(policies);
        let none = self.policies.is_empty().then(|| "policies = []\n".to_owned());
        let tables = tables.map(|(heading, table)| format!("{heading}\n{}\n", toml::lines(table)));
        none.into_iter().chain(tables).collect()
    }
}

impl App {
    pub(crate) fn new(name: &str, token: &str) -> Self {
        Self(object(json!({"name": name, "token": token})))
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

impl Policy {
    /// The policy of this repository called `name`, with what it needs granted.
    pub(crate) fn new(name: &str) -> Self {
        let grants: &[&str] = match name {
            "validation" | "country" => &["amend"],
            "dedup" | "consent" | "budget" | "pumping" => &["state"],
            "throttle" => &["state", "amend"],
            "quiet-hours" => &["zones", "amend"],
            _ => &[],
        };
        // A machine busy with other tests may hold a policy up for longer than it may take by default.
        let time_ms = 2_000;
        Self(object(
            json!({"name": name, "module": module(name), "grants": grants, "time_ms": time_ms}),
        ))
    }

    pub(crate) fn settings(self, settings: Value) -> Self {
        self.set("settings", settings)
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

/// The compiled policy or guest called `name`.
///
/// # Panics
///
/// Where it is not built.
pub(crate) fn module(name: &str) -> PathBuf {
    let folder = env::var_os("SENDGATE_POLICIES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.wasm"));
    path.canonicalize()
        .unwrap_or_else(|err| panic!("{}: {err}; run cargo xtask policies", path.display()))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no table"),
    }
}
