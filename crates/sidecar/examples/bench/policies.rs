//! The policies as every program of this benchmark applies them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;

/// A policy, with its part of a `sidecar.toml`.
pub(crate) struct Applied {
    pub(crate) name: &'static str,
    /// Words of grants, with a space between two.
    pub(crate) grants: &'static str,
    /// An inline table in TOML.
    pub(crate) settings: &'static str,
}

/// In the order of the repository's `sidecar.toml`, with its settings but for two: a limit too high to be reached, and
/// a shorter window for repeats. The ledger in memory keeps 100,000 keys, so at 30 s a window it would be full above
/// 3,300 messages a second.
pub(crate) const POLICIES: [Applied; 4] = [
    Applied { name: "validation", grants: "", settings: r#"{ unknown_fields = "strip" }"# },
    Applied {
        name: "country",
        grants: "",
        settings: r#"{ allow = ["*"], mms = ["US", "CA"], mms_fallback = "deny" }"#,
    },
    Applied { name: "dedup", grants: "state", settings: r#"{ window_s = 4, mode = "reject" }"# },
    Applied {
        name: "throttle",
        grants: "state",
        settings: r#"{ limits = [{ name = "app", scope = "app", kind = "window", quota = 900000, per_s = 10 }] }"#,
    },
];

/// Those that are asked besides where there are eight. Each looks at every message, and none refuses one.
pub(crate) const MORE: [Applied; 4] = [
    Applied { name: "consent", grants: "state", settings: "{}" },
    Applied { name: "quiet-hours", grants: "zones amend", settings: "{}" },
    Applied { name: "pumping", grants: "state", settings: r#"{ mode = "monitor" }"# },
    Applied {
        name: "budget",
        grants: "state",
        settings: r#"{ budgets = [{ name = "all", scope = "account", segments = 4000000000 }] }"#,
    },
];

impl Applied {
    /// What it may import and change.
    pub(crate) fn grants(&self) -> impl Iterator<Item = &'static str> {
        self.grants.split_whitespace()
    }

    /// Its settings as JSON.
    pub(crate) fn settings(&self) -> Result<Value> {
        let table: Value = toml::from_str(&format!("settings = {}", self.settings))?;
        Ok(table["settings"].clone())
    }

    /// Its entry in a `sidecar.toml`, for the module in `folder`.
    pub(crate) fn entry(&self, folder: &Path) -> String {
        let grants: Vec<&str> = self.grants().collect();
        format!(
            "[[policies]]\nname = \"{}\"\nmodule = \"{}\"\ngrants = {grants:?}\nsettings = {}\n",
            self.name,
            self.module(folder).display(),
            self.settings
        )
    }

    /// Its module in `folder`.
    pub(crate) fn module(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.wasm", self.name))
    }
}

/// Where `cargo xtask policies` puts the modules.
pub(crate) fn built() -> PathBuf {
    let given = std::env::var_os("SENDGATE_POLICIES").map(PathBuf::from);
    given.unwrap_or_else(|| crate::target().join("policies"))
}
