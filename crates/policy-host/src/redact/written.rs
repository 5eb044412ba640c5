//! The letters of a text as somebody may have written them in a string of JSON, Python or Rust.

use std::iter;

/// Each character of `text`, and where it begins and ends; what is written as an escape (`\u00e9`, `\xe9`, `\u{e9}`,
/// `\n`, and two `\uD83D` of a pair) is the character that it stands for.
pub(super) fn letters(text: &str) -> impl Iterator<Item = (usize, usize, char)> {
    let mut at = 0;
    iter::from_fn(move || {
        let start = at;
        let rest = &text[start..];
        let (length, c) = escaped(rest).or_else(|| plain(rest))?;
        at += length;
        Some((start, at, c))
    })
}

fn plain(text: &str) -> Option<(usize, char)> {
    text.chars().next().map(|c| (c.len_utf8(), c))
}

/// How long the escape is with which `text` begins, and what it stands for.
fn escaped(text: &str) -> Option<(usize, char)> {
    let after = text.strip_prefix('\\')?;
    let (head, digits) = plain(after).map(|(length, c)| (c, &after[length..]))?;
    match head {
        'n' => Some((2, '\n')),
        'r' => Some((2, '\r')),
        't' => Some((2, '\t')),
        '\\' => Some((2, '\\')),
        'x' => Some((4, char::from_u32(number(digits.get(..2)?)?)?)),
        'U' => Some((10, char::from_u32(number(digits.get(..8)?)?)?)),
        'u' => match digits.strip_prefix('{') {
            Some(within) => {
                let (code, _) = within.split_once('}')?;
                Some((code.len() + 4, char::from_u32(number(code)?)?))
            }
            None => unit(text).and_then(|first| of_units(first, &text[6..])),
        },
        _ => None,
    }
}

/// The character that `first` stands for, with the second of a pair where `text` begins with it (UTF-16).
fn of_units(first: u16, text: &str) -> Option<(usize, char)> {
    let read = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
    match read(&[first]) {
        Some(c) => Some((6, c)),
        None => read(&[first, unit(text)?]).map(|c| (12, c)),
    }
}

fn unit(text: &str) -> Option<u16> {
    let code = number(text.strip_prefix("\\u")?.get(..4)?)?;
    u16::try_from(code).ok()
}

fn number(digits: &str) -> Option<u32> {
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::letters;

    fn read(text: &str) -> String {
        letters(text).map(|(.., c)| c).collect()
    }

    #[test]
    fn an_escape_is_the_character_that_it_stands_for() {
        assert_eq!(read(r"Gr\u00f6\u00DFe, \xe9, \u{e9}, \U0001f600"), "Größe, é, é, 😀");
        assert_eq!(read(r"a\nb\rc\td"), "a\nb\rc\td");
        assert_eq!(read(r"\ud83d\ude00!"), "😀!");
        let at: Vec<_> = letters(r"a\u00e9é").collect();
        assert_eq!(at, [(0, 1, 'a'), (1, 7, 'é'), (7, 9, 'é')]);
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in [
            r"C:\users",
            r"\u12",
            r"\u12é4",
            r"\ud83d",
            r"\ud83dx",
            r"\u{110000}",
            r"\u{",
            r"\xé",
            "\\",
            r"\q",
            "",
        ] {
            assert_eq!(read(text), text);
        }
        assert_eq!(read(r"\\u00e9"), r"\u00e9");
    }
}
