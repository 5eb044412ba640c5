//! What of Plivo's words may be told: nothing that we said to Plivo ourselves, since it may be repeating it.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use message::{E164, MediaUrl};

use crate::{Credentials, Outgoing};

/// Most characters kept of Plivo's words.
const MOST: usize = 300;
/// What was said for so many characters is hidden, or all of what is shorter where it stands by itself: a letter or two
/// would be found in every word.
const WINDOW: usize = 6;
/// The same where it cannot be hidden: an id may have six characters of a token by chance, and not these many.
const PART: usize = 16;
/// What is shorter may be a part of any id: only the whole is known again.
const LEAST: usize = 7;
/// Digits in a row that are shown: a status or a code has no more.
const DIGITS: usize = 3;
/// Most characters between two digits of one number: `) ` is two.
const SEPARATORS: usize = 2;
/// Fewest letters of a word, and signs of East Asia, that tell something of the text that they stand in.
const LETTERS: usize = 5;
const DENSE: usize = 2;

/// `text` as Plivo said it, fit for a log: one line, bounded, nothing of what this call said, and no number but its
/// first three digits, however they are grouped.
pub(crate) fn shown(text: &str, credentials: &Credentials, outgoing: &Outgoing<'_>) -> String {
    let (id, token) = (credentials.auth_id.as_str(), credentials.auth_token.reveal());
    let basic = BASE64_STANDARD.encode(format!("{id}:{token}"));
    let message = outgoing.message;
    let media = message.media_urls.iter().map(MediaUrl::as_str);
    let said = [id, token, &basic, &message.text].into_iter();
    let said = said.chain(media).chain(message.media_ids.iter().map(|id| &**id));
    without(text, &message.text, said.chain(outgoing.callback_url))
}

/// Whether `text`, which is kept as it came, repeats the credentials or the number of the recipient.
pub(crate) fn repeats(text: &str, credentials: &Credentials, to: Option<&E164>) -> bool {
    let (id, token) = (credentials.auth_id.as_str(), credentials.auth_token.reveal());
    let basic = BASE64_STANDARD.encode(format!("{id}:{token}"));
    let is_part_of = |said: &str| {
        let window = PART.min(said.len());
        let mut parts = text.as_bytes().windows(window.max(1));
        match said.len() < LEAST {
            true => text == said,
            false => parts.any(|part| said.as_bytes().windows(window).any(|own| own == part)),
        }
    };
    let digits = to.map(E164::digits);
    // Also without the country's code.
    let ends_it = text.len() >= LEAST && digits.is_some_and(|digits| digits.ends_with(text));
    ends_it || [id, token, &basic].into_iter().chain(digits).any(is_part_of)
}

/// `text` without what it repeats of `said`, in either case, and without each word that tells something of the message.
fn without<'a>(text: &str, message: &str, said: impl Iterator<Item = &'a str>) -> String {
    let text: Vec<char> = text.chars().take(MOST).collect();
    let mut hide = vec![false; text.len()];
    // What holds an escape may have been said so; in a form a plus sign is a space.
    let plain = || text.iter().enumerate().map(|(at, c)| (small(*c), at..at + 1)).collect();
    let read: [Vec<_>; 2] = [plain(), decoded(&text)];
    let form = read[1].iter().map(|(c, place)| (if *c == '+' { ' ' } else { *c }, place.clone()));
    let read = [&read[0], &read[1], &form.collect()];
    for said in said {
        let said: Vec<char> = said.chars().map(small).collect();
        let window = WINDOW.min(said.len());
        if window == 0 {
            continue;
        }
        for read in read {
            for (at, part) in read.windows(window).enumerate() {
                let is_it = |other: &[char]| part.iter().map(|(c, _)| c).eq(other);
                let is_found = window == WINDOW || is_apart(read, at..at + window);
                if is_found && said.windows(window).any(is_it) {
                    part.iter().for_each(|(_, place)| hide[place.clone()].fill(true));
                }
            }
        }
    }
    let message: String = message.chars().map(small).collect();
    for read in read {
        for word in read.chunk_by(|(one, _), (next, _)| one.is_alphabetic() == next.is_alphabetic())
        {
            let letters: String = word.iter().map(|(c, _)| *c).collect();
            if tells(&letters) && message.contains(&*letters) {
                word.iter().for_each(|(_, place)| hide[place.clone()].fill(true));
            }
        }
    }
    hide_numbers(read[1], &mut hide);
    let shown = |(c, hide): (char, bool)| match c {
        _ if hide => '•',
        c if c.is_control() => ' ',
        c => c,
    };
    text.into_iter().zip(hide).map(shown).collect()
}

/// Whether what stands at `place` is no part of a longer word or number; signs of East Asia are words by themselves.
fn is_apart(read: &[(char, Range<usize>)], place: Range<usize>) -> bool {
    let is_joined = |one: usize, next: usize| {
        let joins =
            |at: usize| read.get(at).is_some_and(|(c, _)| c.is_alphanumeric() && *c < '\u{2e80}');
        joins(one) && joins(next)
    };
    let before = place.start.checked_sub(1);
    !before.is_some_and(|before| is_joined(before, place.start))
        && !is_joined(place.end - 1, place.end)
}

/// Of digits of any script all but the first three of those that may be one number, however it is grouped. A comma or the
/// like before a space begins another.
fn hide_numbers(read: &[(char, Range<usize>)], hide: &mut [bool]) {
    let (mut digits, mut between) = (0, String::new());
    for (c, place) in read {
        if !c.is_numeric() {
            between.push(*c);
            continue;
        }
        let is_list = between.starts_with([',', ';', ':']) && between.len() > 1;
        let is_word = between.contains(char::is_alphabetic);
        if is_list || is_word || between.chars().count() > SEPARATORS {
            digits = 0;
        }
        between.clear();
        digits += 1;
        if digits > DIGITS {
            hide[place.clone()].fill(true);
        }
    }
}

/// Whether a row of letters alone says something of the text that it is in: a longer word, or one of a script that
/// writes whole words in a character or two.
fn tells(letters: &str) -> bool {
    let is_dense = letters.chars().any(|c| c >= '\u{2e80}');
    letters.chars().count() >= if is_dense { DENSE } else { LETTERS }
}

/// In small letters, where that is one.
fn small(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(small), None) => small,
        _ => c,
    }
}

/// The characters of `text` without its percent-encoding (RFC 3986 section 2.1), in small letters, each with its place.
fn decoded(text: &[char]) -> Vec<(char, Range<usize>)> {
    let byte = |at: usize| {
        let [high, low] = [text.get(at + 1)?, text.get(at + 2)?].map(|c| c.to_digit(16));
        u8::try_from(high? << 4 | low?).ok().filter(|_| text[at] == '%')
    };
    let (mut decoded, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let escapes = (0..4).map_while(|nth| byte(at + 3 * nth)).collect::<Vec<u8>>();
        let whole = (1..=escapes.len()).find_map(|bytes| {
            let c = std::str::from_utf8(&escapes[..bytes]).ok()?.chars().next()?;
            Some((c, 3 * bytes))
        });
        let (c, length) = whole.unwrap_or((text[at], 1));
        decoded.push((small(c), at..at + length));
        at += length;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use message::E164;

    use super::{repeats, without};
    use crate::{AuthId, AuthToken, Credentials};

    #[test]
    fn an_id_that_repeats_what_was_said_is_told_from_one_that_looks_like_it() {
        let credentials = Credentials {
            auth_id: AuthId::parse("MAXXXXXXXXXXXXXXXXXX").unwrap(),
            auth_token: AuthToken::parse("YzQ1MmNkOTJlOGE0NGVmZjk2ZjI0YWE3NTc3").unwrap(),
        };
        let to = E164::parse("+14155550123", "/to").unwrap();
        let said = |text| repeats(text, &credentials, Some(&to));
        for own in [
            "YzQ1MmNkOTJlOGE0NGVmZjk2ZjI0YWE3NTc3",
            "x-YzQ1MmNkOTJlOGE0-x",
            "MAXXXXXXXXXXXXXXXXXX",
            "14155550123",
            "4155550123",
            "TUFYWFhYWFhYWFhYWFhYWFhYWFg6WXpRMU1t",
        ] {
            assert!(said(own), "{own}");
        }
        for id in ["db3ce55a-7f1d-11e1-8ea7-1231380bc196", "u1", "YzQ1MmNkOTJlOGE", "550123", ""] {
            assert!(!said(id), "{id}");
        }
    }

    fn shown(said: &[&str], text: &str) -> String {
        without(text, "", said.iter().copied())
    }

    #[test]
    fn of_the_message_no_longer_word_is_shown_in_either_case_and_in_a_form_neither() {
        let message = "Hello zebra, Ihr Code für Größe: 密码是";
        let told = |text| without(text, message, [message].into_iter());
        for (text, shown) in [
            ("text HELLO ZEBRA, IHR CODE: rejected", "text •••••••••••••••••••••: rejected"),
            ("of (zebra) no hello", "of (•••••) no •••••"),
            ("bad-Gr%C3%B6%C3%9Fe", "bad-•••••••••••••••"),
            ("of Hello+zebra%2C+Ihr", "of ••••••••••••••••••"),
            ("not 密码 alone", "not •• alone"),
            ("(code) is wrong", "(code) is wrong"),
        ] {
            assert_eq!(told(text), shown);
        }
    }

    #[test]
    fn what_was_said_is_hidden_in_whole_and_in_part() {
        let said = ["swordfish marmalade", "t0k", "TUFYWA=="];
        for (text, told) in [
            (
                "text 'swordfish marmalade' is not allowed",
                "text '•••••••••••••••••••' is not allowed",
            ),
            ("begins with 'dfish marm'", "begins with '••••••••••'"),
            ("token t0k is wrong", "token ••• is wrong"),
            ("Basic TUFYWA==", "Basic ••••••••"),
            ("a sword", "a sword"),
        ] {
            assert_eq!(shown(&said, text), told);
        }
        assert_eq!(shown(&["", "ä"], "ä b"), "• b");
        assert_eq!(shown(&["e"], "the message 'e' is queued"), "the message '•' is queued");
        assert_eq!(shown(&["ok", "是"], "ok: not ok2, 密是"), "••: not ok2, 密•");
        assert_eq!(shown(&["longer than the words"], "short"), "short");
    }

    #[test]
    fn what_was_said_is_hidden_however_much_of_it_is_percent_encoded() {
        let said = ["a+b/c=d&e!f~g", "wört für Wort", "https://x.example/a%20b"];
        for (before, repeated, after) in [
            ("?token=", "a%2Bb%2fc%3Dd%26e%21f~g", "&x=1"),
            ("part ", "b%2Fc%3Dd%26", "% end"),
            ("", "%61%2B%62%2F%63%3D", ""),
            ("", "w%C3%B6rt%20f%c3%bcr ", "it is"),
            ("at ", "https://x.example/a%20b", ", again"),
            ("100% of 5%zz %C3 %e2%82", "", ""),
            ("a%2", "", ""),
        ] {
            let hidden = "•".repeat(repeated.chars().count());
            let told = format!("{before}{hidden}{after}");
            assert_eq!(shown(&said, &format!("{before}{repeated}{after}")), told);
        }
    }

    #[test]
    fn numbers_are_hidden_but_for_three_digits_however_they_are_grouped() {
        for (text, told) in [
            ("'14155550123' is not\na valid number", "'141••••••••' is not a valid number"),
            ("(415) 555-0123", "(415) •••-••••"),
            ("415.555.0124 or 415 555 0124", "415.•••.•••• or 415 ••• ••••"),
            ("error 400: code 12", "error 400: code 12"),
            ("one of 400, 401", "one of 400, 401"),
            ("415\u{a0}555\u{2011}0123", "415\u{a0}•••\u{2011}••••"),
            ("415_555,0123", "415_•••,••••"),
            ("1%2D415%2D555%2D0123", "1%2D41•%2D•••%2D••••"),
            ("４１５５５５０１２３ ١٤١٥٥٥٥٠١٢٣", "４１５••••••• •••••••••••"),
        ] {
            assert_eq!(shown(&[], text), told);
        }
        assert_eq!(shown(&[], &"x".repeat(1_000)).len(), 300);
    }
}
