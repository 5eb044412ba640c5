//! Which policies only monitor, by what their settings say as a whole.

use std::sync::Arc;

use policy_host::PolicyChain;
use serde_json::{Value, json};

use crate::config::PolicyEntry;

/// The names of those whose setting `mode`, written or usual, is `monitor`: no limit of theirs refuses anything.
pub(super) fn monitoring(entries: &[PolicyEntry], chain: &PolicyChain) -> Arc<[String]> {
    let monitors = |entry: &&PolicyEntry| {
        let written = entry.settings().get("mode").cloned();
        written.or_else(|| usual(chain, entry, "mode")) == Some(json!("monitor"))
    };
    entries.iter().filter(monitors).map(|entry| entry.name.clone()).collect()
}

/// What a policy's schema says that a setting is where nothing stands there.
pub(crate) fn usual(chain: &PolicyChain, entry: &PolicyEntry, setting: &str) -> Option<Value> {
    let own = chain.policies().iter().find(|policy| policy.name().as_str() == entry.name)?;
    let schema: Value = serde_json::from_str(&own.manifest().settings_schema).ok()?;
    Some(schema["properties"][setting].get("default")?.clone())
}
