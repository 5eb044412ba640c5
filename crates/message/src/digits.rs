//! Rows of digits that could be phone numbers, in what others wrote freely.

/// Fewest digits in a row that could be a phone number; ITU-T E.164 numbers have seven or more here.
const DIGITS: usize = 7;

/// `text` with every run of seven or more digits masked but for its first three, except in UUIDs (RFC 9562): messages
/// are called by these.
#[must_use]
pub fn without_numbers(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::without_numbers;

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
}
