//! What a policy answered, held to the contract's bounds.
//!
//! A no stays a no: an app may have a part in how many faults a refusal has and how long they are, and must not get past
//! a policy by that. So what is too much in a refusal is left out, where in any other answer it is a failure.

use std::time::Duration;

use message::{Fault, MessageId, Note, Rejection};

use crate::bindings::types as wit;
use crate::redact::{cut, redacted};
use crate::{PolicyFailure, PolicyName};

/// Most bytes of a code, of a note's key (the contract's number) and of an id.
const CODE_BYTES: usize = 64;
/// Most bytes of a sentence or a note's value; the rest is cut off.
const SENTENCE_BYTES: usize = 1_024;
/// Most bytes of a pointer.
const POINTER_BYTES: usize = 256;
/// Most notes, faults or changes in one answer.
const ENTRIES: usize = 64;
/// Latest time for a retry.
const LONGEST_RETRY: Duration = Duration::from_secs(31 * 86_400);

/// A policy's answer within its bounds. Changes are still to be applied.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: AnswerVerdict,
    pub(crate) notes: Vec<Note>,
}

#[derive(Debug)]
pub(crate) enum AnswerVerdict {
    Accept,
    Amend(Vec<wit::Change>),
    Reject(Rejection),
}

/// Reads what `check` returned.
///
/// # Errors
///
/// [`PolicyFailure::Undecided`] where the policy said so itself, [`PolicyFailure::BadAnswer`] out of bounds.
pub(crate) fn read(
    policy: &PolicyName,
    returned: Result<wit::Decision, wit::PolicyError>,
) -> Result<Answer, PolicyFailure> {
    let mut decision = returned.map_err(undecided)?;
    if matches!(decision.verdict, wit::Verdict::Reject(_)) {
        // A no stays a no, however much is said beside it.
        decision.notes.truncate(ENTRIES);
    }
    let notes = read_notes(policy, decision.notes)?;
    let verdict = match decision.verdict {
        wit::Verdict::Accept => AnswerVerdict::Accept,
        wit::Verdict::Amend(changes) => {
            few("changes", changes.len())?;
            for change in &changes {
                few("edits", change.edits.len())?;
                code("a change's code", &change.code)?;
            }
            AnswerVerdict::Amend(changes)
        }
        wit::Verdict::Reject(no) => AnswerVerdict::Reject(rejection(no)?),
    };
    Ok(Answer { verdict, notes })
}

/// Reads what `on-inbound` returned.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_made(
    policy: &PolicyName,
    returned: Result<Vec<wit::Note>, wit::PolicyError>,
) -> Result<Vec<Note>, PolicyFailure> {
    read_notes(policy, returned.map_err(undecided)?)
}

fn read_notes(policy: &PolicyName, notes: Vec<wit::Note>) -> Result<Vec<Note>, PolicyFailure> {
    few("notes", notes.len())?;
    notes.into_iter().map(|each| note(policy, each)).collect()
}

fn undecided(error: wit::PolicyError) -> PolicyFailure {
    PolicyFailure::Undecided {
        kind: word(&error.kind),
        detail: redacted(&error.detail, SENTENCE_BYTES),
    }
}

/// A sentence for people, cut where it is too long.
pub(crate) fn sentence(text: &str) -> String {
    cut(text, SENTENCE_BYTES).to_owned()
}

fn rejection(no: wit::Rejection) -> Result<Rejection, PolicyFailure> {
    code("the rejection's code", &no.code)?;
    let faults = no.faults.into_iter().take(ENTRIES).map(fault).collect::<Result<_, _>>()?;
    Ok(Rejection {
        code: no.code,
        detail: sentence(&no.detail),
        faults,
        retry_after: no.retry_after_ms.map(|ms| Duration::from_millis(ms).min(LONGEST_RETRY)),
        earlier: no.earlier.filter(|id| id.len() <= CODE_BYTES).map(|id| MessageId(id.into())),
    })
}

fn fault(fault: wit::Fault) -> Result<Fault, PolicyFailure> {
    code("a fault's code", &fault.code)?;
    let pointer = nearest(&fault.pointer).to_owned();
    Ok(Fault { pointer, code: fault.code, detail: sentence(&fault.detail) })
}

/// `pointer`, or that of the nearest value around its own that fits; the whole request's where it is no pointer at all.
fn nearest(mut pointer: &str) -> &str {
    while pointer.len() > POINTER_BYTES || !(pointer.is_empty() || pointer.starts_with('/')) {
        pointer = pointer.rsplit_once('/').map_or("", |(around, _)| around);
    }
    pointer
}

fn note(policy: &PolicyName, note: wit::Note) -> Result<Note, PolicyFailure> {
    code("a note's key", &note.key)?;
    Ok(Note {
        policy: policy.as_str().to_owned(),
        key: note.key,
        value: redacted(&note.value, SENTENCE_BYTES),
        shown: note.shown,
    })
}

fn few(what: &str, count: usize) -> Result<(), PolicyFailure> {
    match count <= ENTRIES {
        true => Ok(()),
        false => Err(bad(&format!("it has {count} {what}; at most {ENTRIES} are taken"))),
    }
}

fn code(what: &str, code: &str) -> Result<(), PolicyFailure> {
    match is_code(code) {
        true => Ok(()),
        false => Err(bad(&format!(
            "{what} is not a word of at most {CODE_BYTES} bytes out of a-z, 0-9, `.`, `_` and `-`, a letter first"
        ))),
    }
}

fn is_code(code: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    code.len() <= CODE_BYTES
        && code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.bytes().all(inner)
}

/// The policy's word where it is one, since it becomes part of records.
fn word(kind: &str) -> String {
    if is_code(kind) { kind.to_owned() } else { "unnamed".to_owned() }
}

fn bad(what: &str) -> PolicyFailure {
    PolicyFailure::BadAnswer(what.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{
        AnswerVerdict, CODE_BYTES, ENTRIES, POINTER_BYTES, Rejection, SENTENCE_BYTES, is_code,
        read, wit,
    };
    use crate::{PolicyFailure, PolicyName};

    fn accept_with(notes: Vec<wit::Note>) -> Result<wit::Decision, wit::PolicyError> {
        Ok(wit::Decision { verdict: wit::Verdict::Accept, notes })
    }

    fn note(key: &str, value: &str) -> wit::Note {
        wit::Note { key: key.to_owned(), value: value.to_owned(), shown: false }
    }

    /// What becomes of a refusal with these faults' pointers.
    fn refused(pointers: &[String]) -> Rejection {
        let fault = |pointer: &String| wit::Fault {
            pointer: pointer.clone(),
            code: "body.unknown_field".to_owned(),
            detail: "x".repeat(SENTENCE_BYTES + 1),
        };
        let no = wit::Rejection {
            code: "body.unknown_field".to_owned(),
            detail: "x".repeat(SENTENCE_BYTES + 1),
            faults: pointers.iter().map(fault).collect(),
            retry_after_ms: None,
            earlier: Some("m".repeat(CODE_BYTES + 1)),
        };
        let notes = (0..=ENTRIES).map(|_| note("k", "v")).collect();
        let decision = wit::Decision { verdict: wit::Verdict::Reject(no), notes };
        let answer = read(&PolicyName::new("p"), Ok(decision)).unwrap();
        assert_eq!(answer.notes.len(), ENTRIES);
        let AnswerVerdict::Reject(rejection) = answer.verdict else { panic!("{answer:?}") };
        rejection
    }

    #[test]
    fn a_refusal_with_too_much_in_it_is_cut_and_stays_a_refusal() {
        let pointers: Vec<String> = (0..=ENTRIES).map(|nth| format!("/f{nth}")).collect();

        let rejection = refused(&pointers);

        assert_eq!(rejection.faults.len(), ENTRIES);
        assert_eq!(rejection.faults[0].pointer, "/f0");
        assert_eq!(rejection.faults[0].detail.len(), SENTENCE_BYTES);
        assert_eq!((rejection.detail.len(), rejection.earlier), (SENTENCE_BYTES, None));
    }

    #[test]
    fn a_pointer_that_is_too_long_or_none_becomes_that_of_what_is_around() {
        let longest = format!("/{}", "n".repeat(POINTER_BYTES - 1));
        let cases = [
            (longest.clone(), longest.as_str()),
            (format!("{longest}n"), ""),
            (format!("/tags{longest}"), "/tags"),
            ("text".to_owned(), ""),
            ("tags/a".to_owned(), ""),
        ];
        for (pointer, wanted) in cases {
            assert_eq!(
                refused(std::slice::from_ref(&pointer)).faults[0].pointer,
                wanted,
                "{pointer}"
            );
        }
    }

    #[test]
    fn codes_are_dotted_lower_case_words() {
        for good in ["a", "country.not_allowed", "country-not-allowed", &"a".repeat(CODE_BYTES)] {
            assert!(is_code(good), "{good:?} is a code");
        }
        for bad in ["", "A", "1a", ".a", "a b", "a\n", "ä", &"a".repeat(CODE_BYTES + 1)] {
            assert!(!is_code(bad), "{bad:?} is no code");
        }
    }

    #[test]
    fn a_note_is_cut_and_its_numbers_are_masked() {
        let long = format!("+14155550123 {}", "x".repeat(SENTENCE_BYTES));
        let policy = PolicyName::new("p");
        let answer = read(&policy, accept_with(vec![note("seen", &long)])).unwrap();
        let value = &answer.notes[0].value;
        assert!(value.starts_with("+141• x") && value.len() <= SENTENCE_BYTES, "{value}");
    }

    #[test]
    fn too_many_notes_or_a_wrong_key_are_a_bad_answer() {
        let policy = PolicyName::new("p");
        let many = (0..=ENTRIES).map(|_| note("k", "v")).collect();
        for notes in [many, vec![note("No Key", "v")]] {
            let failure = read(&policy, accept_with(notes)).unwrap_err();
            assert!(matches!(failure, PolicyFailure::BadAnswer(_)), "{failure:?}");
        }
    }

    #[test]
    fn a_policy_that_cannot_decide_is_told_apart_from_one_that_refuses() {
        let error = wit::PolicyError { kind: "state-unavailable".into(), detail: "away".into() };
        let failure = read(&PolicyName::new("p"), Err(error)).unwrap_err();
        let PolicyFailure::Undecided { kind, detail } = failure else { panic!("{failure:?}") };
        assert_eq!((kind.as_str(), detail.as_str()), ("state-unavailable", "away"));
    }
}
