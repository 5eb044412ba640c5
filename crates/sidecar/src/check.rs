//! `sendgate check`: everything that is wrong, before anything runs.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use policy_host::{PolicyRuntime, RuntimeOptions};
use store::MemoryLedger;

use crate::config::{Config, Environment};
use crate::{Failure, policies};

/// Reads the configuration, loads every policy under its real limits, and says what is in order.
///
/// # Errors
///
/// Every fault of the configuration or of the policies, each with its place.
pub fn check(path: &Path, environment: &Environment) -> Result<(), Failure> {
    let config = Config::load(path, environment)?;
    let mut out = io::stdout().lock();
    for warning in &config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let chain = runtime.block_on(async {
        let options = RuntimeOptions {
            compile_cache: config.fixed.compile_cache.clone(),
            ..RuntimeOptions::new(Arc::new(MemoryLedger::default()))
        };
        let engine = PolicyRuntime::new(options)?;
        policies::build(&engine, None, &config.reloadable.policies).await.map_err(Failure::Policies)
    })?;
    for policy in chain.policies() {
        let manifest = policy.manifest();
        writeln!(
            out,
            "policy {}: {} {}, {}",
            policy.name(),
            manifest.name,
            manifest.version,
            policy.digest()
        )?;
    }
    writeln!(
        out,
        "{} is in order: {} apps, {} policies",
        path.display(),
        config.reloadable.apps.len(),
        chain.policies().len()
    )?;
    Ok(())
}
