//! What of Plivo's words may be told: nothing that we said to Plivo ourselves, since it may be repeating it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use message::{E164, MediaUrl};

use crate::{Credentials, Outgoing};

/// Most characters kept of Plivo's words.
const MOST: usize = 300;
/// What was said for so many characters is hidden, or all of what is shorter.
const WINDOW: usize = 6;
/// The same where it cannot be hidden: an id may have six characters of a token by chance, and not these many.
const PART: usize = 16;
/// What is shorter may be a part of any id: only the whole is known again.
const LEAST: usize = 7;
/// Digits in a row that are shown: a status or a code has no more.
const DIGITS: usize = 3;

/// `text` as Plivo said it, fit for a log: one line, bounded, nothing of what this call said, and no number but its
/// first three digits, however they are grouped.
pub(crate) fn shown(text: &str, credentials: &Credentials, outgoing: &Outgoing<'_>) -> String {
    let (id, token) = (credentials.auth_id.as_str(), credentials.auth_token.reveal());
    let basic = BASE64_STANDARD.encode(format!("{id}:{token}"));
    let message = outgoing.message;
    let media = message.media_urls.iter().map(MediaUrl::as_str);
    let said = [id, token, &basic, &message.text].into_iter();
    let said = said.chain(media).chain(message.media_ids.iter().map(|id| &**id));
    without(text, said.chain(outgoing.callback_url))
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
    [id, token, &basic].into_iter().chain(to.map(E164::digits)).any(is_part_of)
}

fn without<'a>(text: &str, said: impl Iterator<Item = &'a str>) -> String {
    let text: Vec<char> = text.chars().take(MOST).collect();
    let mut hide = vec![false; text.len()];
    for said in said {
        let said: Vec<char> = said.chars().collect();
        let window = WINDOW.min(said.len());
        if window == 0 {
            continue;
        }
        for (at, part) in text.windows(window).enumerate() {
            if said.windows(window).any(|other| other == part) {
                hide[at..at + window].fill(true);
            }
        }
    }
    let mut digits = 0;
    for (c, hide) in text.iter().zip(&mut hide) {
        match c {
            '0'..='9' => digits += 1,
            ' ' | '-' | '.' | '(' | ')' | '/' => {}
            _ => digits = 0,
        }
        *hide |= c.is_ascii_digit() && digits > DIGITS;
    }
    let shown = |(c, hide): (char, bool)| match c {
        _ if hide => '•',
        c if c.is_control() => ' ',
        c => c,
    };
    text.into_iter().zip(hide).map(shown).collect()
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
            "TUFYWFhYWFhYWFhYWFhYWFhYWFg6WXpRMU1t",
        ] {
            assert!(said(own), "{own}");
        }
        for id in
            ["db3ce55a-7f1d-11e1-8ea7-1231380bc196", "u1", "YzQ1MmNkOTJlOGE", "4155550123", ""]
        {
            assert!(!said(id), "{id}");
        }
    }

    fn shown(said: &[&str], text: &str) -> String {
        without(text, said.iter().copied())
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
        assert_eq!(shown(&["longer than the words"], "short"), "short");
    }

    #[test]
    fn numbers_are_hidden_but_for_three_digits_however_they_are_grouped() {
        for (text, told) in [
            ("'14155550123' is not\na valid number", "'141••••••••' is not a valid number"),
            ("(415) 555-0123", "(415) •••-••••"),
            ("415.555.0124 or 415 555 0124", "415.•••.•••• or 415 ••• ••••"),
            ("error 400: code 12", "error 400: code 12"),
        ] {
            assert_eq!(shown(&[], text), told);
        }
        assert_eq!(shown(&[], &"x".repeat(1_000)).len(), 300);
    }
}
