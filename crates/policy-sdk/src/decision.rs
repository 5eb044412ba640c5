use crate::bindings::sendgate::policy::state::StateError;
use crate::{
    Change, Decision, Edit, Fault, Note, PolicyError, Problem, Rejection, Sender, Verdict,
};

/// Longest name of an operator's choice.
const NAME_BYTES: usize = 40;
/// Digits in a row that the host takes for a phone number.
const NUMBER_DIGITS: usize = 7;

/// Most faults of one refusal (the contract's number).
const FAULTS: usize = 64;
/// Most bytes of a fault's pointer (the contract's number).
const POINTER_BYTES: usize = 256;

impl Decision {
    /// The message may go on as it is.
    pub fn accept() -> Self {
        Self { verdict: Verdict::Accept, notes: Vec::new() }
    }

    /// The message may go on with these changes, or as it is where there are none.
    pub fn amend(changes: Vec<Change>) -> Self {
        let verdict = if changes.is_empty() { Verdict::Accept } else { Verdict::Amend(changes) };
        Self { verdict, notes: Vec::new() }
    }

    /// Adds a remark for the span and the decision record.
    #[must_use]
    pub fn note(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.notes.push(Note { key: key.into(), value: value.into(), shown: false });
        self
    }

    /// Adds a remark that the app sees too, as a warning.
    #[must_use]
    pub fn warn(mut self, code: impl Into<String>, detail: impl Into<String>) -> Self {
        self.notes.push(Note::shown(code, detail));
        self
    }

    /// The refusal, where this is one.
    pub fn rejection(&self) -> Option<&Rejection> {
        if let Verdict::Reject(rejection) = &self.verdict { Some(rejection) } else { None }
    }

    /// The refusal's code, where this is one.
    pub fn refused_with(&self) -> Option<&str> {
        self.rejection().map(|rejection| rejection.code.as_str())
    }

    /// The changes; none where the verdict is not to amend.
    pub fn changes(&self) -> &[Change] {
        if let Verdict::Amend(changes) = &self.verdict { changes } else { &[] }
    }

    /// The value of the first remark under `key`.
    pub fn noted(&self, key: &str) -> Option<&str> {
        self.notes.iter().find(|note| note.key == key).map(|note| note.value.as_str())
    }
}

impl Rejection {
    /// Says when asking again can help, in milliseconds from now.
    #[must_use]
    pub fn retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }

    /// Names the earlier message that this one repeats.
    #[must_use]
    pub fn earlier(mut self, id: impl Into<String>) -> Self {
        self.earlier = Some(id.into());
        self
    }

    /// Adds one of the faults that the refusal is made of; what comes after the sixty-fourth is left out.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        }
        self
    }
}

impl Fault {
    /// A fault at `pointer`, a JSON pointer (RFC 6901) into the request. Above 256 bytes it becomes that of the nearest
    /// value around, since apps choose how long the names of their members are.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let mut pointer = pointer.into();
        while pointer.len() > POINTER_BYTES {
            pointer.truncate(pointer.rfind('/').unwrap_or(0));
        }
        Self { pointer, code: code.into(), detail: detail.into() }
    }
}

impl Change {
    /// A change with no edit yet. `code` is listed in the answer's `transformations`.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), edits: Vec::new() }
    }

    /// Replaces the text.
    #[must_use]
    pub fn set_text(self, text: impl Into<String>) -> Self {
        self.edit(Edit::SetText(text.into()))
    }

    /// Sends to another handset. Needs the grant `amend-recipient` as well.
    #[must_use]
    pub fn set_recipient(self, number: impl Into<String>) -> Self {
        self.edit(Edit::SetRecipient(number.into()))
    }

    /// Sends from somebody else.
    #[must_use]
    pub fn set_sender(self, sender: Sender) -> Self {
        self.edit(Edit::SetSender(sender))
    }

    /// Replaces the media; none makes the message an SMS.
    #[must_use]
    pub fn set_media_urls(self, urls: Vec<String>) -> Self {
        self.edit(Edit::SetMediaUrls(urls))
    }

    /// Sends later than the app asked, in milliseconds since 1970; never earlier.
    #[must_use]
    pub fn set_not_before_ms(self, instant_ms: u64) -> Self {
        self.edit(Edit::SetNotBeforeMs(instant_ms))
    }

    /// Sets one of the app's labels.
    #[must_use]
    pub fn set_tag(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit(Edit::SetTag((key.into(), value.into())))
    }

    fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }
}

impl Note {
    /// A remark that whoever asked sees too.
    pub fn shown(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), shown: true }
    }
}

impl PolicyError {
    /// "I could not decide." `kind` is a short stable word.
    pub fn new(kind: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), detail: detail.into() }
    }
}

impl From<Rejection> for Decision {
    fn from(rejection: Rejection) -> Self {
        Self { verdict: Verdict::Reject(rejection), notes: Vec::new() }
    }
}

impl From<Change> for Decision {
    fn from(change: Change) -> Self {
        Self::amend(vec![change])
    }
}

impl From<StateError> for PolicyError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Full => Self::new("state-full", "the policy's state has no room left"),
            StateError::Invalid(what) => Self::new("state-invalid", what),
            StateError::Unavailable(why) => Self::new("state-unavailable", why),
        }
    }
}

/// A refusal. Turn it into a [`Decision`] with `.into()`.
///
/// `code` is stable and dotted, and decides the status of the answer; neither it nor `detail` may hold a number or the
/// text of the message.
pub fn reject(code: impl Into<String>, detail: impl Into<String>) -> Rejection {
    Rejection {
        code: code.into(),
        detail: detail.into(),
        faults: Vec::new(),
        retry_after_ms: None,
        earlier: None,
    }
}

/// A setting that does not fit, at `pointer` (RFC 6901).
pub fn problem(pointer: impl Into<String>, detail: impl Into<String>) -> Problem {
    Problem { pointer: pointer.into(), detail: detail.into() }
}

/// Whether `word`, of an operator's choice, can end a code or a note's key: 1 to 40 of `a-z`, `0-9`, `_` and `-`, without
/// seven digits in a row, which the host takes for a phone number.
///
/// # Errors
///
/// What is wrong with it, for a [`Problem`].
pub fn name(word: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if word.is_empty() || word.len() > NAME_BYTES || !word.bytes().all(fits) {
        return Err("is not 1 to 40 lower-case letters, digits, `_` and `-`");
    }
    let mut rows = word.split(|c: char| !c.is_ascii_digit());
    match rows.any(|row| row.len() >= NUMBER_DIGITS) {
        true => Err("has seven digits in a row, as a phone number has; shorten them"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{StateError, reject};
    use crate::{Change, Decision, Edit, Fault, PolicyError, Verdict};

    #[test]
    fn a_name_is_a_short_word_without_a_number() {
        for good in ["a", "app-day", "fy2026_27", &"a".repeat(40)] {
            assert_eq!(super::name(good), Ok(()), "{good}");
        }
        for bad in ["", "Day", "a b", "a.b", "day20261129", &"a".repeat(41)] {
            assert!(super::name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amending_nothing_is_accepting() {
        assert_eq!(Decision::amend(Vec::new()), Decision::accept());
    }

    #[test]
    fn a_change_keeps_its_edits_in_order() {
        let decision = Decision::from(
            Change::new("mms.downgraded", "sent without media")
                .set_text("hi")
                .set_media_urls(Vec::new()),
        );
        let edits = &decision.changes()[0].edits;
        assert!(
            matches!(&edits[..], [Edit::SetText(text), Edit::SetMediaUrls(urls)] if text == "hi" && urls.is_empty()),
            "{edits:?}"
        );
    }

    #[test]
    fn a_rejection_carries_wait_earlier_message_and_faults() {
        let decision = Decision::from(
            reject("dup.content", "repeats an earlier message")
                .retry_after_ms(1_500)
                .earlier("m1")
                .fault(Fault::new("/text", "dup.content", "the same text")),
        );
        let rejection = decision.rejection().expect("a rejection");
        assert_eq!(decision.refused_with(), Some("dup.content"));
        assert_eq!(
            (rejection.retry_after_ms, rejection.earlier.as_deref()),
            (Some(1_500), Some("m1"))
        );
        assert_eq!(rejection.faults.len(), 1);
    }

    #[test]
    fn a_rejection_keeps_to_the_contracts_bounds() {
        let faults = (0..65).map(|nth| Fault::new(format!("/f{nth}"), "a.b", "c"));
        let rejection = faults.fold(reject("a.b", "c"), |rejection, fault| rejection.fault(fault));
        assert_eq!(rejection.faults.len(), 64);
        let longest = format!("/{}", "n".repeat(255));
        assert_eq!(Fault::new(&longest, "a.b", "c").pointer, longest);
        assert_eq!(Fault::new(format!("/tags{longest}"), "a.b", "c").pointer, "/tags");
    }

    #[test]
    fn only_warnings_are_shown_to_the_app() {
        let decision =
            Decision::accept().note("rule", "default").warn("media.large", "over 600 kB");
        let shown: Vec<bool> = decision.notes.iter().map(|note| note.shown).collect();
        assert_eq!(shown, [false, true]);
        assert_eq!(decision.verdict, Verdict::Accept);
        assert_eq!(decision.noted("rule"), Some("default"));
    }

    #[test]
    fn an_unavailable_state_is_a_policy_error_of_its_own_kind() {
        let kinds = [
            StateError::Full,
            StateError::Invalid("key".into()),
            StateError::Unavailable("away".into()),
        ]
        .map(|error| PolicyError::from(error).kind);
        assert_eq!(kinds, ["state-full", "state-invalid", "state-unavailable"]);
    }
}
