//! Secrets: where they come from, and how they are compared.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use toml::de::DeValue;

use super::Stage;
use super::cursor::{Item, Section};
use super::reading::{Reading, Spot, read_bounded};

/// Longest secret, in bytes, and the most that is read of a secret's file.
const MOST_BYTES: u64 = 4_096;

/// A token or an identifier that is not to be seen. `Debug` and `Display` show only where it came from.
#[derive(Clone)]
pub struct Secret {
    value: Box<str>,
    source: SecretSource,
}

/// Where a secret came from.
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
        let (reading, spot) = (item.reading, &item.spot);
        match item.value {
            DeValue::String(literal) => {
                reading.literal(spot);
                Self::checked(reading, spot, literal, SecretSource::Literal)
            }
            DeValue::Table(_) => {
                let mut table = item.section();
                let (env, file) = (table.get("env"), table.get("file"));
                table.finish();
                match (env, file) {
                    (Some(name), None) => Self::from_environment(reading, &name.spot, name.text()?),
                    (None, Some(path)) => Self::from_file(reading, &path.spot, path.text()?),
                    _ => {
                        item.fault("must have either `env` or `file`");
                        None
                    }
                }
            }
            _ => item.wrong_type(r#""literal", { env = "NAME" } or { file = "PATH" }"#),
        }
    }

    /// Reads `key` of `section`; where the file leaves it out, `variable` of the environment.
    pub(super) fn read_or(
        section: &mut Section<'_>,
        key: &'static str,
        variable: &str,
    ) -> Option<Self> {
        match section.get(key) {
            Some(item) => Self::read(&item),
            None => Self::from_environment(section.reading(), &section.spot_of(key), variable),
        }
    }

    /// The variable `name`; where it is not set, the file that `name`_FILE names.
    fn from_environment(reading: &Reading<'_>, spot: &Spot, name: &str) -> Option<Self> {
        let by_file = format!("{name}_FILE");
        match (reading.environment().get(name), reading.environment().get(&by_file)) {
            (Some(value), None) => {
                Self::checked(reading, spot, value, SecretSource::Environment(name.into()))
            }
            (None, Some(path)) => Self::from_file(reading, spot, path),
            (Some(_), Some(_)) => {
                reading.fault(
                    spot,
                    format!("{} and {} are both set; unset one", shown(name), shown(&by_file)),
                );
                None
            }
            (None, None) => {
                let (name, by_file) = (shown(name), shown(&by_file));
                let production = reading.environment().stage() == Some(Stage::Production);
                let unread = if production { " (.env is not read in production)" } else { "" };
                let detail = format!(
                    "the environment has no {name}{unread}; set it (or {by_file} to a path), or write the key as \
                     {{ file = \"PATH\" }}"
                );
                reading.fault(spot, detail);
                None
            }
        }
    }

    fn from_file(reading: &Reading<'_>, spot: &Spot, written: &str) -> Option<Self> {
        let path = reading.watched(written);
        let bytes = read_bounded(&path, MOST_BYTES)
            .map_err(|err| {
                reading.fault(spot, format!("cannot read {}: {err}", shown_path(written, &path)));
            })
            .ok()?;
        // What is not UTF-8 is not visible ASCII either, so the check below refuses it.
        let text = String::from_utf8_lossy(&bytes);
        let value = text.trim_end_matches(['\r', '\n']);
        Self::checked(reading, spot, value, SecretSource::File(path))
    }

    /// Bounds what a secret may hold, so that it can stand in an HTTP header.
    fn checked(
        reading: &Reading<'_>,
        spot: &Spot,
        value: &str,
        source: SecretSource,
    ) -> Option<Self> {
        let wrong = match value {
            "" => "is empty; put the value there",
            _ if value.len() as u64 > MOST_BYTES => "is too long; 4096 bytes are the most",
            _ if !value.bytes().all(|b| b.is_ascii_graphic()) => {
                "holds a space, a line break or another character outside visible ASCII; take it out"
            }
            _ => {
                let key = spot.key.strip_suffix(".env").or(spot.key.strip_suffix(".file"));
                let key = key.unwrap_or(&spot.key);
                reading.effective.borrow_mut().secret(key, &source);
                reading.secret(&source);
                return Some(Self { value: value.into(), source });
            }
        };
        reading.fault(spot, format!("{source}: {wrong}"));
        None
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

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal => f.write_str("the literal"),
            Self::Environment(name) => write!(f, "the variable {}", shown(name)),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A path as it is meant, unless it was written like a secret that stands there by mistake.
fn shown_path(written: &str, path: &Path) -> String {
    if written.contains(['/', '.']) {
        path.display().to_string()
    } else {
        "the file it names".into()
    }
}

/// A variable's name, unless it looks like a secret that was written there by mistake.
fn shown(name: &str) -> &str {
    let usual = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if name.bytes().all(usual) { name } else { "(a name that is not all capitals)" }
}

#[cfg(test)]
mod tests;
