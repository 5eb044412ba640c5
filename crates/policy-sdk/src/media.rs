//! What the host found at the media URLs. Needs the grant `media`.

pub use crate::bindings::sendgate::policy::media::Probe;
#[cfg(target_arch = "wasm32")]
pub use crate::bindings::sendgate::policy::media::probes;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::fakes::probes;
