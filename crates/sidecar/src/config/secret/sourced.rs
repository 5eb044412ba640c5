//! Values that may stand in the file itself, in a variable or in a file of their own, as secrets do.

use std::path::Path;

use toml::de::DeValue;

use super::{Secret, SecretSource, shown};
use crate::config::Stage;
use crate::config::cursor::{Item, Section};
use crate::config::reading::{Reading, Spot, read_bounded};

/// Longest value, in bytes, and the most that is read of its file.
const MOST_BYTES: u64 = 4_096;

/// A value and where it came from. Visible ASCII, never empty; not yet known to be a secret or none.
pub(in crate::config) struct Sourced {
    pub(in crate::config) value: Box<str>,
    pub(in crate::config) source: SecretSource,
}

impl Sourced {
    /// It is a secret, whose place is `spot`: it is shown nowhere.
    pub(super) fn into_secret(self, reading: &Reading<'_>, spot: &Spot) -> Secret {
        let Self { value, source } = self;
        if source == SecretSource::Literal {
            reading.literal(spot);
        }
        reading.effective.borrow_mut().secret(&spot.key, &source);
        reading.secret(&source);
        Secret { value, source }
    }

    /// It is no secret, whose place is `spot`: people may see it.
    pub(in crate::config) fn show(&self, reading: &Reading<'_>, spot: &Spot) {
        reading.effective.borrow_mut().sourced(&spot.key, &self.value, &self.source);
    }

    /// Reads `"literal"`, `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub(in crate::config) fn read(item: &Item<'_>) -> Option<Self> {
        let (reading, spot) = (item.reading, &item.spot);
        match item.value {
            DeValue::String(literal) => {
                Self::checked(reading, spot, literal, SecretSource::Literal)
            }
            DeValue::Table(_) => {
                let mut table = item.section();
                let (env, file) = (table.get("env"), table.get("file"));
                table.finish();
                match (env, file) {
                    (Some(name), None) => Self::from_environment(reading, &name.spot, name.text()?),
                    (None, Some(path)) => Self::from_file(reading, &path.spot, path.text()?, None),
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
    pub(in crate::config) fn read_or(
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
        if name.is_empty()
            || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
        {
            reading.fault(spot, "is no variable's name; use letters, digits and underscores");
            return None;
        }
        let by_file = format!("{name}_FILE");
        match (reading.environment().get(name), reading.environment().get(&by_file)) {
            (Some(value), None) => {
                Self::checked(reading, spot, value, SecretSource::Environment(name.into()))
            }
            (None, Some(path)) => Self::from_file(reading, spot, path, Some(&by_file)),
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

    /// Reads the file that is `written`, in the configuration or in a variable.
    fn from_file(
        reading: &Reading<'_>,
        spot: &Spot,
        written: &str,
        variable: Option<&str>,
    ) -> Option<Self> {
        let path = reading.watched(written);
        let by = variable.map(|name| format!("the variable {}: ", shown(name))).unwrap_or_default();
        let bytes = read_bounded(&path, MOST_BYTES)
            .map_err(|err| {
                let file = shown_path(written, &path);
                reading.fault(spot, format!("{by}cannot read {file}: {err}"));
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
            _ => return Some(Self { value: value.into(), source }),
        };
        reading.fault(spot, source.said(wrong));
        None
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
