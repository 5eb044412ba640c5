//! What a module returned, in the vocabulary, held to the contract's bounds and without the numbers in its remarks.

use std::time::Duration;

use message::answer::{Amendment, Answer, Answered, Breach, Edit, bounded_notes, cut, kind};
use message::{Change, Fault, MessageId, Note, Rejection, without_number};

use crate::bindings::types as wit;
use crate::{PolicyFailure, PolicyName};

/// Who answered, about whom, and whether its remarks are for people: numbers are masked then. Cases compare what it said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) policy: &'a PolicyName,
    /// The number of whoever it spoke of, where that is known.
    pub(crate) handset: &'a str,
    pub(crate) masked: bool,
}

impl Speaker<'_> {
    /// Reads what `check` returned.
    ///
    /// # Errors
    ///
    /// [`PolicyFailure::Undecided`] where the policy said so itself, [`PolicyFailure::BadAnswer`] out of bounds.
    pub(crate) fn decision(
        self,
        returned: Result<wit::Decision, wit::PolicyError>,
    ) -> Result<Answer, PolicyFailure> {
        let decision = returned.map_err(|error| self.undecided(error))?;
        let verdict = match decision.verdict {
            wit::Verdict::Accept => Answered::Accept,
            wit::Verdict::Amend(changes) => {
                Answered::Amend(changes.into_iter().map(|change| self.amendment(change)).collect())
            }
            wit::Verdict::Reject(no) => Answered::Reject(rejection(no)),
        };
        let notes = decision.notes.into_iter().map(|note| self.note(note)).collect();
        let mut answer = Answer { verdict, notes }.bounded()?;
        self.mask(&mut answer.notes);
        Ok(answer)
    }

    /// Reads what `on-inbound` returned.
    ///
    /// # Errors
    ///
    /// As [`Speaker::decision`].
    pub(crate) fn made(
        self,
        returned: Result<Vec<wit::Note>, wit::PolicyError>,
    ) -> Result<Vec<Note>, PolicyFailure> {
        let notes = returned.map_err(|error| self.undecided(error))?;
        let mut notes = bounded_notes(notes.into_iter().map(|note| self.note(note)).collect())?;
        self.mask(&mut notes);
        Ok(notes)
    }

    fn undecided(self, error: wit::PolicyError) -> PolicyFailure {
        let wit::PolicyError { kind: word, detail } = error;
        let detail = sentence(detail);
        let detail = if self.masked { without_number(&detail, self.handset) } else { detail };
        PolicyFailure::Undecided { kind: kind(&word).to_owned(), detail }
    }

    fn mask(self, notes: &mut [Note]) {
        if self.masked {
            notes
                .iter_mut()
                .for_each(|note| note.value = without_number(&note.value, self.handset));
        }
    }

    fn note(self, note: wit::Note) -> Note {
        let wit::Note { key, value, shown } = note;
        Note { policy: self.policy.as_str().to_owned(), key, value, shown }
    }

    fn amendment(self, change: wit::Change) -> Amendment {
        let wit::Change { code, detail, edits } = change;
        let change = Change { policy: self.policy.as_str().to_owned(), code, detail };
        Amendment { change, edits: edits.into_iter().map(edit).collect() }
    }
}

impl From<Breach> for PolicyFailure {
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::BadAnswer(what) => Self::BadAnswer(what),
            Breach::IllegalAmend(what) => Self::IllegalAmend(what),
        }
    }
}

/// A sentence for people, cut where it is too long.
pub(crate) fn sentence(mut text: String) -> String {
    cut(&mut text);
    text
}

fn rejection(no: wit::Rejection) -> Rejection {
    let fault = |fault: wit::Fault| Fault::new(fault.pointer, fault.code, fault.detail);
    Rejection {
        code: no.code,
        detail: no.detail,
        faults: no.faults.into_iter().map(fault).collect(),
        retry_after: no.retry_after_ms.map(Duration::from_millis),
        earlier: no.earlier.map(|id| MessageId(id.into())),
    }
}

fn edit(edit: wit::Edit) -> Edit {
    match edit {
        wit::Edit::SetText(text) => Edit::SetText(text),
        wit::Edit::SetRecipient(to) => Edit::SetRecipient(to),
        wit::Edit::SetSender(wit::SenderResult { kind, value }) => Edit::SetSender { kind, value },
        wit::Edit::SetMediaUrls(urls) => Edit::SetMediaUrls(urls),
        wit::Edit::SetNotBeforeMs(ms) => Edit::SetNotBeforeMs(ms),
        wit::Edit::SetTag((key, value)) => Edit::SetTag(key, value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Speaker, wit};
    use crate::{PolicyFailure, PolicyName};

    #[test]
    fn numbers_in_remarks_are_masked_for_people_and_whole_for_cases() {
        let policy = PolicyName::new("p");
        let said = "+14155550123 x, 415-555-0178";
        for (masked, wanted) in [(true, "+141• x, 415•"), (false, said)] {
            let speaker = Speaker { policy: &policy, handset: "+14155550178", masked };
            let note = wit::Note { key: "seen".into(), value: said.into(), shown: false };
            let accepted = wit::Decision { verdict: wit::Verdict::Accept, notes: vec![note] };
            assert_eq!(speaker.decision(Ok(accepted)).unwrap().notes[0].value, wanted);
            let error = wit::PolicyError { kind: "No Word".into(), detail: said.into() };
            let failure = speaker.decision(Err(error)).unwrap_err();
            let PolicyFailure::Undecided { kind, detail } = failure else { panic!("{failure:?}") };
            assert_eq!((kind.as_str(), detail.as_str()), ("unnamed", wanted));
        }
    }

    #[test]
    fn an_answer_out_of_bounds_is_a_bad_answer() {
        let policy = PolicyName::new("p");
        let note = wit::Note { key: "No Key".into(), value: "v".into(), shown: false };
        let accepted = wit::Decision { verdict: wit::Verdict::Accept, notes: vec![note] };
        let speaker = Speaker { policy: &policy, handset: "", masked: true };
        let failure = speaker.decision(Ok(accepted)).unwrap_err();
        assert!(matches!(failure, PolicyFailure::BadAnswer(_)), "{failure:?}");
    }
}
