//! The environment, read once; and `.env`, which stands in for it in development.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whether this is somebody's desk or the real thing, as `SENDGATE_ENV` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The default. `.env` beside the configuration file is read.
    Development,
    /// `SENDGATE_ENV=production`. `.env` is left alone.
    Production,
}

/// Environment variables, as a map that tests can write.
///
/// `Debug` shows no value: some are secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Those of them that `.env` has set.
    of_dotenv: BTreeSet<String>,
}

/// A line of `.env` that says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DotenvFault {
    /// The byte offset of what is wrong.
    pub(super) offset: usize,
    /// The variable; empty where the line names none. Never the line itself, which may be a secret.
    pub(super) name: String,
    pub(super) detail: &'static str,
}

impl Environment {
    /// The variable that tells the stage.
    pub const STAGE: &'static str = "SENDGATE_ENV";

    /// The process's variables. Names and values that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of `name`, where it is set; it may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Whether it is `.env` that set `name`.
    pub(super) fn is_of_dotenv(&self, name: &str) -> bool {
        self.of_dotenv.contains(name)
    }

    /// The stage, or `None` where `SENDGATE_ENV` is neither `development` nor `production` (nor unset or empty).
    pub fn stage(&self) -> Option<Stage> {
        match self.get(Self::STAGE).unwrap_or_default() {
            "" | "development" => Some(Stage::Development),
            "production" => Some(Stage::Production),
            _ => None,
        }
    }

    /// These variables, and those of `dotenv` that are not among them; with each line of it that is no assignment.
    pub(super) fn with_dotenv(&self, dotenv: &str) -> (Self, Vec<DotenvFault>) {
        let (mut variables, mut faults) = (BTreeMap::new(), Vec::new());
        let mut offset = 0;
        for line in dotenv.split_inclusive('\n') {
            // Some editors begin a file with a byte order mark.
            let said = line.trim_start_matches('\u{feff}').trim_start();
            match assignment(said.trim_end()) {
                Ok(Some((name, value))) => {
                    drop(variables.insert(name.to_owned(), value.to_owned()))
                }
                Ok(None) => {}
                Err(Wrong { name, rest, detail }) => {
                    let offset =
                        offset + line.len() - said.len() + said.trim_end().len() - rest.len();
                    faults.push(DotenvFault { offset, name: name.to_owned(), detail });
                }
            }
            offset += line.len();
        }
        let own = |name: &&String| !self.variables.contains_key(*name);
        let of_dotenv = variables.keys().filter(own).cloned().collect();
        // A name set twice in `.env` has its last value, as in a shell.
        variables.extend(self.variables.clone());
        (Self { variables, of_dotenv }, faults)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), value.into());
        Self { variables: variables.into_iter().map(owned).collect(), ..Self::default() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}

/// Why a line is no assignment.
struct Wrong<'a> {
    /// The variable, where the line has one.
    name: &'a str,
    /// The line from where it is wrong.
    rest: &'a str,
    detail: &'static str,
}

/// Reads `NAME=VALUE`, with `export ` before it or not; `None` for a blank line or a comment.
///
/// A value may stand in single or double quotes and is taken as it is: nothing is expanded. Without quotes, ` #` begins
/// a comment.
fn assignment(line: &str) -> Result<Option<(&str, &str)>, Wrong<'_>> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let wrong = |detail| Wrong { name: "", rest: line, detail };
    let (name, value) = line.split_once('=').ok_or(wrong("is no assignment; write NAME=VALUE"))?;
    let name = name.trim_end();
    let shape = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.starts_with(|c: char| !c.is_ascii_digit());
    if !shape {
        let detail = "has no variable's name before the `=`; use letters, digits and underscores";
        return Err(wrong(detail));
    }
    let value = value.trim_start();
    let value = unquoted(value).map_err(|(rest, detail)| Wrong { name, rest, detail })?;
    Ok(Some((name, value)))
}

fn unquoted(value: &str) -> Result<&str, (&str, &'static str)> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let end = value.find(" #").unwrap_or(value.len());
        return Ok(if value.starts_with('#') { "" } else { value[..end].trim_end() });
    };
    let (inner, rest) =
        value[1..].split_once(quote).ok_or((value, "opens a quote and does not close it"))?;
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(inner)
    } else {
        Err((rest, "goes on after the closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use super::{DotenvFault, Environment, Stage};

    #[test]
    fn dotenv_takes_comments_quotes_and_export() {
        let text = "\u{feff}# a comment\n\nexport A=1\nB = two # note\nC='three # kept'\nD=\"$A\" # note\nE=\nA=4\n";
        let environment = Environment::default().with_dotenv(text).0;
        let wanted = [("A", "4"), ("B", "two"), ("C", "three # kept"), ("D", "$A"), ("E", "")];
        for (name, value) in wanted {
            assert_eq!(environment.get(name), Some(value), "for {name}");
        }
    }

    #[test]
    fn variables_of_the_process_win_over_dotenv() {
        let process = Environment::from_iter([("A", "process")]);
        let environment = process.with_dotenv("A=file\nB=file").0;
        assert_eq!((environment.get("A"), environment.get("B")), (Some("process"), Some("file")));
    }

    #[test]
    fn each_line_that_is_no_assignment_is_reported_and_the_others_hold() {
        let text = "A=1\nnonsense\n1B=2\nC='open\nD=\"x\" y\nE=5\n";
        let (environment, faults) = Environment::default().with_dotenv(text);
        assert_eq!((environment.get("A"), environment.get("E")), (Some("1"), Some("5")));
        let places: Vec<(usize, &str)> = faults
            .iter()
            .map(|DotenvFault { offset, name, .. }| (*offset, name.as_str()))
            .collect();
        assert_eq!(places, [(4, ""), (13, ""), (20, "C"), (32, "D")], "{faults:?}");
    }

    #[test]
    fn the_stage_is_development_unless_production_is_said() {
        let stage = |value: &str| Environment::from_iter([(Environment::STAGE, value)]).stage();
        assert_eq!(Environment::default().stage(), Some(Stage::Development));
        assert_eq!(stage("development"), Some(Stage::Development));
        assert_eq!(stage("production"), Some(Stage::Production));
        assert_eq!(stage("prod"), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let environment = Environment::from_iter([("TOKEN", "hush")]);
        assert!(!format!("{environment:?}").contains("hush"));
    }
}
