//! From what a case says, and what holds where it says nothing, to a case with nothing left out.

use std::collections::HashSet;

use message::{E164, Timestamp};
use serde_json::{Map, Value};

use super::{Layer, MOST_STEPS, RawCase, RawState, RawStep};
use crate::case::{Act, Case, Inbound, Kept, Receipt, State, Step};
use crate::form::door::is_app;
use crate::{Noted, form};

/// Noon of 2026-01-05, a Monday, in UTC.
pub(super) const NOON: Timestamp = Timestamp(1_767_614_400_000);
/// Latest instant of a step after the case's own, in seconds: a thousand years of 365 days.
const MOST_S: f64 = 365_000.0 * 86_400.0;
/// The contract's words for what became of a message.
const OUTCOMES: [&str; 4] = ["accepted", "rejected", "not-sent", "in-doubt"];
/// The doors that messages come through; the contract's words.
const DOORS: [&str; 6] = ["messages", "mms-send", "plivo", "inbound", "callback", "operator"];

impl RawCase {
    /// The case with nothing left out.
    pub(super) fn filled(self, line: usize, default: &Layer) -> Result<Case, String> {
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
            (None, Some(none), true) if none.is_empty() => {
                return Err(
                    "`problems` names none, and settings that fit are no case; leave it out".into(),
                );
            }
            (None, Some(_), true) => Vec::new(),
            (None, None, false) => self.steps,
            _ => return Err("needs one of `expect`, `steps` and `problems`, and only one".into()),
        };
        let (mut filled, mut earlier): (Vec<Step>, f64) = (Vec::new(), 0.0);
        for (nth, step) in steps.iter().enumerate() {
            let place = |detail: String| format!("step {}: {detail}", nth + 1);
            let at_s = step.at_s.unwrap_or(earlier);
            if at_s < earlier || !at_s.is_finite() {
                return Err(place("`at_s` is before the step before, or no time at all".into()));
            }
            if at_s > MOST_S {
                return Err(place("`at_s` is more than a thousand years".into()));
            }
            earlier = at_s;
            if step.times == Some(0) {
                return Err(place(
                    "`times` is 0, and what is never asked holds; leave it out".into(),
                ));
            }
            for _ in 0..step.times.unwrap_or(1) {
                if filled.len() >= MOST_STEPS {
                    return Err(format!("has more than {MOST_STEPS} steps"));
                }
                let at = Timestamp(now.0.saturating_add(ms(at_s)));
                let next = step.filled(nth + 1, at, &filled, &over, default);
                filled.push(next.map_err(place)?);
            }
        }
        Ok(Case {
            name: self.name,
            line,
            settings: over.settings.unwrap_or_else(|| Value::Object(Map::new())),
            grants: over.grants,
            state: state(self.state)?,
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
        now: Timestamp,
        before: &[Step],
        case: &Layer,
        default: &Layer,
    ) -> Result<Step, String> {
        let app = self.app.as_deref().or(case.app.as_deref()).unwrap_or("app").to_owned();
        // What a handset says may be told by no app, but by Plivo or an operator.
        let is_nobody = app.is_empty() && self.inbound.is_some();
        if !is_nobody && !is_app(&app) {
            let detail = "use 1 to 64 letters, digits, dots, underscores and hyphens";
            return Err(format!("app: {app:?} is no app's name; {detail}"));
        }
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
                    expect: expect.clone().read()?.into(),
                }
            }
            (None, Some(outcome), None, None, None) => {
                if !OUTCOMES.contains(&&**outcome) {
                    return Err(format!("`outcome` is none of {}", OUTCOMES.join(", ")));
                }
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
            (Some(_), None, None, None, Some(_)) => {
                return Err("what a handset says has no verdict; leave `expect` out, and write the remarks that \
                            the policy should make as `notes` and `warnings` in `inbound`"
                    .into());
            }
            (Some(_), ..) => {
                return Err("tells the policy what became of a message, and asks nothing; leave `expect` out, or \
                            make it a step of its own"
                    .into());
            }
            _ => {
                return Err("needs one of `expect`, `outcome`, `report`, `receipt` and `inbound`, and only \
                            one"
                    .into());
            }
        };
        if let Some(stray) = self.stray(&act) {
            return Err(format!("`{stray}` means nothing in a step of this kind; leave it out"));
        }
        Ok(Step { number, now, app, door, settings: self.settings.clone(), act })
    }

    /// A member that says nothing in a step that does this.
    fn stray(&self, act: &Act) -> Option<&'static str> {
        let asks = matches!(act, Act::Ask { .. });
        let tells_of_a_message = !asks && !matches!(act, Act::Inbound(_));
        let strays = [
            ("message", !asks && !self.message.is_empty()),
            ("facts", !asks && !self.facts.is_empty()),
            ("dry_run", !asks && self.dry_run),
            ("sent", !asks && self.sent.is_some()),
            ("id", !tells_of_a_message && self.id.is_some()),
        ];
        strays.into_iter().find(|(_, strays)| *strays).map(|(name, _)| name)
    }
}

/// All entries, each under a key of its own: of two, one would count for nothing.
fn state(raw: Vec<RawState>) -> Result<Vec<State>, String> {
    let entries: Vec<State> = raw.into_iter().map(RawState::read).collect::<Result<_, _>>()?;
    let mut keys = HashSet::new();
    match entries.iter().find(|entry| !keys.insert(&entry.key)) {
        Some(twice) => Err(format!("state `{}` stands there twice; give it once", twice.key)),
        None => Ok(entries),
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

/// Whole milliseconds; a conversion of a float saturates.
fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}
