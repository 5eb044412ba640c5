use std::fmt;

use crate::Fault;
use crate::limits;

/// A phone number in E.164 with its leading `+`: the form ITU-T E.164 gives it, seven to fifteen ASCII digits.
///
/// `Debug` and [`E164::masked`] hide the middle; only [`E164::as_str`] shows the whole number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct E164(Box<str>);

impl E164 {
    /// Reads `\A\+[1-9][0-9]{6,14}\z`, ASCII only, and at most the fourteen digits that Plivo takes.
    ///
    /// # Errors
    ///
    /// A fault at `pointer`: `phone.multiple` where `text` seems to name several recipients (`<` separates recipients
    /// at Plivo), `phone.too_long_for_provider` above fourteen digits, else `phone.not_e164`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self, Fault> {
        if is_list(text) {
            let detail = "names more than one recipient; send one request each, or a list where this door takes one";
            return Err(Fault::new(pointer, "phone.multiple", detail));
        }
        let digits = text.strip_prefix('+').unwrap_or("");
        let shape = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if !shape {
            let detail = "is not E.164: a plus sign, then 7 to 15 ASCII digits without spaces, such as +14155550123";
            return Err(Fault::new(pointer, "phone.not_e164", detail));
        }
        if digits.len() > limits::NUMBER_DIGITS {
            let detail = "has fifteen digits; Plivo takes at most fourteen";
            return Err(Fault::new(pointer, "phone.too_long_for_provider", detail));
        }
        Ok(Self(text.into()))
    }

    /// Like [`E164::parse`], after taking out spaces, parentheses, hyphens and dots; also says whether there were any.
    ///
    /// # Errors
    ///
    /// As [`E164::parse`]. Several numbers stay several: a space between them does not join them.
    pub fn parse_lenient(text: &str, pointer: &str) -> Result<(Self, bool), Fault> {
        let separators = [' ', '(', ')', '-', '.'];
        if is_list(text) || !text.contains(separators) {
            return Self::parse(text, pointer).map(|number| (number, false));
        }
        Self::parse(&text.replace(separators, ""), pointer).map(|number| (number, true))
    }

    /// The whole number, with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number's digits, without the `+`, as Plivo's reports have it.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// The number fit for a log: `+1415•••0123` for `+14155550123`.
    pub fn masked(&self) -> String {
        let (head, tail) = (self.0.len().min(5), self.0.len().saturating_sub(4).max(5));
        format!("{}•••{}", &self.0[..head], &self.0[tail.min(self.0.len())..])
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Whether several numbers stand in one string, separated by anything that some gateway takes for a separator.
fn is_list(text: &str) -> bool {
    let is_number = |part: &&str| {
        let digits = part.trim_start_matches('+');
        digits.len() >= 7 && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let parts = text.split(['<', ',', ';', '|', '/', ' ', '\r', '\n', '\t']);
    // A number begins with its sign, however it is grouped.
    let mut begun = text.rsplit_once('+').map(|(before, _)| before).unwrap_or_default().chars();
    let begins_again = begun.by_ref().filter(char::is_ascii_digit).nth(6).is_some();
    text.contains('<') || begins_again || parts.filter(is_number).count() > 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> Option<String> {
        E164::parse(text, "/to").err().map(|fault| {
            assert_eq!(fault.pointer, "/to");
            fault.code
        })
    }

    #[test]
    fn plain_e164_is_taken_as_it_is() {
        for text in ["+14155550123", "+1415555", "+49152123456789", "+911234567"] {
            assert_eq!(code(text), None, "{text}");
            assert_eq!(E164::parse(text, "/to").unwrap().as_str(), text);
        }
    }

    #[test]
    fn anything_else_is_not_e164() {
        for text in [
            "",
            "+",
            "+1",
            "+911",
            "14155550123",
            "4155550123",
            "0014155550123",
            "+04155550123",
            "++14155550123",
            "+1 (415) 555-0123",
            "+1-415-555-0123",
            "tel:+14155550123",
            "+14155550123;ext=5",
            "+14155550123x5",
            "+1415555abcd",
            "+１４１５５５５０１２３",
            "+١٤١٥٥٥٥٠١٢٣",
            "＋14155550123",
            "+14155550123\n",
            "\n+14155550123",
            " +14155550123",
            "\u{202a}+14155550123",
            "+1415\u{200b}5550123",
            "+14155550123\0",
            "+1234567890123456",
            "+1.4155550123",
            "+1e10000000",
        ] {
            assert_eq!(code(text).as_deref(), Some("phone.not_e164"), "{text:?}");
        }
    }

    #[test]
    fn fifteen_digits_are_e164_but_too_long_for_plivo() {
        assert_eq!(code("+491521234567890").as_deref(), Some("phone.too_long_for_provider"));
    }

    #[test]
    fn several_numbers_are_told_apart_from_a_wrong_one() {
        for text in [
            "+14155550123<14155550199",
            "+14155550123<",
            "<",
            "+14155550123,+14155550199",
            "+14155550123 +14155550199",
            "+14155550123;14155550199",
            "+14155550123\n+14155550199",
            "+14155550123, +14155550199",
            "+14155550123|+14155550199",
        ] {
            assert_eq!(code(text).as_deref(), Some("phone.multiple"), "{text:?}");
            let lenient = E164::parse_lenient(text, "/to").unwrap_err();
            assert_eq!(lenient.code, "phone.multiple", "{text:?}");
        }
    }

    #[test]
    fn the_lenient_form_takes_out_four_separators_and_nothing_else() {
        let read = |text| {
            E164::parse_lenient(text, "/to").map(|(n, changed)| (n.as_str().to_owned(), changed))
        };
        let plain = || "+14155550123".to_owned();
        assert_eq!(read("+14155550123"), Ok((plain(), false)));
        for text in ["+1 (415) 555-0123", "+1.415.555.0123", " +1 415 555 0123 ", "(+1)4155550123"]
        {
            assert_eq!(read(text), Ok((plain(), true)), "{text}");
        }
        for text in [
            "1 (415) 555-0123",
            "+1/415/5550123",
            "+1\u{a0}4155550123",
            "+1\t4155550123",
            "+1 415 555 abcd",
            "( ) - .",
        ] {
            assert_eq!(read(text).unwrap_err().code, "phone.not_e164", "{text:?}");
        }
    }

    #[test]
    fn no_form_for_people_shows_the_middle_of_a_number() {
        let number = E164::parse("+14155550123", "/to").unwrap();
        assert_eq!((number.masked().as_str(), number.digits()), ("+1415•••0123", "14155550123"));
        assert_eq!(format!("{number:?}"), "+1415•••0123");
        let short = E164::parse("+1234567", "/to").unwrap();
        assert_eq!(short.masked(), "+1234•••567");
    }

    proptest! {
        #[test]
        fn what_parses_is_ascii_and_unchanged(text in "\\PC{0,20}|\\+[0-9]{5,17}|[+0-9 <,;-]{0,30}") {
            let strict = E164::parse(&text, "");
            if let Ok(number) = &strict {
                prop_assert_eq!(number.as_str(), text.as_str());
                prop_assert!((8..=15).contains(&text.len()) && text.is_ascii());
            }
            if let (Ok(number), Ok((lenient, changed))) = (strict, E164::parse_lenient(&text, "")) {
                prop_assert!(!changed);
                prop_assert_eq!(number, lenient);
            }
        }
    }
}
