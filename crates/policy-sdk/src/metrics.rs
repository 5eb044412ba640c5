//! Numbers for the host's metrics. Needs the grant `metrics`. The host adds the policy's name.

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::sendgate::policy::metrics::add;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::fakes::add;
