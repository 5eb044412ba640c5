//! What of a message nothing else in the log may repeat.

use std::collections::HashSet;

use message::Sender;

use super::{HIDDEN, NUMBER_DIGITS};

/// Longest value of a note, or under a key, that may be shown.
pub(super) const PLAIN_BYTES: usize = 64;
/// Fewest digits in a row, and letters of a word, of a text that nothing else in the log may repeat.
const OWN_DIGITS: usize = 4;
const OWN_LETTERS: usize = 5;
/// Fewest of the digits that are replaced in a number that nothing else may repeat: of fewer there are many everywhere.
const OWN_HIDDEN: usize = 3;

/// What is a message's own, and must stand nowhere else: its numbers, and the words and digits of its text.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(super) numbers: Vec<String>,
    /// In small letters, as words and digits are.
    pub(super) text: String,
    pub(super) parts: HashSet<String>,
}

impl Own {
    pub(crate) fn of(message: &message::Message) -> Self {
        let sender = match &message.sender {
            Sender::Number(number) => Some(number.digits().to_owned()),
            _ => None,
        };
        let numbers = sender.into_iter().chain([message.to.digits().to_owned()]).collect();
        let text = message.text.to_lowercase();
        Self { numbers, parts: parts(&text).map(str::to_owned).collect(), text }
    }

    /// Whether `remark` repeats a number, or a word or digits of the text, or they it.
    pub(super) fn is_in(&self, remark: &str) -> bool {
        let remark = remark.to_lowercase();
        let is_all = self.text.len() >= OWN_DIGITS && remark.contains(&self.text);
        let has = |own: &String| remark.contains(own.as_str());
        let mut short = rows(&remark, |c| c.is_ascii_digit(), OWN_HIDDEN);
        is_all
            || short.any(|digits| self.numbers.iter().any(|own| hidden(own).contains(digits)))
            || self.numbers.iter().chain(&self.parts).any(has)
            || parts(&remark).any(|part| self.parts.iter().any(|own| own.contains(part)))
    }
}

/// The longest rows of digits, and of letters, in `text` that are long enough to tell something.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let digits = rows(text, |c| c.is_ascii_digit(), OWN_DIGITS);
    digits.chain(rows(text, char::is_alphabetic, OWN_LETTERS))
}

/// The longest rows of such characters in `text` that have so many or more.
fn rows(text: &str, is: fn(char) -> bool, least: usize) -> impl Iterator<Item = &str> {
    text.split(move |c: char| !is(c)).filter(move |row| row.chars().count() >= least)
}

/// The digits of a number that are replaced, where as many are as can be.
fn hidden(digits: &str) -> &str {
    &digits[digits.len().saturating_sub(HIDDEN)..]
}

/// Short, of digits, signs and at most one word, without a number, and with nothing of `own` in it.
pub(super) fn is_plain(text: &str, own: &Own) -> bool {
    let signs = " .:,;/_=+-";
    let fits = text.len() <= PLAIN_BYTES
        && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c));
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| word.bytes().any(|b| b.is_ascii_alphabetic())).count();
    fits && words <= 1 && !has_number(text) && !own.is_in(text)
}

/// Whether `text` may hold a number: so many digits in a row, unless they are an instant, in seconds or milliseconds. No
/// number that begins with 1 has ten digits, or thirteen.
fn has_number(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    let is_instant = |run: &str| run.starts_with('1') && (run.len() == 10 || run.len() == 13);
    text.contains('+') || runs.filter(|run| run.len() >= NUMBER_DIGITS).any(|run| !is_instant(run))
}
