//! What a policy should say, held against what it said.

use std::collections::BTreeMap;
use std::fmt;

use message::{Fault, Note};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::form;
use crate::{Said, Verdict};

/// What a policy should say. What is absent may be anything.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The verdict.
    pub verdict: Verdict,
    /// A refusal's code, or a failure's kind.
    pub code: Option<String>,
    /// The sentence with it.
    pub detail: Option<String>,
    /// When asking again can help.
    pub retry_after_ms: Option<u64>,
    /// The earlier message that this one repeats.
    pub earlier: Option<String>,
    /// Every fault, in order.
    pub faults: Option<Vec<ExpectedFault>>,
    /// The codes of the changes, in order.
    pub changes: Option<Vec<String>>,
    /// Members of the message as it goes on.
    pub message: Map<String, Value>,
    /// Every remark that the app does not see.
    pub notes: Option<BTreeMap<String, String>>,
    /// Every remark that the app sees.
    pub warnings: Option<BTreeMap<String, String>>,
}

/// The remarks that a policy should make.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// Every one that is not shown.
    pub notes: Option<BTreeMap<String, String>>,
    /// Every one that is.
    pub warnings: Option<BTreeMap<String, String>>,
}

/// One fault that a refusal should name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFault {
    pointer: String,
    code: String,
}

/// One thing that a policy said otherwise than it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which member of `expect`.
    pub what: String,
    /// As it should be.
    pub expected: String,
    /// As it was.
    pub found: String,
}

/// Everything in which `said` differs from `expect`. Where the verdict is another, that and the notes, which any has.
pub fn differences(expect: &Expect, said: &Said) -> Vec<Difference> {
    let mut differing = Differing(Vec::new());
    if expect.verdict != said.verdict {
        differing.push("verdict", expect.verdict.as_str(), whole(said));
        differing.compare_notes(&expect.notes, &expect.warnings, &said.notes);
        return differing.0;
    }
    differing.compare("code", &expect.code, &said.code);
    differing.compare("detail", &expect.detail, &said.detail);
    let text = |ms: Option<u64>| ms.map(|ms| ms.to_string());
    differing.compare("retry_after_ms", &text(expect.retry_after_ms), &text(said.retry_after_ms));
    differing.compare("earlier", &expect.earlier, &said.earlier);
    if let Some(faults) = &expect.faults {
        let wanted = lines(faults.iter().map(|fault| (&fault.pointer, &fault.code)));
        let found = lines(said.faults.iter().map(|Fault { pointer, code, .. }| (pointer, code)));
        differing.compare("faults", &Some(wanted), &Some(found));
    }
    if let Some(changes) = &expect.changes {
        let list = |codes: &[String]| Some(format!("[{}]", codes.join(", ")));
        differing.compare("changes", &list(changes), &list(&said.changes));
    }
    let message = form::shown(&said.message);
    for (member, wanted) in &expect.message {
        let found = message.get(member).unwrap_or(&Value::Null);
        if found != wanted {
            differing.push(format!("message.{member}"), &wanted.to_string(), found.to_string());
        }
    }
    differing.compare_notes(&expect.notes, &expect.warnings, &said.notes);
    differing.0
}

/// Every remark among `found` that should be another.
pub fn note_differences(expect: &Noted, found: &[Note]) -> Vec<Difference> {
    let mut differing = Differing(Vec::new());
    differing.compare_notes(&expect.notes, &expect.warnings, found);
    differing.0
}

struct Differing(Vec<Difference>);

impl Differing {
    fn push(&mut self, what: impl Into<String>, expected: &str, found: String) {
        self.0.push(Difference { what: what.into(), expected: expected.to_owned(), found });
    }

    fn compare(&mut self, what: &str, wanted: &Option<String>, found: &Option<String>) {
        if wanted.is_some() && wanted != found {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
            self.push(what, &text(wanted), text(found));
        }
    }

    fn compare_notes(
        &mut self,
        notes: &Option<BTreeMap<String, String>>,
        warnings: &Option<BTreeMap<String, String>>,
        found: &[Note],
    ) {
        for (what, wanted, shown) in [("notes", notes, false), ("warnings", warnings, true)] {
            let Some(wanted) = wanted else { continue };
            let own = found.iter().filter(|note| note.shown == shown);
            let mut found: Vec<_> = own.map(|note| (&note.key, &note.value)).collect();
            found.sort();
            self.compare(what, &Some(lines(wanted.iter())), &Some(lines(found.into_iter())));
        }
    }
}

fn lines<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let each = pairs.map(|(key, value)| format!("{key:?}: {value}"));
    format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
}

/// A verdict that nobody expected, with what explains it.
fn whole(said: &Said) -> String {
    let word = said.verdict.as_str();
    let parts = [said.code.clone(), said.detail.clone()].into_iter().flatten();
    let mut parts: Vec<String> = parts.collect();
    if said.verdict == Verdict::Amend {
        parts.push(format!("[{}]", said.changes.join(", ")));
    }
    match parts.is_empty() {
        true => word.to_owned(),
        false => format!("{word} ({})", parts.join(": ")),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

#[cfg(test)]
mod tests {
    use message::{Fault, Note};
    use serde_json::{Map, json};

    use super::differences;
    use crate::read::expect::RawExpect;
    use crate::{Said, Verdict, form};

    /// A refusal with everything that one can have.
    fn said() -> Said {
        let note = |key: &str, shown| Note {
            policy: "p".into(),
            key: key.into(),
            value: "v".into(),
            shown,
        };
        Said {
            verdict: Verdict::Reject,
            code: Some("a.b".into()),
            detail: Some("no".into()),
            retry_after_ms: Some(5),
            earlier: Some("m1".into()),
            faults: vec![Fault::new("/text", "a.b", "no")],
            changes: Vec::new(),
            message: form::message("m2", &[&Map::new()]).expect("the default message"),
            notes: vec![note("n", false), note("w", true)],
        }
    }

    fn told(expect: serde_json::Value, said: &Said) -> Vec<String> {
        let expect: RawExpect = serde_json::from_value(expect).expect("an expectation");
        let expect = expect.read().expect("a verdict");
        differences(&expect, said).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_as_it_should_be_or_was_not_asked_for_is_no_difference() {
        assert_eq!(told(json!({ "verdict": "reject" }), &said()), [""; 0]);
        let whole = json!({
            "verdict": "reject", "code": "a.b", "detail": "no", "retry_after_ms": 5, "earlier": "m1",
            "faults": [{ "pointer": "/text", "code": "a.b" }], "changes": [],
            "message": { "id": "m2", "text": "hi", "ttl_s": null }, "notes": { "n": "v" }, "warnings": { "w": "v" },
        });
        assert_eq!(told(whole, &said()), [""; 0]);
    }

    #[test]
    fn every_difference_is_told_with_what_was_expected_and_what_was_found() {
        let other = json!({
            "verdict": "reject", "code": "a.c", "retry_after_ms": 6, "faults": [], "changes": ["x"],
            "message": { "text": "ho" }, "notes": {}, "warnings": { "w": "x" },
        });
        let mut without = said();
        without.retry_after_ms = None;
        assert_eq!(
            told(other, &without),
            [
                "code: expected a.c, found a.b",
                "retry_after_ms: expected 6, found nothing",
                r#"faults: expected {}, found {"/text": a.b}"#,
                "changes: expected [x], found []",
                r#"message.text: expected "ho", found "hi""#,
                r#"notes: expected {}, found {"n": v}"#,
                r#"warnings: expected {"w": x}, found {"w": v}"#,
            ]
        );
    }

    #[test]
    fn another_verdict_is_told_with_its_reason_and_the_notes_that_are_others() {
        let verdict = "verdict: expected accept, found reject (a.b: no)";
        assert_eq!(told(json!({ "verdict": "accept", "code": "x" }), &said()), [verdict]);
        let noted = json!({ "verdict": "accept", "notes": { "n": "x" } });
        assert_eq!(told(noted, &said()), [verdict, r#"notes: expected {"n": x}, found {"n": v}"#]);
    }
}
