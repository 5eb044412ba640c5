//! What clocks show. Needs the grant `zones`.
//!
//! The host has the time zone data, so that modules stay small and all policies have the same.

pub use crate::bindings::sendgate::policy::zones::Offset;
#[cfg(target_arch = "wasm32")]
pub use crate::bindings::sendgate::policy::zones::offsets;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::zones::offsets;
