//! What a policy answered, held to the contract's bounds: by the host, and where a policy is tested without one.
//!
//! A no stays a no: an app may have a part in how many faults a refusal has and how long they are, and must not get past
//! a policy by that. So what is too much in a refusal is left out, where in any other answer it is a failure.

#[cfg(feature = "facts")]
mod amend;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{Change, Fault, Note, Rejection, has_number};

#[cfg(feature = "facts")]
pub use amend::{Terms, amended};

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

/// What a policy answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its verdict.
    pub verdict: Answered,
    /// Its remarks.
    pub notes: Vec<Note>,
}

/// The verdict in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The message may go on.
    Accept,
    /// It may go on with these changes, which are still to be applied.
    Amend(Vec<Amendment>),
    /// It may not.
    Reject(Rejection),
}

/// One reason for change, and the edits that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// As the app is told of it.
    pub change: Change,
    /// In order.
    pub edits: Vec<Edit>,
}

/// One edit of a message, not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Another text.
    SetText(String),
    /// To another number; needs the grant `amend-recipient`.
    SetRecipient(String),
    /// From another sender.
    SetSender {
        /// The contract's word for what it is, such as `number`.
        kind: String,
        /// As it is written.
        value: String,
    },
    /// Other media; none makes it an SMS.
    SetMediaUrls(Vec<String>),
    /// Not before this instant, in milliseconds since 1970, and never earlier than the app asked.
    SetNotBeforeMs(u64),
    /// A tag, by its key, with another value.
    SetTag(String, String),
}

/// What an answer breaks, as a sentence; the policy has not decided then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The contract's bounds.
    BadAnswer(String),
    /// What it may change, or what a message must be.
    IllegalAmend(String),
}

impl Answer {
    /// The answer within its bounds.
    ///
    /// # Errors
    ///
    /// [`Breach::BadAnswer`] where it is out of them and no refusal.
    pub fn bounded(mut self) -> Result<Self, Breach> {
        if matches!(self.verdict, Answered::Reject(_)) {
            // A no stays a no, however much is said beside it.
            self.notes.truncate(ENTRIES);
        }
        let notes = bounded_notes(self.notes)?;
        let verdict = match self.verdict {
            Answered::Accept => Answered::Accept,
            Answered::Amend(mut changes) => {
                few("changes", changes.len())?;
                for Amendment { change, edits } in &mut changes {
                    few("edits", edits.len())?;
                    code("a change's code", &change.code)?;
                    cut(&mut change.detail);
                }
                Answered::Amend(changes)
            }
            Answered::Reject(no) => Answered::Reject(rejection(no)?),
        };
        Ok(Self { verdict, notes })
    }
}

/// Remarks within their bounds.
///
/// # Errors
///
/// [`Breach::BadAnswer`] for too many, or a key that is none.
pub fn bounded_notes(mut notes: Vec<Note>) -> Result<Vec<Note>, Breach> {
    few("notes", notes.len())?;
    for note in &mut notes {
        code("a note's key", &note.key)?;
        cut(&mut note.value);
    }
    Ok(notes)
}

/// The policy's word for why it could not decide where it is one, since it becomes part of records.
pub fn kind(word: &str) -> &str {
    if is_code(word) { word } else { "unnamed" }
}

/// Cuts off what a sentence has too much, at the end of a character.
pub fn cut(sentence: &mut String) {
    sentence.truncate(sentence.floor_char_boundary(SENTENCE_BYTES));
}

fn rejection(mut no: Rejection) -> Result<Rejection, Breach> {
    code("the rejection's code", &no.code)?;
    cut(&mut no.detail);
    no.faults.truncate(ENTRIES);
    for Fault { pointer, code: word, detail } in &mut no.faults {
        code("a fault's code", word)?;
        *pointer = nearest(pointer).to_owned();
        cut(detail);
    }
    no.retry_after = no.retry_after.map(|wait| wait.min(LONGEST_RETRY));
    no.earlier = no.earlier.filter(|id| id.0.len() <= CODE_BYTES);
    Ok(no)
}

/// `pointer`, or that of the nearest value around its own that fits; the whole request's where it is no pointer at all.
fn nearest(mut pointer: &str) -> &str {
    while pointer.len() > POINTER_BYTES || !(pointer.is_empty() || pointer.starts_with('/')) {
        pointer = pointer.rsplit_once('/').map_or("", |(around, _)| around);
    }
    pointer
}

fn few(what: &str, count: usize) -> Result<(), Breach> {
    match count <= ENTRIES {
        true => Ok(()),
        false => {
            Err(Breach::BadAnswer(format!("it has {count} {what}; at most {ENTRIES} are taken")))
        }
    }
}

fn code(what: &str, code: &str) -> Result<(), Breach> {
    if has_number(code) {
        let why = "has seven digits in a row or more, as a phone number has, and is shown where no number may be";
        return Err(Breach::BadAnswer(format!("{what} {why}; name what it is and not whose")));
    }
    match is_code(code) {
        true => Ok(()),
        false => Err(Breach::BadAnswer(format!(
            "{what} is not a word of at most {CODE_BYTES} bytes out of a-z, 0-9, `.`, `_` and `-`, a letter first"
        ))),
    }
}

fn is_code(code: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    code.len() <= CODE_BYTES
        && code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.bytes().all(inner)
        && !has_number(code)
}
