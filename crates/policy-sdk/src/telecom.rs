//! Facts about other numbers than the recipient's. Needs the grant `telecom`.

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::sendgate::policy::telecom::classify;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::fakes::classify;
