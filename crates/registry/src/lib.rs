//! Modules from OCI registries: pulled by digest, verified, kept, and pushed.
//!
//! [`Registry::fetch`] goes from a [`Reference`] to a module that is what its digest says and, where keys are given, is
//! signed by one of them in the way of cosign. Both are checked whenever a module is handed out, whether it comes from
//! the registry or from the cache. Alone names `oci-client`.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

mod artifact;
mod cache;
mod digest;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod reference;
mod registry;
mod remote;
mod signature;

pub use self::artifact::About;
pub use self::cache::Cache;
pub use self::digest::Digest;
pub use self::error::RegistryError;
pub use self::reference::{Reference, ReferenceFault, SCHEME};
pub use self::registry::{Fetched, Options, Registry};
pub use self::signature::{PublicKey, SigningKey};
