//! What came into force, and what was refused, with the reasons.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use policy_host::{Generation, Policy, PolicyChain};
use serde_json::{Value, json};

use crate::reasons;

/// Most changes that are remembered.
const CHANGES: usize = 32;
/// Most reasons of one change that are remembered, and most characters of each.
const REASONS: usize = 16;
const CHARS: usize = 400;

/// The latest changes, for people. Forgotten with the process.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Change>>);

/// How a generation came into force, or that one did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The first.
    Started,
    Reloaded,
    Refused,
    RolledBack,
    Promoted,
}

#[derive(Debug)]
struct Change {
    at: jiff::Timestamp,
    how: How,
    /// In force from then on; where it was refused, still.
    generation: Generation,
    /// With numbers masked, since whoever may ask is shown them.
    reasons: Vec<String>,
    /// Refused for the same reasons so many times in a row.
    times: u64,
}

impl History {
    /// Remembers a change. The same refusal again is counted.
    pub(crate) fn note(&self, how: How, generation: Generation, reasons: &[String]) {
        let reasons = bounded(reasons);
        let mut changes = self.changes();
        if let Some(last) = changes.back_mut()
            && how == How::Refused
            && (last.how, &last.reasons) == (how, &reasons)
        {
            last.times += 1;
            return;
        }
        if changes.len() == CHANGES {
            changes.pop_front();
        }
        changes.push_back(Change {
            at: jiff::Timestamp::now(),
            how,
            generation,
            reasons,
            times: 1,
        });
    }

    /// The latest first.
    pub(crate) fn shown(&self) -> Value {
        self.changes().iter().rev().map(Change::shown).collect()
    }

    fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        // Nothing under this lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl How {
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Reloaded => "reloaded",
            Self::Refused => "refused",
            Self::RolledBack => "rolled_back",
            Self::Promoted => "promoted",
        }
    }
}

impl Change {
    fn shown(&self) -> Value {
        json!({
            "at": format!("{:.3}", self.at),
            "change": self.how.as_str(),
            "generation": self.generation.0,
            "reasons": self.reasons,
            "times": self.times,
        })
    }
}

/// What is otherwise in `next` than in `last`, a line for each policy.
pub(crate) fn differences(last: &PolicyChain, next: &PolicyChain) -> Vec<String> {
    let named = |chain: &PolicyChain, name: &str| {
        chain.policies().iter().position(|policy| policy.name().as_str() == name)
    };
    let gone = last.policies().iter().filter(|old| named(next, old.name().as_str()).is_none());
    let mut lines: Vec<String> = gone.map(|old| format!("{}: removed", old.name())).collect();
    for new in next.policies() {
        let old = named(last, new.name().as_str()).and_then(|at| last.policies().get(at));
        let what = match old {
            None => Some(format!("added, {}", version(new))),
            Some(old) if old.digest() != new.digest() => {
                let ruled = if new.is_ruled_like(old) { "" } else { "; other settings or rules" };
                Some(format!("another module: {} after {}{ruled}", version(new), version(old)))
            }
            Some(old) if !new.decides_like(old) => Some("other settings or rules".to_owned()),
            Some(_) => None,
        };
        lines.extend(what.map(|what| format!("{}: {what}", new.name())));
    }
    if lines.is_empty() {
        let moved = !next.decides_like(last);
        let line = if moved { "policies in another order" } else { "no policy is otherwise" };
        lines.push(line.to_owned());
    }
    lines
}

fn version(policy: &Policy) -> String {
    let digest: String = policy.digest().to_string().chars().take(15).collect();
    format!("{} ({digest})", policy.manifest().version)
}

fn bounded(reasons: &[String]) -> Vec<String> {
    let cut = |reason: String| match reason.char_indices().nth(CHARS) {
        Some((at, _)) => format!("{}…", &reason[..at]),
        None => reason,
    };
    // Before they are cut: of half a number it cannot be told that it is one.
    let masked = reasons.iter().take(REASONS).map(|reason| reasons::masked(reason));
    let mut kept: Vec<String> = masked.map(cut).collect();
    if reasons.len() > REASONS {
        kept.push(format!("and {} more; the log has all", reasons.len() - REASONS));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|nth| format!("line {nth}")).collect()
    }

    #[test]
    fn the_latest_are_kept_and_a_refusal_that_goes_on_is_counted() {
        let history = History::default();
        for nth in 0..CHANGES as u64 {
            history.note(How::Reloaded, Generation(nth), &[]);
        }
        for _ in 0..3 {
            history.note(How::Refused, Generation(9), &lines(1));
        }
        let shown = history.shown();
        let shown = shown.as_array().unwrap();
        assert_eq!(shown.len(), CHANGES);
        assert_eq!((&shown[0]["change"], &shown[0]["times"]), (&json!("refused"), &json!(3)));
        assert_eq!(shown[CHANGES - 1]["generation"], 1);
        history.note(How::Refused, Generation(9), &lines(2));
        assert_eq!(history.shown()[0]["times"], 1, "for other reasons");
    }

    #[test]
    fn reasons_are_bounded_in_number_and_length() {
        let long = "é".repeat(CHARS + 1);
        let kept = bounded(&[vec![long], lines(REASONS)].concat());
        assert_eq!(kept.len(), REASONS + 1);
        assert_eq!(kept[0].chars().count(), CHARS + 1);
        assert_eq!(kept[REASONS], "and 1 more; the log has all");
    }

    #[test]
    fn a_number_in_a_reason_is_masked_also_where_it_is_cut() {
        let history = History::default();
        let before = "x".repeat(CHARS - 6);
        let reasons = [
            "settings.+14155550188: 3",
            "settings.14155550188: 3",
            &format!("{before} +14155550123"),
        ];
        history.note(How::Refused, Generation(1), &reasons.map(str::to_owned));

        let reasons = history.shown()[0]["reasons"].clone();

        assert_eq!(
            reasons,
            json!(["settings.+1415•••0188: 3", "settings.141•: 3", format!("{before} +1415…")])
        );
    }
}
