//! The command line of whoever writes policies.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::ModuleSource;

/// Tools for whoever writes policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Begin a policy: a folder that builds, tests and loads with the commands that its README.md names.
    New {
        /// The policy's name, or the path of the folder that is to be called so.
        #[arg(value_name = "NAME")]
        name: PathBuf,
        /// The language to write it in.
        #[arg(long, value_enum, default_value_t = Lang::Rust)]
        lang: Lang,
        /// Where the SDK for Rust is: the folder of Sendgate's repository, its `crates/policy-sdk`, or the repository's URL.
        /// Found where this runs in that repository, or was built there.
        #[arg(long, value_name = "WHERE")]
        sdk: Option<String>,
    },
    /// Say what a module is: manifest, settings, imports, contract, digest, and the lines that load it.
    Inspect {
        /// The module: a file, or oci://REGISTRY/NAME:TAG@sha256:DIGEST.
        #[arg(value_name = "FILE", value_parser = module_source)]
        module: ModuleSource,
        /// How to ask the registry.
        #[command(flatten)]
        access: Access,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run cases against a built module, under the limits that it has in production.
    Test {
        /// The module: a file, or oci://REGISTRY/NAME:TAG@sha256:DIGEST.
        #[arg(value_name = "FILE", value_parser = module_source)]
        module: ModuleSource,
        /// How to ask the registry.
        #[command(flatten)]
        access: Access,
        /// The cases, as TOML or JSON Lines; those that the module brings along where absent.
        #[arg(long, value_name = "FILE")]
        cases: Option<PathBuf>,
        /// The limits, where the configuration has other ones than its defaults.
        #[command(flatten)]
        limits: LimitsOf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put cases into a built module, so that every sidecar runs them before it comes into force. Where it fails one
    /// nothing is written. What is built with `policy-sdk` has them already.
    Embed {
        /// The module's file.
        #[arg(value_name = "FILE")]
        module: PathBuf,
        /// The cases, as TOML or JSON Lines.
        #[arg(long, value_name = "FILE")]
        cases: PathBuf,
        /// Where to write the module; in its own place where absent.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The limits that it has to hold them in, where the configuration has other ones than its defaults.
        #[command(flatten)]
        limits: LimitsOf,
    },
    /// Push a module to a registry, and print the reference that goes into the configuration.
    #[cfg(feature = "oci")]
    Push {
        /// The module's file.
        #[arg(value_name = "FILE")]
        module: PathBuf,
        /// Where to: oci://REGISTRY/NAME:TAG.
        #[arg(value_name = "REFERENCE", value_parser = registry::Reference::parse)]
        reference: registry::Reference,
        /// Sign it with this key: ECDSA on P-256, PKCS #8 in PEM, not encrypted.
        #[arg(long, value_name = "FILE")]
        sign_key: Option<PathBuf>,
        /// How to ask the registry.
        #[command(flatten)]
        access: Access,
    },
}

/// How to ask a registry.
#[derive(Clone, Debug, Args)]
pub struct Access {
    /// Ask the registry without TLS.
    #[cfg(feature = "oci")]
    #[arg(long)]
    pub plain_http: bool,
    /// Ask it as this user; the password is in the variable SENDGATE_REGISTRY_PASSWORD, or in a file.
    #[cfg(feature = "oci")]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The file with the password.
    #[cfg(feature = "oci")]
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}

/// A language that policies are written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Lang {
    /// Rust, with `policy-sdk`.
    Rust,
    /// JavaScript, with `componentize-qjs` of npm.
    Javascript,
    /// Python, with `componentize-py` of PyPI.
    Python,
}

/// What one decision may cost: the keys of the same names under `[[policies]]`.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitsOf {
    /// Most time, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub time_ms: u64,
    /// Most memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=512))]
    pub memory_mb: u64,
    /// Most calls of the host.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub host_calls: u32,
}

#[cfg(feature = "oci")]
fn module_source(text: &str) -> Result<ModuleSource, registry::ReferenceFault> {
    match text.starts_with(registry::SCHEME) {
        true => registry::Reference::parse(text).map(ModuleSource::Registry),
        false => Ok(ModuleSource::File(text.into())),
    }
}

#[cfg(not(feature = "oci"))]
fn module_source(text: &str) -> Result<ModuleSource, &'static str> {
    match text.starts_with("oci://") {
        true => Err("needs the feature `oci`, which this program was built without"),
        false => Ok(ModuleSource::File(text.into())),
    }
}
