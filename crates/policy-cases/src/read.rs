//! A file of cases as it is written.

pub(crate) mod expect;
mod fill;
mod twice;

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use self::expect::RawExpect;
use crate::CaseError;
use crate::case::Case;
use crate::form::Instant;

/// Most bytes of a file of cases.
pub const MOST_BYTES: usize = 256 << 10;
/// Most cases of a file.
pub const MOST_CASES: usize = 256;
/// Most steps of all the cases of a file.
pub const MOST_STEPS: usize = 1_024;

const DAY_S: f64 = 86_400.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    default: Layer,
    #[serde(default, rename = "case")]
    cases: Vec<Spanned<RawCase>>,
}

/// What holds where a case says nothing else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layer {
    settings: Option<Value>,
    grants: Option<Vec<String>>,
    now: Option<Instant>,
    app: Option<String>,
    door: Option<String>,
    message: Map<String, Value>,
    facts: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    settings: Option<Value>,
    grants: Option<Vec<String>>,
    now: Option<Instant>,
    app: Option<String>,
    door: Option<String>,
    #[serde(default)]
    message: Map<String, Value>,
    #[serde(default)]
    facts: Map<String, Value>,
    #[serde(default)]
    state: Vec<RawState>,
    expect: Option<RawExpect>,
    problems: Option<Vec<String>>,
    #[serde(default)]
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState {
    key: String,
    value: Option<String>,
    sum: Option<i64>,
    held_by: Option<String>,
    #[serde(default = "a_day")]
    ttl_s: f64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawStep {
    at_s: Option<f64>,
    times: Option<usize>,
    settings: Option<Value>,
    app: Option<String>,
    door: Option<String>,
    message: Map<String, Value>,
    facts: Map<String, Value>,
    dry_run: bool,
    sent: Option<bool>,
    expect: Option<RawExpect>,
    id: Option<String>,
    outcome: Option<String>,
    report: Option<RawReport>,
    receipt: Option<RawReceipt>,
    inbound: Option<RawInbound>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReceipt {
    state: String,
    #[serde(default)]
    error_code: String,
    units: Option<u32>,
    #[serde(default)]
    total_rate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInbound {
    from: String,
    #[serde(default)]
    to: String,
    text: String,
    notes: Option<BTreeMap<String, String>>,
    warnings: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReport {
    state: String,
    #[serde(default)]
    error_code: String,
}

/// Reads `text`, as TOML or, where it begins with a brace, as JSON Lines.
///
/// # Errors
///
/// The first thing that is wrong, with its line and case. Beyond [`MOST_BYTES`], [`MOST_CASES`] or [`MOST_STEPS`] all
/// of it is.
pub fn parse(text: &str) -> Result<Vec<Case>, CaseError> {
    if text.len() > MOST_BYTES {
        let detail = format!("the cases have {} bytes; at most {MOST_BYTES} are taken", text.len());
        return Err(CaseError::new(1, "", detail));
    }
    // Some editors write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (default, raw) = match text.trim_start().starts_with('{') {
        true => (Layer::default(), json_lines(text)?),
        false => toml(text)?,
    };
    if raw.len() > MOST_CASES {
        let detail = format!("there are {} cases; at most {MOST_CASES} are taken", raw.len());
        return Err(CaseError::new(1, "", detail));
    }
    let mut cases: Vec<Case> = Vec::with_capacity(raw.len());
    for (line, raw) in raw {
        let name = raw.name.clone();
        let fault = |detail: String| CaseError::new(line, &name, detail);
        if let Some(other) = cases.iter().find(|other| other.name == name) {
            return Err(fault(format!("the case on line {} has this name too", other.line)));
        }
        cases.push(raw.filled(line, &default).map_err(fault)?);
        if cases.iter().map(|case| case.steps.len()).sum::<usize>() > MOST_STEPS {
            return Err(fault(format!("the cases to here have more than {MOST_STEPS} steps")));
        }
    }
    match cases.is_empty() {
        true => {
            let detail = "there is no case; write [[case]], or in JSON Lines an object a line: \
                          {\"name\": …, \"expect\": …}";
            Err(CaseError::new(1, "", detail))
        }
        false => Ok(cases),
    }
}

fn toml(text: &str) -> Result<(Layer, Vec<(usize, RawCase)>), CaseError> {
    let line = |at: Range<usize>| text[..at.start.min(text.len())].matches('\n').count() + 1;
    let file: File = toml::from_str(text).map_err(|err| {
        CaseError::new(err.span().map_or(1, line), "", err.message().trim().replace('\n', "; "))
    })?;
    let cases = file.cases.into_iter().map(|case| (line(case.span()), case.into_inner()));
    Ok((file.default, cases.collect()))
}

fn json_lines(text: &str) -> Result<Vec<(usize, RawCase)>, CaseError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = lines.map(|(nth, line)| match serde_json::from_str::<RawCase>(line) {
        Ok(case) => match twice::twice(line) {
            None => Ok((nth + 1, case)),
            Some(member) => {
                let detail = format!("`{member}` stands there twice; give it once");
                Err(CaseError::new(nth + 1, &case.name, detail))
            }
        },
        Err(err) => {
            // The line is told already, and is not the first of its file.
            let detail = err.to_string().replace(" at line 1 column ", " at column ");
            Err(CaseError::new(nth + 1, "", detail))
        }
    });
    read.collect()
}

fn a_day() -> f64 {
    DAY_S
}

#[cfg(test)]
mod tests;
