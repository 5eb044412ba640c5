//! Rows of digits that could be phone numbers, in what others wrote freely.

mod grouped;
mod marks;

pub use self::grouped::without_grouped_numbers;

/// Fewest digits in a row that could be a phone number; ITU-T E.164 numbers have seven or more here.
const DIGITS: usize = 7;
/// Most separators between two digits of one number: `) ` is two.
const SEPARATORS: usize = 2;
/// Digits that are left of what is masked.
const SHOWN: usize = 3;

/// `text` with every run of seven or more digits masked but for its first three, except in UUIDs (RFC 9562): messages
/// are called by these.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let ends_word = |c: char| !(c.is_alphanumeric() || c == '-');
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends_word) {
        match is_uuid(piece.trim_end_matches(ends_word)) {
            true => out.push_str(piece),
            false => mask(piece, &mut out),
        }
    }
    out
}

/// [`without_numbers`], and without what `text` has of `handset` (E.164, or nothing) as people write it, such as
/// `(415) 555-0123`: seven of its digits on end or more, with at most two separators between two of them.
#[must_use]
pub fn without_number(text: &str, handset: &str) -> String {
    let digits = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit());
    let digits: Vec<usize> = digits.map(|(at, _)| at).collect();
    let (mut out, mut shown) = (String::with_capacity(text.len()), 0);
    for grouped in digits.chunk_by(|one, next| is_grouping(&text[one + 1..*next])) {
        if let Some(known) = known(text, grouped, handset) {
            out.push_str(&text[shown..=known[SHOWN - 1]]);
            out.push('•');
            shown = known[known.len() - 1] + 1;
        }
    }
    out.push_str(&text[shown..]);
    without_numbers(&out)
}

/// Of the digits of `text` at these places, those from the first to the last that `handset` has seven on end of, with
/// what stands beside them unseparated.
fn known<'a>(text: &str, digits: &'a [usize], handset: &str) -> Option<&'a [usize]> {
    let row: String = digits.iter().map(|at| char::from(text.as_bytes()[*at])).collect();
    let is_known = |from: &usize| handset.contains(&row[*from..from + DIGITS]);
    let mut windows = 0..(row.len() + 1).saturating_sub(DIGITS);
    let mut first = windows.find(is_known)?;
    let mut end = windows.rfind(is_known).unwrap_or(first) + DIGITS;
    let adjoin = |next: usize| digits[next - 1] + 1 == digits[next];
    while first > 0 && adjoin(first) {
        first -= 1;
    }
    while end < digits.len() && adjoin(end) {
        end += 1;
    }
    Some(&digits[first..end])
}

fn is_grouping(between: &str) -> bool {
    between.chars().count() <= SEPARATORS && !between.contains(char::is_alphanumeric)
}

/// Whether a row of digits in `word` could be a phone number.
#[must_use]
pub fn has_number(word: &str) -> bool {
    word.split(|c: char| !c.is_numeric()).any(|row| row.chars().count() >= DIGITS)
}

/// In the form of 36 characters, in either case (RFC 9562 section 4).
pub(crate) fn is_uuid(word: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths = word.split('-').map(|part| part.len() * usize::from(digits(part)));
    lengths.eq([8, 4, 4, 4, 12])
}

fn mask(text: &str, out: &mut String) {
    let mut rest = text;
    // Digits of whichever script.
    while let Some(start) = rest.find(char::is_numeric) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_numeric()).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        out.push_str(before);
        match run.chars().count() < DIGITS {
            true => out.push_str(run),
            false => {
                out.extend(run.chars().take(SHOWN));
                out.push('•');
            }
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::{has_number, without_number, without_numbers};

    #[test]
    fn a_phone_number_is_masked_and_a_short_number_is_not() {
        assert_eq!(without_numbers("to +14155550123, 3 of 10"), "to +141•, 3 of 10");
        assert_eq!(without_numbers("123456 1234567"), "123456 123•");
        let uuid = "repeats 01a22461-1a22-764b-b9b9-d41d0371886d, of 14155550123-b9b9";
        assert_eq!(
            without_numbers(uuid),
            "repeats 01a22461-1a22-764b-b9b9-d41d0371886d, of 141•-b9b9"
        );
    }

    #[test]
    fn the_handsets_number_is_masked_as_people_write_it_and_other_digits_stay() {
        let masked = |said| without_number(said, "+14155550178");
        for (said, wanted) in [
            ("call 415-555-0178 now", "call 415• now"),
            ("(415) 555-0178", "(415•"),
            ("+1 415.555.0178 or 415 555 0178", "+1 41• or 415•"),
            ("1/415/555/0178; 415\u{a0}555\u{2011}0178", "1/41•"),
            ("2026-11-29 415 555 0178 17:05", "2026-11-29 415• 17:05"),
            ("ends in 555-0178 or 4155550 178", "ends in 555• or 415•"),
            ("415_555_0178 415|555|0178 415·555\u{200b}0178", "415•"),
            ("4, 1, 5, 5, 5, 5, 0, 1", "4, 1, 5•"),
            ("４１５５５５０１７８, ٤١٥٥٥٥٠١٧٨", "４１５•, ٤١٥•"),
            ("99914155550178 and 12345678", "999• and 123•"),
        ] {
            assert_eq!(masked(said), wanted);
        }
        for other in [
            "2026-11-29 17:05:33, 1.10.0-2, 127.0.0.1",
            "646-222-0178 is another's",
            "415 -- 555 -- 0178",
            "555-017",
            "ä 1 ñ",
            "",
        ] {
            assert_eq!(masked(other), other);
            assert_eq!(without_number(other, ""), other);
        }
        assert_eq!(without_number("415-555-0178 +14155550178", ""), "415-555-0178 +141•");
    }

    #[test]
    fn a_word_has_a_number_from_seven_digits_in_a_row() {
        assert!(has_number("a.14155550123") && has_number("n1234567_x"));
        assert!(!has_number("a.123456.123456") && !has_number("segments_2026-11-29"));
    }
}
