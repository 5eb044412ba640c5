//! Secrets: where they come from, and how they are compared.

mod sourced;

use std::fmt;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::cursor::{Item, Section};

pub(super) use self::sourced::Sourced;

/// A token or an identifier that is not to be seen. `Debug` and `Display` show only where it came from.
#[derive(Clone)]
pub struct Secret {
    value: Box<str>,
    source: SecretSource,
}

/// Where a secret, or another value that may stand elsewhere, came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// It is written in the configuration file.
    Literal,
    /// An environment variable, by its name.
    Environment(String),
    /// A file, re-read when it changes.
    File(PathBuf),
}

impl Secret {
    /// Fewer bytes than these are few for a key: 192 bits, the least that Standard Webhooks asks for.
    pub(super) const SHORT_BYTES: usize = 24;

    /// The secret itself, to be put on the wire. Visible ASCII, never empty.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Where it came from.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }

    /// Whether `offered` is this secret, in a time that tells neither where they differ nor how long it is.
    pub fn matches(&self, offered: &[u8]) -> bool {
        let digest = |bytes: &[u8]| Sha256::digest(bytes);
        digest(self.value.as_bytes()).as_slice().ct_eq(digest(offered).as_slice()).into()
    }

    /// Whether it is short for a key.
    pub(super) fn is_short(&self) -> bool {
        self.value.len() < Self::SHORT_BYTES
    }

    /// Reads `"literal"`, `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        Sourced::read(item).map(|found| found.into_secret(item.reading, &item.spot))
    }

    /// Reads `key` of `section`; where the file leaves it out, `variable` of the environment.
    pub(super) fn read_or(
        section: &mut Section<'_>,
        key: &'static str,
        variable: &str,
    ) -> Option<Self> {
        let found = Sourced::read_or(section, key, variable)?;
        Some(found.into_secret(section.reading(), &section.spot_of(key)))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.matches(other.value.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.source)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret, {})", self.source)
    }
}

impl SecretSource {
    /// What is told of a value from there, in words that go on from what it is: a literal stands where its key does, and anything else is named.
    pub(super) fn said(&self, detail: &str) -> String {
        if *self == Self::Literal { detail.to_owned() } else { format!("{self} {detail}") }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal => f.write_str("the literal"),
            Self::Environment(name) => write!(f, "the variable {}", shown(name)),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A variable's name, unless it looks like a secret that was written there by mistake.
fn shown(name: &str) -> &str {
    let usual = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if name.bytes().all(usual) { name } else { "(a name that is not all capitals)" }
}

#[cfg(test)]
mod tests;
