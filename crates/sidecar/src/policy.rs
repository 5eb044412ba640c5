//! `sendgate policy`: tools for whoever writes policies.

mod embed;
mod failure;
mod inspect;
mod new;
#[cfg(feature = "oci")]
mod push;
pub(crate) mod rehearsal;
mod schema;
mod source;
mod test;

use policy_host::VisitLimits;

use self::source::Named;
use crate::cli::{Access, LimitsOf, PolicyCommand};
use crate::config::{Environment, ModuleSource};

pub use self::failure::Failure;

/// Does what `command` says, and prints what came of it.
///
/// # Errors
///
/// A module that is not to be had or is not what it should be; a case that differs; a registry that takes none.
pub fn policy(command: &PolicyCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        PolicyCommand::New { name, lang, sdk } => new::new(name, *lang, sdk.as_deref()),
        PolicyCommand::Inspect { module, access, json } => {
            inspect::inspect(&read(module, access, environment)?, *json)
        }
        PolicyCommand::Test { module, access, cases, limits, json } => {
            let module = read(module, access, environment)?;
            limited(test::test(&module, cases.as_deref(), limits.into(), *json))
        }
        PolicyCommand::Embed { module, cases, out, limits } => {
            limited(embed::embed(module, cases, out.as_deref(), limits.into()))
        }
        #[cfg(feature = "oci")]
        PolicyCommand::Push { module, reference, sign_key, access } => {
            let registry = push::registry(reference, access, environment)?;
            push::push(module, reference, sign_key.as_deref(), &registry)
        }
    }
}

/// What came of a command that has limits to be typed.
fn limited(done: Result<(), Failure>) -> Result<(), Failure> {
    done.map_err(|failure| match failure {
        Failure::Module(path, fault) => Failure::Limited(path, fault),
        other => other,
    })
}

impl From<&LimitsOf> for VisitLimits {
    fn from(limits: &LimitsOf) -> Self {
        Self {
            time: std::time::Duration::from_millis(limits.time_ms),
            memory: usize::try_from(limits.memory_mb).unwrap_or(usize::MAX) << 20,
            host_calls: limits.host_calls,
            ..Self::default()
        }
    }
}

#[cfg(feature = "oci")]
fn read(
    source: &ModuleSource,
    access: &Access,
    environment: &Environment,
) -> Result<Named, Failure> {
    match source {
        ModuleSource::File(path) => Named::file(path),
        ModuleSource::Registry(reference) => {
            Named::pulled(reference, &push::registry(reference, access, environment)?)
        }
    }
}

#[cfg(not(feature = "oci"))]
fn read(source: &ModuleSource, _: &Access, _: &Environment) -> Result<Named, Failure> {
    let ModuleSource::File(path) = source;
    Named::file(path)
}
