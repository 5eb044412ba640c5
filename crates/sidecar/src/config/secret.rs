//! Secrets: where they come from, and how they are compared.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use toml::de::DeValue;

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
                let detail = format!(
                    "the environment has no {name}; set it (or {by_file} to a path), or write the key as \
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
            _ => return Some(Self { value: value.into(), source }),
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
mod tests {
    use super::SecretSource;
    use crate::config::Environment;
    use crate::config::testing::{Folder, account};

    fn with_token(token: &str) -> String {
        format!("[[apps]]\nname = \"a\"\ntoken = {token}\n")
    }

    fn environment<const N: usize>(more: [(&str, &str); N]) -> Environment {
        let names = ["PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN", "PLIVO_SENDER_NUMBER"];
        let account = account();
        let all = names.map(|name| (name, account.get(name).unwrap())).into_iter().chain(more);
        all.collect()
    }

    #[test]
    fn a_secret_comes_from_the_file_itself_a_variable_or_another_file() {
        let folder = Folder::new();
        let file = folder.file("secrets/token", "from-file\r\n");
        let environment = environment([("TOKEN", "from-env"), ("OTHER_FILE", "secrets/token")]);
        for (written, value, source) in [
            ("\"literal\"", "literal", SecretSource::Literal),
            ("{ env = \"TOKEN\" }", "from-env", SecretSource::Environment("TOKEN".into())),
            ("{ env = \"OTHER\" }", "from-file", SecretSource::File(file.clone())),
            ("{ file = \"secrets/token\" }", "from-file", SecretSource::File(file.clone())),
        ] {
            let config = folder.config(&with_token(written), &environment);
            let token = config.reloadable.apps[0].token.as_ref().unwrap();
            assert_eq!((token.expose(), token.source()), (value, &source), "for {written}");
            let watched = config.files().contains(&file);
            assert_eq!(watched, matches!(source, SecretSource::File(_)), "for {written}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_had_is_a_fault_at_its_place() {
        let folder = Folder::new();
        folder.file("empty", "\n");
        folder.file("binary", [0xff, 0x00]);
        folder.file("large.txt", "x".repeat(4_097));
        let environment =
            environment([("BOTH", "a"), ("BOTH_FILE", "b"), ("EMPTY", ""), ("SPACED", "a b")]);
        for (written, wanted) in [
            ("\"\"", "3:9: apps[0].token: the literal: is empty"),
            ("\"a b\"", "3:9: apps[0].token: the literal: holds a space"),
            (
                "{ env = \"GONE\" }",
                "3:17: apps[0].token.env: the environment has no GONE; set it (or GONE_FILE to a path)",
            ),
            (
                "{ env = \"BOTH\" }",
                "3:17: apps[0].token.env: BOTH and BOTH_FILE are both set; unset one",
            ),
            ("{ env = \"EMPTY\" }", "3:17: apps[0].token.env: the variable EMPTY: is empty"),
            ("{ env = \"SPACED\" }", "3:17: apps[0].token.env: the variable SPACED: holds a space"),
            ("{ env = 5 }", "3:17: apps[0].token.env: is an integer"),
            ("{ file = \"./gone\" }", "3:18: apps[0].token.file: cannot read ./gone: No such file"),
            ("{ file = \"empty\" }", "3:18: apps[0].token.file: the file empty: is empty"),
            ("{ file = \"binary\" }", "3:18: apps[0].token.file: the file binary: holds a space"),
            (
                "{ file = \"large.txt\" }",
                "3:18: apps[0].token.file: cannot read large.txt: it is larger than 4096 bytes",
            ),
            (
                "{ file = \"/dev/zero\" }",
                "3:18: apps[0].token.file: cannot read /dev/zero: it is not a regular file",
            ),
            ("{}", "3:9: apps[0].token: must have either `env` or `file`"),
            ("{ env = \"A\", file = \"b\" }", "3:9: apps[0].token: must have either"),
            (
                "{ file = \"empty\", kind = 1 }",
                "3:18: apps[0].token.file: the file empty: is empty",
            ),
            (
                "[\"a\"]",
                "3:9: apps[0].token: is a list; give \"literal\", { env = \"NAME\" } or { file = \"PATH\" }",
            ),
        ] {
            let found = folder.faults(&with_token(written), &environment);
            let fits = !found.is_empty() && found[0].starts_with(&format!("sidecar.toml:{wanted}"));
            assert!(fits, "for {written}: wanted {wanted}, found {found:#?}");
        }
    }

    #[test]
    fn a_secret_matches_itself_and_nothing_else() {
        let config = Folder::new().config(&with_token("\"a-token\""), &account());
        let token = config.reloadable.apps[0].token.as_ref().unwrap();
        assert!(token.matches(b"a-token"));
        for other in ["", "a-toke", "a-token ", "A-TOKEN", "a-token\0"] {
            assert!(!token.matches(other.as_bytes()), "matches {other:?}");
        }
    }

    #[test]
    fn neither_a_secret_nor_what_holds_one_shows_it() {
        let config = Folder::new().config(&with_token("\"hush-hush\""), &account());
        let token = config.reloadable.apps[0].token.as_ref().unwrap();
        let text = format!("{token} {token:?} {config:?}");
        assert!(!text.contains("hush-hush") && !text.contains("0123456789"), "{text}");
        assert!(!text.contains("+14155551212"), "{text}");
    }

    #[test]
    fn a_secret_written_where_a_name_belongs_is_not_shown() {
        for written in ["{ env = \"ZDk4hush\" }", "{ file = \"ZDk4hush\" }"] {
            let found = Folder::new().faults(&with_token(written), &account());
            assert!(found.len() == 1 && !found[0].contains("hush"), "{found:#?}");
        }
    }
}
