//! Lines in the host's log. Needs the grant `log`.
//!
//! At most 4,096 bytes in one decision; the rest is dropped and counted. Write no number and no text of a message.

pub use crate::bindings::sendgate::policy::log::Level;
#[cfg(target_arch = "wasm32")]
use crate::bindings::sendgate::policy::log::log;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::fakes::log;

/// A line of level `debug`.
pub fn debug(line: &str) {
    log(Level::Debug, line);
}

/// A line of level `info`.
pub fn info(line: &str) {
    log(Level::Info, line);
}

/// A line of level `warn`.
pub fn warn(line: &str) {
    log(Level::Warn, line);
}

/// A line of level `error`.
pub fn error(line: &str) {
    log(Level::Error, line);
}
