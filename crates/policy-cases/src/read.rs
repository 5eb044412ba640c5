//! From a file's text to cases with nothing left out.

use std::collections::BTreeMap;
use std::ops::Range;

use message::{E164, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use crate::case::{Act, Case, Inbound, Kept, Receipt, State, Step};
use crate::form::{self, Instant};
use crate::{CaseError, Expect, Noted};

/// Most bytes of a file of cases.
pub const MOST_BYTES: usize = 256 << 10;
/// Most cases of a file.
pub const MOST_CASES: usize = 256;
/// Most steps of all the cases of a file.
pub const MOST_STEPS: usize = 1_024;

/// Noon of 2026-01-05, a Monday, in UTC.
const NOON: Timestamp = Timestamp(1_767_614_400_000);
const DAY_S: f64 = 86_400.0;
/// The doors that messages come through; the contract's words.
const DOORS: [&str; 3] = ["messages", "mms-send", "plivo"];

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
    expect: Option<Expect>,
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
    at_s: f64,
    times: Option<usize>,
    settings: Option<Value>,
    app: Option<String>,
    door: Option<String>,
    message: Map<String, Value>,
    facts: Map<String, Value>,
    dry_run: bool,
    sent: Option<bool>,
    expect: Option<Expect>,
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
        true => Err(CaseError::new(1, "", "there is no case; write [[case]]")),
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
    let read = lines.map(|(nth, line)| match serde_json::from_str(line) {
        Ok(case) => Ok((nth + 1, case)),
        Err(err) => Err(CaseError::new(nth + 1, "", err.to_string())),
    });
    read.collect()
}

impl RawCase {
    fn filled(self, line: usize, default: &Layer) -> Result<Case, String> {
        let over = Layer {
            settings: self.settings.or_else(|| default.settings.clone()),
            grants: self.grants.or_else(|| default.grants.clone()),
            now: self.now.or(default.now),
            app: self.app.or_else(|| default.app.clone()),
            door: self.door.or_else(|| default.door.clone()),
            message: self.message,
            facts: self.facts,
        };
        let now = over.now.map_or(NOON, |instant| instant.0);
        let steps = match (self.expect, &self.problems, self.steps.is_empty()) {
            (Some(expect), None, true) => {
                vec![RawStep { expect: Some(expect), ..RawStep::default() }]
            }
            (None, Some(_), true) => Vec::new(),
            (None, None, false) => self.steps,
            _ => return Err("needs one of `expect`, `steps` and `problems`, and only one".into()),
        };
        let (mut filled, mut earlier): (Vec<Step>, f64) = (Vec::new(), 0.0);
        for (nth, step) in steps.iter().enumerate() {
            let place = |detail: String| format!("step {}: {detail}", nth + 1);
            if step.at_s < earlier || !step.at_s.is_finite() {
                return Err(place("`at_s` is before the step before, or no time at all".into()));
            }
            earlier = step.at_s;
            for _ in 0..step.times.unwrap_or(1) {
                if filled.len() >= MOST_STEPS {
                    return Err(format!("has more than {MOST_STEPS} steps"));
                }
                let next = step.filled(nth + 1, now, &filled, &over, default);
                filled.push(next.map_err(place)?);
            }
        }
        Ok(Case {
            name: self.name,
            line,
            settings: over.settings.unwrap_or_else(|| Value::Object(Map::new())),
            grants: over.grants,
            state: self.state.into_iter().map(RawState::read).collect::<Result<_, _>>()?,
            now,
            problems: self.problems,
            steps: filled,
        })
    }
}

impl RawStep {
    fn filled(
        &self,
        number: usize,
        from: Timestamp,
        before: &[Step],
        case: &Layer,
        default: &Layer,
    ) -> Result<Step, String> {
        let app = self.app.as_deref().or(case.app.as_deref()).unwrap_or("app").to_owned();
        let door = self.door.as_deref().or(case.door.as_deref()).unwrap_or("messages");
        let known = DOORS.into_iter().find(|known| *known == door);
        let door =
            known.ok_or_else(|| format!("door: there is no `{door}`; {}", DOORS.join(", ")))?;
        let asked = before.iter().rev().filter_map(|step| match &step.act {
            Act::Ask { message, .. } => Some(&**message),
            _ => None,
        });
        let of = || {
            let mut asked =
                asked.filter(|message| self.id.as_ref().is_none_or(|id| *id == *message.id.0));
            asked.next().ok_or("there is no message that the policy could be told of")
        };
        let act = match (&self.expect, &self.outcome, &self.report, &self.receipt, &self.inbound) {
            (Some(expect), None, None, None, None) => {
                let layers = [&default.message, &case.message, &self.message];
                let message = form::message(&format!("m{}", before.len() + 1), &layers)?;
                let layers = [&default.facts, &case.facts, &self.facts];
                let facts = form::facts(&message, &layers)?;
                Act::Ask {
                    message: message.into(),
                    facts: facts.into(),
                    dry_run: self.dry_run,
                    sent: self.sent.unwrap_or(true),
                    expect: expect.clone().into(),
                }
            }
            (None, Some(outcome), None, None, None) => {
                Act::Outcome { id: of()?.id.0.to_string(), outcome: outcome.clone() }
            }
            (None, None, Some(report), None, None) => Act::Report {
                id: of()?.id.0.to_string(),
                state: report.state.clone(),
                error_code: report.error_code.clone(),
            },
            (None, None, None, Some(receipt), None) => Act::Receipt(Box::new(Receipt {
                message: of()?.clone(),
                state: receipt.state.clone(),
                error_code: receipt.error_code.clone(),
                units: receipt.units,
                total_rate: receipt.total_rate.clone(),
            })),
            (None, None, None, None, Some(inbound)) => Act::Inbound(Box::new(Inbound {
                id: format!("in{}", before.len() + 1),
                sender: E164::parse(&inbound.from, "")
                    .map_err(|fault| format!("inbound.from: {}", fault.detail))?,
                to: inbound.to.clone(),
                text: inbound.text.clone(),
                expect: Noted { notes: inbound.notes.clone(), warnings: inbound.warnings.clone() },
            })),
            _ => {
                return Err("needs one of `expect`, `outcome`, `report`, `receipt` and `inbound`, and only \
                            one"
                    .into());
            }
        };
        let now = Timestamp(from.0.saturating_add(ms(self.at_s)));
        Ok(Step { number, now, app, door, settings: self.settings.clone(), act })
    }
}

impl RawState {
    fn read(self) -> Result<State, String> {
        let kept = match (self.value, self.sum, self.held_by) {
            (Some(value), None, None) => Kept::Value(value.into_bytes()),
            (None, Some(sum), None) => Kept::Sum(sum),
            (None, None, Some(by)) => Kept::HeldBy(by),
            _ => {
                let key = self.key;
                return Err(format!("state `{key}` needs one of `value`, `sum` and `held_by`"));
            }
        };
        Ok(State { key: self.key, kept, ttl_ms: ms(self.ttl_s) })
    }
}

fn a_day() -> f64 {
    DAY_S
}

/// Whole milliseconds; a conversion of a float saturates.
fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests;
