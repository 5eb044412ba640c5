//! Keeps phone numbers and texts out of what policies write to logs and spans.

/// Fewest digits in a row that could be a phone number; ITU-T E.164 numbers have seven or more here.
const DIGITS: usize = 7;
/// Fewest digits in a row, and letters of a word, that tell something of the text that they stand in.
const OWN_DIGITS: usize = 4;
const OWN_LETTERS: usize = 5;

/// `text` with every run of seven or more digits masked but for its first three, except in UUIDs (RFC 9562): messages
/// are called by these.
pub(crate) fn redacted(text: &str) -> String {
    let ends_word = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends_word) {
        match is_uuid(piece.trim_end_matches(ends_word)) {
            true => out.push_str(piece),
            false => mask(piece, &mut out),
        }
    }
    out
}

/// `said` without what it repeats of a message's `text`: words of five letters or more, and rows of four digits or more.
pub(crate) fn without(text: &str, said: &str) -> String {
    let text = text.to_lowercase();
    let mut out = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(first) = rest.chars().next() {
        let kind = Kind::of(first);
        let end = rest.find(|c| Kind::of(c) != kind).unwrap_or(rest.len());
        let (row, after) = rest.split_at(end);
        let tells = match kind {
            Kind::Digit => row.len() >= OWN_DIGITS,
            Kind::Letter => row.chars().count() >= OWN_LETTERS,
            Kind::Other => false,
        };
        out.push_str(if tells && text.contains(&row.to_lowercase()) { "•" } else { row });
        rest = after;
    }
    out
}

/// What a character is a part of.
#[derive(PartialEq)]
enum Kind {
    Digit,
    Letter,
    Other,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            '0'..='9' => Self::Digit,
            _ if c.is_alphabetic() => Self::Letter,
            _ => Self::Other,
        }
    }
}

fn is_uuid(word: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths = word.split('-').map(|part| part.len() * usize::from(digits(part)));
    lengths.eq([8, 4, 4, 4, 12])
}

fn mask(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        out.push_str(before);
        match run.len() < DIGITS {
            true => out.push_str(run),
            false => {
                out.push_str(&run[..3]);
                out.push('•');
            }
        }
        rest = after;
    }
    out.push_str(rest);
}

/// The longest part of `text` that has at most `most` bytes and ends on a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::{redacted, without};

    #[test]
    fn a_phone_number_is_masked_and_a_short_number_is_not() {
        assert_eq!(redacted("to +14155550123, 3 of 10"), "to +141•, 3 of 10");
        assert_eq!(redacted("123456 1234567"), "123456 123•");
        let uuid = "repeats 01a22461-1a22-764b-b9b9-d41d0371886d, of 14155550123-b9b9";
        assert_eq!(redacted(uuid), "repeats 01a22461-1a22-764b-b9b9-d41d0371886d, of 141•-b9b9");
    }

    #[test]
    fn what_a_sentence_repeats_of_a_text_is_left_out_of_it() {
        let text = "Your code is 482913, Alice";
        assert_eq!(
            without(text, "no room: your code is 482913, ALICE!"),
            "no room: your code is •, •!"
        );
        assert_eq!(without(text, "code 48291 and 999913 of malice"), "code • and 999913 of malice");
        assert_eq!(without("Größe 42 wählen", "bad Größe in 'wählen'"), "bad • in '•'");
        assert_eq!(without("", "nothing is in it 12345"), "nothing is in it 12345");
    }
}
