//! The module that a tool was given: a file, or of a registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_host::{Module, PolicyName, PolicyRuntime, RuntimeOptions, VisitLimits};
use store::MemoryLedger;

use super::Failure;
use crate::config::read_bounded;

/// A module's bytes, and how it is named: by its path, or by its reference, pinned.
pub(super) struct Named {
    pub(super) name: PathBuf,
    pub(super) bytes: Arc<[u8]>,
}

impl Named {
    /// Pulls the module that `reference` leads to.
    #[cfg(feature = "oci")]
    pub(super) fn pulled(
        reference: &registry::Reference,
        registry: &registry::Registry,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let fetched = runtime.block_on(registry.fetch(reference));
        let fetched = fetched.map_err(|err| Failure::Registry(reference.to_string(), err))?;
        let name = reference.at(fetched.digest).to_string().into();
        Ok(Self { name, bytes: fetched.module })
    }

    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        let bytes = read_bounded(path, policy_host::MODULE_BYTES as u64)
            .map_err(|err| Failure::Unread(path.into(), err))?;
        Ok(Self { name: path.into(), bytes: bytes.into() })
    }

    /// Compiles it and runs `what` with it.
    pub(super) fn with<T>(
        &self,
        limits: VisitLimits,
        what: impl AsyncFnOnce(Module) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let name =
            self.name.file_stem().map_or_else(|| "policy".into(), |stem| stem.to_string_lossy());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let engine =
                PolicyRuntime::new(RuntimeOptions::new(Arc::new(MemoryLedger::default())))?;
            let module =
                engine.module(PolicyName::new(&*name), Arc::clone(&self.bytes), limits).await;
            what(module.map_err(|fault| Failure::Module(self.name.clone(), fault))?).await
        })
    }
}
