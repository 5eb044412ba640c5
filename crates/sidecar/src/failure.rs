//! Why the program ends other than by being asked to.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use policy_host::RuntimeError;
use store::{OpenError, StoreError};
use store_redis::OptionsError;

use crate::config::{Address, ConfigFaults};
use crate::modules::Modules;

/// Why the program could not start or go on. Each prints what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration: every fault with file, line and key.
    #[error("{0}")]
    Config(#[from] ConfigFaults),
    /// Policies that do not load, each with its place in the configuration, after what else is wrong with that.
    #[error("{}", .0.join("\n"))]
    Policies(Vec<String>),
    /// Policies whose modules are in a registry that does not give them now; as [`Failure::Policies`] otherwise.
    #[error("{}", .0.join("\n"))]
    NotPulled(Vec<String>),
    /// The engine of policies.
    #[error("{}", engine(.0))]
    Engine(#[from] RuntimeError),
    /// The store could not be opened.
    #[error("the store: {}", whole(.0))]
    Store(#[from] OpenError),
    /// The store's file was replaced while a start waited for it to be mended; another start opens the new one.
    #[error("the store: {0}")]
    Replaced(StoreError),
    /// What replicas share could not be set up.
    #[error("[store] shared: {0}")]
    Shared(#[from] OptionsError),
    /// A listener.
    #[error(
        "{address} could not be bound: {source}; choose another address under [listen] or stop what holds it"
    )]
    Bind {
        /// Where it should have listened.
        address: Address,
        /// The system's reason.
        source: io::Error,
    },
    /// Telemetry.
    #[error("telemetry could not start: {0}")]
    Telemetry(#[from] telemetry::TelemetryError),
    /// The runtime or the signals.
    #[error("the system refused what the program needs to run: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// Policies that do not load, for these reasons.
    pub(crate) fn of_policies(lines: Vec<String>, modules: &Modules) -> Self {
        if modules.pulled.failed() { Self::NotPulled(lines) } else { Self::Policies(lines) }
    }

    /// 2 where a file must be mended, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Policies(_) | Self::Engine(RuntimeError::Cache(_)) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }
}

fn engine(err: &RuntimeError) -> String {
    match err {
        RuntimeError::Cache(why) => format!(
            "reload.compile_cache: cannot be used: {}; name a folder that this user may write, or leave the key out",
            whole(&**why)
        ),
        other => format!("the policy engine could not start: {}", whole(other)),
    }
}

/// An error with its sources, for one line.
pub(crate) fn whole(err: &dyn Error) -> String {
    let mut told = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        let more = err.to_string();
        // Some repeat their source.
        if !told.contains(&more) {
            told.push_str(&format!(": {more}"));
        }
        source = err.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_only_the_engine_finds_unusable_is_told_by_its_key_as_a_file_to_be_mended() {
        let failure = Failure::Engine(RuntimeError::Cache("no such file".into()));
        assert_eq!(
            failure.to_string(),
            "reload.compile_cache: cannot be used: no such file; name a folder that this user may write, or leave the \
             key out"
        );
        assert_eq!(failure.exit_code(), ExitCode::from(2));
    }
}
