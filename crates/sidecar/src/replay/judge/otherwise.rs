//! What is otherwise between a record and how it came out this time.

use policy_host::{Decision, Mode};

use super::{Now, comparable, is, is_first};
use crate::decisions::form::{End, Record, Visit};

pub(super) const FAILURE: &str = "failure";

/// One policy's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::replay) struct Verdicts {
    pub(in crate::replay) verdict: String,
    pub(in crate::replay) codes: Vec<String>,
    pub(in crate::replay) notes: Vec<(String, String)>,
    /// The same codes, and another message.
    pub(in crate::replay) otherwise: bool,
}

/// From what to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::replay) struct Transition {
    /// The policy whose word it is; absent for the end of the message's way.
    pub(in crate::replay) policy: Option<String>,
    pub(in crate::replay) from: String,
    pub(in crate::replay) to: String,
}

impl Verdicts {
    pub(in crate::replay) fn passed() -> Self {
        Self { verdict: "accept".to_owned(), ..Self::default() }
    }

    /// Without notes where it failed: they are the host's, and of the operator's rule for failures.
    pub(in crate::replay) fn of_visit(visit: &Visit) -> Self {
        let (verdict, codes) = (visit.verdict.clone(), visit.codes.clone());
        let notes = if verdict == FAILURE { Vec::new() } else { visit.notes.clone() };
        Self { verdict, codes, notes, otherwise: false }
    }

    /// Takes for the same what of these notes the log has a hash of alone.
    fn notes_of(&mut self, now: &Self, is_whole: bool) {
        if is_whole || self.notes.len() != now.notes.len() {
            return;
        }
        for ((key, value), (new_key, new_value)) in self.notes.iter_mut().zip(&now.notes) {
            for (then, now) in [(key, new_key), (value, new_value)] {
                if is_hash(then) {
                    now.clone_into(then);
                }
            }
        }
    }

    /// Whether it ends a message's way.
    pub(in crate::replay) fn ends(&self) -> bool {
        self.verdict == "reject" || self.verdict == FAILURE
    }

    fn said(&self) -> String {
        let codes = self.codes.join(" + ");
        match (self.verdict.as_str(), self.codes.is_empty()) {
            ("", _) => "not asked".to_owned(),
            ("reject", false) => codes,
            (verdict, true) => verdict.to_owned(),
            (verdict, false) => format!("{verdict} {codes}"),
        }
    }
}

impl Transition {
    pub(in crate::replay) fn of_policy(policy: &str, then: &Verdicts, now: &Verdicts) -> Self {
        let (from, mut to) = (then.said(), now.said());
        if now.otherwise {
            to.push_str(", with another message");
        } else if from == to {
            to.push_str(", with other notes");
        }
        Self { policy: Some(policy.to_owned()), from, to }
    }

    pub(in crate::replay) fn of_ends(then: (&End, &[String]), now: (&End, &[String])) -> Self {
        let (mut from, mut to) = (end(then.0, then.1), end(now.0, now.1));
        if from == to {
            // The same code, of another policy.
            let policy = |end: &End| end.policy.clone().unwrap_or_default();
            from = format!("{from} by {}", policy(then.0));
            to = format!("{to} by {}", policy(now.0));
        }
        Self { policy: None, from, to }
    }

    /// Of a second look, which puts a message off or keeps it from its call.
    pub(in crate::replay) fn of_looks(then: &End, now: &End) -> Self {
        let mut transition = Self::of_ends((then, &[]), (now, &[]));
        if then.policy == now.policy && then.code == now.code && then.verdict == now.verdict {
            transition.to.push_str(", until another instant");
        }
        transition
    }

    pub(in crate::replay) fn of_changes(codes: &[String]) -> Self {
        let from = accepted(codes);
        let to = format!("{from}, with another message");
        Self { policy: None, from, to }
    }
}

/// What is otherwise by one policy's word.
pub(super) fn policy_transition(
    record: &Record,
    name: &str,
    now: &Now<'_>,
    with_notes: bool,
) -> Option<Transition> {
    let (visit, then, mut word) = own_words(record, name, now, with_notes)?;
    if visit.amended.is_some() && then == word && record.not_whole.is_empty() {
        let amended = visit.amended.as_ref().map(|(message, _)| message);
        word.otherwise = amended.is_some_and(|amended| !is(record, amended, now.message));
    }
    (then != word).then(|| Transition::of_policy(name, &then, &word))
}

/// The policy's first word then, with its visit, and its word now.
pub(super) fn own_words<'a>(
    record: &'a Record,
    name: &str,
    now: &Now<'_>,
    with_notes: bool,
) -> Option<(&'a Visit, Verdicts, Verdicts)> {
    let visit = record.visits.iter().find(|visit| is_first(visit, name))?;
    let mut then = Verdicts::of_visit(visit);
    let word = verdicts_of(now.decisions, name, with_notes);
    if !with_notes {
        then.notes.clear();
    }
    then.notes_of(&word, record.not_whole.is_empty());
    Some((visit, then, word))
}

/// What is otherwise in the end, or else by the first policy that says something else.
pub(super) fn chain_transition(
    record: &Record,
    now: &Now<'_>,
    with_notes: bool,
) -> Option<Transition> {
    let codes = |visits: &mut dyn Iterator<Item = (&str, &[String])>| -> Vec<String> {
        let amends = visits.filter(|(verdict, _)| *verdict == "amend");
        amends.flat_map(|(_, codes)| codes.to_vec()).collect()
    };
    let enforced = |mode: &str| mode == Mode::Enforce.as_str();
    let mut visits = record.visits.iter().filter(|visit| enforced(&visit.mode));
    let then = codes(&mut visits.by_ref().map(|v| (v.verdict.as_str(), v.codes.as_slice())));
    let decisions: Vec<_> = now.decisions.iter().filter(|d| d.mode == Mode::Enforce).collect();
    let words: Vec<_> = decisions.iter().map(|d| (d.verdict.as_str(), d.verdict.codes())).collect();
    let new = codes(&mut words.iter().map(|(verdict, codes)| (*verdict, codes.as_slice())));
    // Before a refusal changes are no part of the end, and the first policy that says something else is told.
    if record.end != now.end || (then != new && now.end.policy.is_none()) {
        return Some(Transition::of_ends((&record.end, &then), (&now.end, &new)));
    }
    if now.end.policy.is_none() && record.not_whole.is_empty() {
        let last = record.visits.iter().rev().filter(|visit| enforced(&visit.mode) && !visit.again);
        let sent = last.filter_map(|visit| visit.amended.as_ref()).next();
        let sent = sent.map_or(&record.message, |(message, _)| message);
        if !is(record, sent, now.message) {
            return Some(Transition::of_changes(&new));
        }
    }
    word_transition(record, now, with_notes)
}

/// What is otherwise by the first policy that says something else.
pub(super) fn word_transition(
    record: &Record,
    now: &Now<'_>,
    with_notes: bool,
) -> Option<Transition> {
    for visit in comparable(record) {
        let was_asked = now.decisions.iter().any(|d| d.policy.as_str() == visit.policy);
        let mut then = Verdicts::of_visit(visit);
        if !with_notes {
            then.notes.clear();
        }
        let word = verdicts_of(now.decisions, &visit.policy, with_notes);
        then.notes_of(&word, record.not_whole.is_empty());
        if was_asked && word != then {
            return Some(Transition::of_policy(&visit.policy, &then, &word));
        }
    }
    None
}

/// The policy's first word among `decisions`.
pub(super) fn verdicts_of(decisions: &[Decision], name: &str, with_notes: bool) -> Verdicts {
    let own = |decision: &&Decision| decision.policy.as_str() == name;
    let Some(decision) = decisions.iter().find(own) else { return Verdicts::default() };
    let failed = decision.verdict.as_str() == FAILURE;
    let notes = decision.notes.iter().filter(|_| with_notes && !failed);
    Verdicts {
        verdict: decision.verdict.as_str().to_owned(),
        codes: decision.verdict.codes(),
        notes: notes.map(|note| (note.key.clone(), note.value.clone())).collect(),
        otherwise: false,
    }
}

/// Whether it has the form in which a redacted log has what it does not show.
fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn end(end: &End, changes: &[String]) -> String {
    let code = end.code.clone().unwrap_or_default();
    match end.verdict.as_str() {
        "accept" => accepted(changes),
        "reject" => code,
        verdict => format!("{verdict} {code}"),
    }
}

fn accepted(changes: &[String]) -> String {
    match changes.is_empty() {
        true => "accept".to_owned(),
        false => format!("amend {}", changes.join(" + ")),
    }
}

#[cfg(test)]
mod tests {
    use super::Verdicts;

    fn noted(notes: &[(&str, &str)]) -> Verdicts {
        let notes = notes.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Verdicts { notes, ..Verdicts::passed() }
    }

    #[test]
    fn of_a_redacted_log_notes_are_compared_as_far_as_it_shows_them() {
        let now = noted(&[("ratelimit.app", "q=20;w=20;r=19;t=20"), ("rule", "a")]);
        for (then, is_whole, is_alike) in [
            (noted(&[("ratelimit.app", "c2807979d3dae274"), ("rule", "a")]), false, true),
            (noted(&[("71ef1fc3df066de7", "c2807979d3dae274"), ("rule", "a")]), false, true),
            (noted(&[("ratelimit.app", "c2807979d3dae274"), ("rule", "b")]), false, false),
            (noted(&[("ratelimit.app", "c2807979d3dae274"), ("rule", "a")]), true, false),
            (noted(&[("ratelimit.app", "c2807979d3dae274")]), false, false),
        ] {
            let mut known = then.clone();
            known.notes_of(&now, is_whole);
            assert_eq!(known == now, is_alike, "{then:?}, whole: {is_whole}");
        }
    }
}
