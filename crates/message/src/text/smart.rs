use super::septets;

/// `text` with its typography made plain, where that brings it back into GSM 03.38; `None` where it does not, or where
/// the text is in it already.
///
/// A text that stays UCS-2 is left alone: it would lose its typography and gain nothing. Letters and signs with a
/// meaning of their own are never replaced.
///
/// ```
/// assert_eq!(message::smart_encoding("It’s here…").as_deref(), Some("It's here..."));
/// assert_eq!(message::smart_encoding("It’s 😀"), None);
/// ```
pub fn smart_encoding(text: &str) -> Option<String> {
    if text.chars().all(|c| septets(c).is_some()) {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match (septets(c), plain_form(c)) {
            (Some(_), _) => plain.push(c),
            (None, Some(form)) => plain.push_str(form),
            (None, None) => return None,
        }
    }
    Some(plain)
}

/// What stands for a typographic character in GSM 03.38.
fn plain_form(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' | '\u{2b9}' | '\u{2bc}'
        | '\u{b4}' | '\u{60}' => "'",
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => {
            "\""
        }
        '\u{2039}' => "<",
        '\u{203a}' => ">",
        '\u{2010}' | '\u{2011}' | '\u{2012}' | '\u{2013}' | '\u{2014}' | '\u{2015}'
        | '\u{2212}' => "-",
        '\u{2026}' => "...",
        '\u{2022}' | '\u{b7}' => "*",
        '\u{2044}' | '\u{2215}' => "/",
        '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Encoding, Segments};

    #[test]
    fn typography_becomes_plain() {
        let cases = [
            ("It’s “so” – or so…", "It's \"so\" - or so..."),
            ("a\tb", "a b"),
            ("10\u{a0}000\u{202f}€", "10 000 €"),
            ("`x` ´y´ ‹z› «q»", "'x' 'y' <z> \"q\""),
            ("soft\u{ad}hy\u{200b}phen\u{feff}", "softhyphen"),
            ("• one ⁄ two", "* one / two"),
        ];
        for (text, plain) in cases {
            assert_eq!(smart_encoding(text).as_deref(), Some(plain), "{text:?}");
        }
    }

    #[test]
    fn a_text_in_the_alphabet_is_left_alone() {
        assert_eq!(smart_encoding(""), None);
        assert_eq!(smart_encoding("plain [text] for 5 €, naïvely not"), None);
        assert_eq!(smart_encoding("plain [text] for 5 €"), None);
    }

    #[test]
    fn a_text_that_stays_ucs2_is_left_alone() {
        for text in ["It’s 😀", "Привет — мир", "façade…", "bell\u{7}’"] {
            assert_eq!(smart_encoding(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_gsm7_and_stays_as_it_is(text in "[a-z’“”…–\\t\u{a0}€ ]{0,80}") {
            if let Some(plain) = smart_encoding(&text) {
                prop_assert_eq!(Segments::of(&plain).encoding, Encoding::Gsm7);
                prop_assert_eq!(smart_encoding(&plain), None);
            }
        }
    }
}
