//! The last resort against personal data in logs and spans: whatever the code above forgot is masked here.
//!
//! Two rules. A message's text, and a value under the name of a secret ([`is_secret_name`]), is left out. Anything that looks like a phone number in
//! international form (ITU-T E.164: a plus sign and eight digits or more) loses its middle, wherever it stands in a
//! text.

use std::borrow::Cow;

use crate::secrets::is_secret_name;

/// From this many digits on, a run after a plus sign is taken for a phone number.
const FEWEST_DIGITS: usize = 8;
/// A longer run of digits is no phone number (E.164 ends at fifteen), but it is masked all the same.
const MOST_SHOWN_AT_AN_END: usize = 4;

/// Whether a value under `name`, or under what a dotted one ends with, must not be written at all.
pub(crate) fn is_secret(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    // A note's key is what it is called.
    last.eq_ignore_ascii_case("text") || (is_secret_name(last) && !last.eq_ignore_ascii_case("key"))
}

/// `text` with every phone number in it masked: `+1415•••0123` for `+14155550123`.
///
/// Numbers are recognised with their digits together, grouped by single spaces, dots, hyphens or parentheses, and with
/// the plus sign percent-encoded as in a URL.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, number, after)) = next_number(rest) {
        out.push_str(before);
        push_masked(&mut out, number);
        rest = after;
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The text up to the first phone number, the number without its plus sign, and what follows it.
fn next_number(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find(['+', '%']).map(|at| from + at) {
        let sign = sign_length(&text[at..]);
        let length = number_length(&text[at + sign..]);
        if sign > 0 && length > 0 {
            let (start, end) = (at + sign, at + sign + length);
            return Some((&text[..at], &text[start..end], &text[end..]));
        }
        from = at + 1;
    }
    None
}

/// The length in bytes of the plus sign that `text` starts with, plain or percent-encoded (RFC 3986); 0 without one.
fn sign_length(text: &str) -> usize {
    if text.starts_with('+') {
        1
    } else if text.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("%2b")) {
        3
    } else {
        0
    }
}

/// The length in bytes of the digits and separators that `text` starts with; 0 where they are too few for a number.
fn number_length(text: &str) -> usize {
    let (mut digits, mut end, mut separators) = (0, 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                (digits, separators) = (digits + 1, 0);
                end = at + 1;
            }
            // `) ` and ` (` are two in a row; more than that is no longer one number.
            b' ' | b'-' | b'.' | b'(' | b')' if separators < 2 => separators += 1,
            _ => break,
        }
    }
    if digits >= FEWEST_DIGITS { end } else { 0 }
}

fn push_masked(out: &mut String, number: &str) {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    // At least three digits stay hidden, however short the number is.
    let shown = ((digits.len() - 3) / 2).min(MOST_SHOWN_AT_AN_END);
    out.push('+');
    out.push_str(&digits[..shown]);
    out.push_str("•••");
    out.push_str(&digits[digits.len() - shown..]);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{is_secret, masked};

    #[test]
    fn a_number_keeps_its_ends_only() {
        assert_eq!(masked("to +14155550123, later"), "to +1415•••0123, later");
        assert_eq!(masked("+447700900123"), "+4477•••0123");
    }

    #[test]
    fn three_digits_stay_hidden_even_in_the_shortest() {
        assert_eq!(masked("+12345678"), "+12•••78");
        assert_eq!(masked("+1234567890"), "+123•••890");
    }

    #[test]
    fn every_number_in_a_text_is_masked() {
        assert_eq!(masked("+14155550123<+14155550199"), "+1415•••0123<+1415•••0199");
    }

    #[test]
    fn grouping_and_percent_encoding_hide_nothing_from_the_mask() {
        assert_eq!(masked("+1 (415) 555-0123 x"), "+1415•••0123 x");
        assert_eq!(masked("/x?to=%2B14155550123&y"), "/x?to=+1415•••0123&y");
        assert_eq!(masked("%2b44 7700 900123"), "+4477•••0123");
    }

    #[test]
    fn what_is_no_number_stays_and_costs_no_copy() {
        for text in [
            "",
            "+",
            "a+b",
            "+1234567",
            "2026-11-23T17:00:39+00:00",
            "14155550123",
            "100%",
            "é%2é+é",
        ] {
            assert!(
                matches!(masked(text), Cow::Borrowed(same) if same == text),
                "{text:?} changed"
            );
        }
    }

    #[test]
    fn secret_names_are_known_in_any_case_and_at_the_end_of_a_dotted_name() {
        for name in ["text", "Authorization", "auth_token", "plivo.auth_token", "message.text"] {
            assert!(is_secret(name), "{name} would be written");
        }
        for name in
            ["context", "text_units", "key_count", "text.segments", "secret.length", "note.key"]
        {
            assert!(!is_secret(name), "{name} would be left out");
        }
    }
}
