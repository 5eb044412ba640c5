#[cfg(feature = "facts")]
mod host;
#[cfg(feature = "facts")]
mod parse;

use std::fmt;

#[cfg(feature = "facts")]
pub use host::is_public;

/// An attachment's URL, normalised: host in ASCII, no fragment, no root dot.
///
/// `Debug` shows no query: signed URLs carry their key there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MediaUrl(Box<str>);

impl MediaUrl {
    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split('?').next().unwrap_or_default())
    }
}
