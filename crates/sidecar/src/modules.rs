//! The modules that policies name, each read once for a generation: of its file, or of a registry.

#[cfg_attr(not(feature = "oci"), path = "modules/no_registry.rs")]
mod pulled;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::{ConfigFaults, ModuleSource, PolicyEntry, Reloadable, read_bounded};

pub(crate) use self::pulled::Pulled;

/// The bytes of every module, or why they could not be read.
pub(crate) struct Modules {
    read: HashMap<ModuleSource, Result<Arc<[u8]>, String>>,
    /// What is known of those that are in a registry.
    pub(crate) pulled: Pulled,
}

impl Modules {
    /// Reads every module of `settings`, and asks registries for those that are there.
    pub(crate) async fn read(settings: &Reloadable) -> Self {
        let mut modules = Self::of_files(&settings.policies).await;
        let pulled = Pulled::pull(settings).await;
        modules.read.extend(pulled.1);
        Self { pulled: pulled.0, ..modules }
    }

    /// Reads the modules of a configuration that is at fault elsewhere, and asks registries where it says how.
    #[cfg_attr(not(feature = "oci"), allow(unused_mut, reason = "nothing is in a registry then"))]
    pub(crate) async fn of_faulty(faults: &ConfigFaults) -> Self {
        let mut modules = Self::of_files(faults.policies()).await;
        #[cfg(feature = "oci")]
        if let Some(registry) = faults.registry() {
            let (pulled, read) = Pulled::ask(faults.policies(), registry).await;
            modules.read.extend(read);
            modules.pulled = pulled;
        }
        modules
    }

    /// Reads the modules that are files. Nothing is known of the others then.
    pub(crate) async fn of_files(entries: &[PolicyEntry]) -> Self {
        let sources: Vec<ModuleSource> = sources(entries).cloned().collect();
        let read = move || sources.into_iter().filter_map(|source| Some((read(&source)?, source)));
        let read = tokio::task::spawn_blocking(move || {
            read().map(|(read, source)| (source, read)).collect()
        });
        // Only a panic ends it, and then every module is missing.
        Self { read: read.await.unwrap_or_default(), pulled: Pulled::default() }
    }

    /// The bytes of a module, or why there are none; `None` where nobody looked.
    pub(crate) fn get(&self, source: &ModuleSource) -> Option<Result<Arc<[u8]>, &str>> {
        let read = self.read.get(source)?;
        Some(read.as_ref().map(Arc::clone).map_err(String::as_str))
    }
}

/// Every module that policies and their candidates name.
fn sources(entries: &[PolicyEntry]) -> impl Iterator<Item = &ModuleSource> {
    entries.iter().flat_map(|entry| {
        let candidate = entry.candidate.as_ref().map(|candidate| &candidate.module);
        std::iter::once(&entry.module).chain(candidate)
    })
}

fn read(source: &ModuleSource) -> Option<Result<Arc<[u8]>, String>> {
    match source {
        ModuleSource::File(path) => Some(file(path)),
        #[cfg(feature = "oci")]
        ModuleSource::Registry(_) => None,
    }
}

fn file(path: &Path) -> Result<Arc<[u8]>, String> {
    // What is larger is no module, and would cost its size in memory before anybody said so.
    read_bounded(path, policy_host::MODULE_BYTES as u64)
        .map(Arc::from)
        .map_err(|err| format!("{} cannot be read: {err}", path.display()))
}
