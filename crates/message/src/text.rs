mod smart;

pub use smart::smart_encoding;

/// How a text travels: 3GPP TS 23.038's 7-bit alphabet, or UTF-16 as soon as one character is outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// GSM 03.38 with its extension table.
    Gsm7,
    /// UTF-16 code units.
    Ucs2,
}

/// What a text costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// How it travels.
    pub encoding: Encoding,
    /// Septets or UTF-16 units.
    pub units: u32,
    /// Parts; one for the empty text.
    pub count: u32,
    /// Byte offsets of the characters that forced UCS-2; the first sixteen.
    pub ucs2_offsets: Vec<u32>,
}

/// Most offsets in [`Segments::ucs2_offsets`].
const OFFSETS: usize = 16;

impl Encoding {
    /// `gsm7` or `ucs2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }

    /// Units of a text sent whole, and of each part of a longer one, whose header takes the rest.
    ///
    /// Source: 3GPP TS 23.040, 9.2.3.24 (140 octets, of which concatenation takes six).
    fn room(self) -> (u32, u32) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// What `c` costs; a character outside the alphabet counts as one septet.
    fn width(self, c: char) -> u32 {
        match self {
            Self::Gsm7 => septets(c).unwrap_or(1),
            Self::Ucs2 if u32::from(c) > 0xffff => 2,
            Self::Ucs2 => 1,
        }
    }
}

impl Segments {
    /// Counts `text` as a handset would get it: neither an escape pair nor a surrogate pair straddles two parts.
    ///
    /// ```
    /// use message::{Encoding, Segments};
    ///
    /// let plain = Segments::of("See you at 5");
    /// assert_eq!((plain.encoding, plain.units, plain.count), (Encoding::Gsm7, 12, 1));
    /// assert_eq!(Segments::of("It’s 5").ucs2_offsets, [2]);
    /// ```
    pub fn of(text: &str) -> Self {
        let outside = text.char_indices().filter(|(_, c)| septets(*c).is_none());
        let ucs2_offsets: Vec<u32> =
            outside.take(OFFSETS).map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect();
        let encoding = if ucs2_offsets.is_empty() { Encoding::Gsm7 } else { Encoding::Ucs2 };
        let (whole, part) = encoding.room();
        let (mut units, mut parts, mut filled) = (0_u32, 1_u32, 0_u32);
        for width in text.chars().map(|c| encoding.width(c)) {
            units = units.saturating_add(width);
            filled += width;
            if filled > part {
                parts = parts.saturating_add(1);
                filled = width;
            }
        }
        let count = if units <= whole { 1 } else { parts };
        Self { encoding, units, count, ucs2_offsets }
    }
}

/// Septets that `c` takes, or `None` outside the alphabet. Source: 3GPP TS 23.038, 6.2.1 and 6.2.1.1.
fn septets(c: char) -> Option<u32> {
    match c {
        'A'..='Z' | 'a'..='z' | '0'..='9' | ' ' | '\n' | '\r' => Some(1),
        '@' | '$' | '_' | '!' | '"' | '#' | '%' | '&' | '\'' | '(' | ')' | '*' | '+' | ','
        | '-' => Some(1),
        '.' | '/' | ':' | ';' | '<' | '=' | '>' | '?' => Some(1),
        '£' | '¥' | '¤' | '¡' | '¿' | '§' => Some(1),
        'è' | 'é' | 'ù' | 'ì' | 'ò' | 'à' | 'Ç' | 'Ø' | 'ø' | 'Å' | 'å' | 'Æ' | 'æ' | 'ß' | 'É' => {
            Some(1)
        }
        'Ä' | 'Ö' | 'Ñ' | 'Ü' | 'ä' | 'ö' | 'ñ' | 'ü' => Some(1),
        'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ' => Some(1),
        '\u{c}' | '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€' => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// (what it shows, text, encoding, units, parts)
    fn vectors() -> Vec<(&'static str, String, Encoding, u32, u32)> {
        use Encoding::{Gsm7, Ucs2};
        vec![
            ("nothing is one part", String::new(), Gsm7, 0, 1),
            ("one full part", "a".repeat(160), Gsm7, 160, 1),
            ("one septet more", "a".repeat(161), Gsm7, 161, 2),
            ("two full parts", "a".repeat(306), Gsm7, 306, 2),
            ("one more than two", "a".repeat(307), Gsm7, 307, 3),
            ("extension characters cost two", "€".repeat(80), Gsm7, 160, 1),
            ("81 of them are two parts", "€".repeat(81), Gsm7, 162, 2),
            ("an escape pair does not straddle", "]".repeat(153), Gsm7, 306, 3),
            ("unless it need not", format!("a{}", "]".repeat(152)), Gsm7, 305, 2),
            ("Plivo's most in GSM", "a".repeat(1600), Gsm7, 1600, 11),
            ("one full UCS-2 part", "я".repeat(70), Ucs2, 70, 1),
            ("one unit more", "я".repeat(71), Ucs2, 71, 2),
            ("Plivo's most in UCS-2", "я".repeat(737), Ucs2, 737, 11),
            ("one above it", "я".repeat(738), Ucs2, 738, 12),
            ("an emoji is two units", "😀".repeat(35), Ucs2, 70, 1),
            ("36 of them", "😀".repeat(36), Ucs2, 72, 2),
            ("no surrogate pair straddles", format!("{}😀яяяяя", "я".repeat(66)), Ucs2, 73, 2),
            ("pairs shorten every part", "😀".repeat(67), Ucs2, 134, 3),
            ("the small c-cedilla is outside", "ç".repeat(100), Ucs2, 100, 2),
            ("the capital is inside", "Ç".repeat(100), Gsm7, 100, 1),
            (
                "extension is single in UCS-2",
                format!("{}∞{}", "|".repeat(60), "^".repeat(9)),
                Ucs2,
                70,
                1,
            ),
            ("TAB is outside", "a\tb".into(), Ucs2, 3, 1),
            ("form feed is an extension", "a\u{c}b".into(), Gsm7, 4, 1),
            ("the back tick is outside", "`".into(), Ucs2, 1, 1),
            ("a family is eleven units", "👨‍👩‍👧‍👦".into(), Ucs2, 11, 1),
            ("a no-break space is outside", "a\u{a0}b".into(), Ucs2, 3, 1),
        ]
    }

    #[test]
    fn texts_are_counted_as_handsets_get_them() {
        for (what, text, encoding, units, count) in vectors() {
            let got = Segments::of(&text);
            assert_eq!((got.encoding, got.units, got.count), (encoding, units, count), "{what}");
        }
    }

    #[test]
    fn the_alphabet_has_its_137_printable_characters() {
        let (one, two): (Vec<u32>, Vec<u32>) =
            ('\0'..=char::MAX).filter_map(septets).partition(|&width| width == 1);
        // 128 positions less the escape itself; ten extensions.
        assert_eq!((one.len(), two.len()), (127, 10));
    }

    #[test]
    fn offsets_name_the_first_sixteen_characters_that_cost_the_alphabet() {
        assert_eq!(Segments::of("a\u{a0}b").ucs2_offsets, [1]);
        assert_eq!(Segments::of("é’€😀").ucs2_offsets, [2, 8]);
        let many = Segments::of(&"я".repeat(40)).ucs2_offsets;
        assert_eq!(many, (0..16).map(|n| n * 2).collect::<Vec<u32>>());
    }

    proptest! {
        #[test]
        fn parts_hold_all_units_and_waste_at_most_one_each(text in "[a-z€\\[я😀 ]{0,400}") {
            let got = Segments::of(&text);
            let (whole, part) = got.encoding.room();
            if got.count == 1 {
                prop_assert!(got.units <= whole);
            } else {
                prop_assert!(got.units > whole);
                prop_assert!(got.units <= got.count * part);
                prop_assert!(got.units > (got.count - 1) * (part - 1));
            }
        }

        #[test]
        fn ucs2_units_are_utf16_units(text in "я\\PC{0,200}") {
            prop_assert_eq!(Segments::of(&text).units as usize, text.encode_utf16().count());
        }
    }
}
