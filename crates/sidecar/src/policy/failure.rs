use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use policy_cases::CaseError;
use policy_host::{LoadFault, RuntimeError};

use super::test::by_flags;
use crate::policies::chain;
use crate::terminal::plain;

/// Why a policy's author did not get what was asked for. Each prints what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file that is not to be read.
    #[error("{file} cannot be read: {1}", file = .0.display())]
    Unread(PathBuf, io::Error),
    /// A file that is no policy of this contract.
    #[error("{file}: {fault}", file = .0.display(), fault = chain(.1))]
    Module(PathBuf, LoadFault),
    /// The same within limits that were typed.
    #[error("{file}: {fault}", file = .0.display(), fault = by_flags(&chain(.1)))]
    Limited(PathBuf, LoadFault),
    /// A file of cases that cannot be read; for those in a module, the module's file.
    #[error("{file}: the cases cannot be read: {err}", file = .0.display(), err = plain(&.1.to_string()))]
    Cases(PathBuf, CaseError),
    /// Cases that the module was to bring along, and fails.
    #[error(
        "{module}: {}\nnothing was written, since no sidecar loads a module so; mend it, or {cases}",
        by_flags(&.failed.join("\n")), module = .module.display(), cases = .cases.display()
    )]
    OwnCases {
        /// The module's file.
        module: PathBuf,
        /// That of the cases.
        cases: PathBuf,
        /// A sentence for each of them, up to a bound.
        failed: Vec<String>,
    },
    /// A module without cases, and none given.
    #[error(
        "{} brings no cases along; name a file with --cases, or put it in with `sendgate policy embed`",
        .0.display()
    )]
    NoCases(PathBuf),
    /// A name that a crate or a policy cannot have.
    #[error(
        "{file}: a policy is called by 1 to 56 of a-z, 0-9 and `-`, a letter first, without seven digits on end, and neither \
         by a keyword of Rust, nor as a crate that its own needs (`core`, `std`, `test`, `policy-sdk`, …), nor by the \
         first word of codes that mean something else (`phone`, `text`, `auth`, …), nor `bare`",
        file = .0.display()
    )]
    Name(PathBuf),
    /// A place of the SDK for Rust, and another language.
    #[error("--sdk is for policies in Rust; others need no crate of Sendgate's: leave it out")]
    NoUseForSdk,
    /// There is something in the place of a new policy.
    #[error("{file} is there already; choose another name, or remove it", file = .0.display())]
    Exists(PathBuf),
    /// Nobody knows where the SDK is.
    #[error(
        "there is no crates/policy-sdk around; say with --sdk where it is: that folder, the repository's, or its URL"
    )]
    NoSdk,
    /// A folder that is said to be the SDK, and is not.
    #[error(
        "{sdk} is not the SDK: neither it nor crates/policy-sdk in it has the Cargo.toml of the crate `policy-sdk`; \
         --sdk takes the folder crates/policy-sdk of Sendgate's repository, that repository, or its URL",
        sdk = .0.display()
    )]
    NotTheSdk(PathBuf),
    /// A file that is not to be written.
    #[error("{file} cannot be written: {1}", file = .0.display())]
    Unwritten(PathBuf, io::Error),
    /// A registry that has no such module, or takes none.
    #[cfg(feature = "oci")]
    #[error("{0}: {err}", err = chain(.1))]
    Registry(String, registry::RegistryError),
    /// A file that is no key to sign with.
    #[cfg(feature = "oci")]
    #[error("{file} {1}", file = .0.display())]
    Key(PathBuf, registry::RegistryError),
    /// A user without a password.
    #[cfg(feature = "oci")]
    #[error(
        "--user needs a password; set SENDGATE_REGISTRY_PASSWORD, or name a file with --password-file"
    )]
    NoPassword,
    /// Cases that differ; which ones was printed.
    #[error("{0} of {1} cases differ")]
    Differ(usize, usize),
    /// The engine of policies.
    #[error("the policy engine could not start: {0}")]
    Engine(#[from] RuntimeError),
    /// The runtime, or standard output.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// 2 where a file must be mended before anything can be said of the policy, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unread(..)
            | Self::Module(..)
            | Self::Limited(..)
            | Self::Cases(..)
            | Self::OwnCases { .. }
            | Self::NoCases(_) => ExitCode::from(2),
            #[cfg(feature = "oci")]
            Self::Key(..) | Self::NoPassword => ExitCode::from(2),
            #[cfg(feature = "oci")]
            Self::Registry(_, registry::RegistryError::NoTag) => ExitCode::from(2),
            #[cfg(feature = "oci")]
            Self::Registry(..) => ExitCode::FAILURE,
            Self::Name(_)
            | Self::Exists(_)
            | Self::NoSdk
            | Self::NotTheSdk(_)
            | Self::NoUseForSdk => ExitCode::from(2),
            Self::Differ(..) | Self::Unwritten(..) | Self::Engine(_) | Self::System(_) => {
                ExitCode::FAILURE
            }
        }
    }
}
