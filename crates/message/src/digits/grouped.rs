//! Numbers as people group them, in names that others made up and in sentences about these.

use super::{DIGITS, SHOWN, is_grouping, marks, without_numbers};

/// [`without_numbers`], and without rows of seven digits or more that are grouped as people group them, such as
/// `(415) 555-0123`. UUIDs, dates, times and IP addresses stay: they are grouped too, and nobody's number.
#[must_use]
pub fn without_grouped_numbers(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), 0);
    for mark in marks::in_text(text) {
        out.push_str(&masked(&text[rest..mark.start]));
        out.push_str(&text[mark.clone()]);
        rest = mark.end;
    }
    out.push_str(&masked(&text[rest..]));
    out
}

fn masked(text: &str) -> String {
    let digits = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit());
    let digits: Vec<usize> = digits.map(|(at, _)| at).collect();
    let (mut out, mut shown) = (String::with_capacity(text.len()), 0);
    // What stands behind a colon is what is said of a name, and no part of it.
    let groups = |between: &str| is_grouping(between) && between != ": ";
    for grouped in digits.chunk_by(|one, next| groups(&text[one + 1..*next])) {
        if let [.., last] = grouped
            && grouped.len() >= DIGITS
        {
            out.push_str(&text[shown..=grouped[SHOWN - 1]]);
            out.push('•');
            shown = last + 1;
        }
    }
    out.push_str(&text[shown..]);
    without_numbers(&out)
}

#[cfg(test)]
mod tests {
    use super::without_grouped_numbers;

    #[test]
    fn in_a_name_a_number_is_masked_however_it_is_grouped() {
        for (name, told) in [
            ("/tags/+1-415-555-0171", "/tags/+1-41•"),
            ("/(415) 555.0171", "/(415•"),
            ("/to 415-555-0171", "/to 415•"),
            ("/media_urls/12", "/media_urls/12"),
            ("/to/999/a-1", "/to/999/a-1"),
            ("/20 26 11 29", "/20 2•"),
            ("/415.2026-11-29", "/415•"),
            ("/2026-11-29 415 555 0171", "/2026-11-29 415•"),
            ("/415-555-0171 at 17:05", "/415• at 17:05"),
            ("/1.415.555.0171", "/1.41•"),
            ("/01.23.45.67.89", "/01.2•"),
            ("/415-555-0171: 3", "/415•: 3"),
        ] {
            assert_eq!(without_grouped_numbers(name), told);
        }
    }

    #[test]
    fn dates_times_addresses_and_ids_are_no_numbers() {
        for text in [
            "2026-11-29",
            "from 2026-11-29 to 2026-12-01",
            "2026-11-29T17:05:33Z",
            "2026-11-29 17:05:33.123456 and 2026-11-29T17:05:33+02:00",
            "until 2026.11.29",
            "`21:00-08:00` and 9:30",
            "127.0.0.1:8080 is held already",
            "http://127.0.0.1:8080/v1, 10.0.0.0/8",
            "[2001:db8::1]:8080",
            "2001:4860:4860::8888: no route",
            "01a22461-1a22-764b-b9b9-d41d0371886d",
            "12345678-1234-4234-9234-123456789012: gone",
            "policies/2026-11-29/quiet-1.2.3.wasm",
            "backup_2026-11-29.toml:12:5",
        ] {
            assert_eq!(without_grouped_numbers(text), text);
        }
    }
}
