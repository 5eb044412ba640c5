//! `sendgate policy`: tools for whoever writes policies.

mod failure;
mod inspect;
mod new;
pub(crate) mod rehearsal;
mod schema;
mod test;

use std::path::Path;
use std::sync::Arc;

use policy_host::{Module, PolicyName, PolicyRuntime, RuntimeOptions, VisitLimits};
use store::MemoryLedger;

use crate::cli::PolicyCommand;

pub use self::failure::Failure;

/// Does what `command` says, and prints what came of it.
///
/// # Errors
///
/// A file that cannot be read or is not what it should be; a case that differs.
pub fn policy(command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::New { name, lang, sdk } => new::new(name, *lang, sdk.as_deref()),
        PolicyCommand::Inspect { module, json } => inspect::inspect(module, *json),
        PolicyCommand::Test { module, cases, limits, json } => {
            let limits = VisitLimits {
                time: std::time::Duration::from_millis(limits.time_ms),
                memory: usize::try_from(limits.memory_mb).unwrap_or(usize::MAX) << 20,
                host_calls: limits.host_calls,
                ..VisitLimits::default()
            };
            test::test(module, cases.as_deref(), limits, *json)
        }
    }
}

/// Compiles the module in the file `path` and runs `what` with it.
fn with_module<T>(
    path: &Path,
    limits: VisitLimits,
    what: impl AsyncFnOnce(Module) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let bytes = std::fs::read(path).map_err(|err| Failure::Unread(path.into(), err))?;
    let name = path.file_stem().map_or_else(|| "policy".into(), |stem| stem.to_string_lossy());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = PolicyRuntime::new(RuntimeOptions::new(Arc::new(MemoryLedger::default())))?;
        let module = engine.module(PolicyName::new(&*name), bytes.into(), limits).await;
        what(module.map_err(|fault| Failure::Module(path.into(), fault))?).await
    })
}
