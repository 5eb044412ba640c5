//! How long a text is, and how many segments it takes.
//!
//! GSM 03.38 (3GPP TS 23.038) where every character is in its alphabet, else UTF-16; 160 or 70 units alone, 153 or 67
//! in each of several.

use crate::TextLength;

/// Most septets of a GSM text (Plivo, "Messages").
const MOST_GSM: usize = 1_600;
/// Most units of any other text (Plivo, "Messages").
const MOST_UNICODE: usize = 737;
/// Most characters of a WhatsApp text (Plivo, "Messages").
const MOST_WHATSAPP: usize = 4_096;

const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ \
 !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Refuses a text that Plivo refuses, in Plivo's words where they are known (plivo-python issue 298).
pub(crate) fn check(text: &str, kind: &str, count: TextLength) -> Result<(), String> {
    if kind == "whatsapp" {
        return match text.chars().count() > MOST_WHATSAPP {
            true => Err(format!("text parameter length exceeds {MOST_WHATSAPP} characters")),
            false => Ok(()),
        };
    }
    match septets(text) {
        Some(septets) if septets > MOST_GSM => {
            Err(format!("text parameter length exceeds {MOST_GSM} characters"))
        }
        Some(_) => Ok(()),
        None => {
            let length = match count {
                TextLength::Characters => text.encode_utf16().count(),
                TextLength::Utf8Bytes => text.len(),
            };
            // An MMS text has the longer bound in any alphabet (Plivo, MMS FAQ).
            let most = if kind == "mms" { MOST_GSM } else { MOST_UNICODE };
            if length > most {
                return Err(format!("text parameter length exceeds {most} unicode characters"));
            }
            Ok(())
        }
    }
}

/// Plivo's `units`: the segments of an SMS, one for anything else.
pub(crate) fn units(text: &str, kind: &str) -> usize {
    if kind != "sms" {
        return 1;
    }
    match septets(text) {
        Some(septets) if septets <= 160 => 1,
        Some(_) => packed(text.chars().map(|c| septets_of(c).unwrap_or(1)), 153),
        None if text.encode_utf16().count() <= 70 => 1,
        None => packed(text.chars().map(char::len_utf16), 67),
    }
}

/// Segments of `room` units each, where no character is split.
fn packed(sizes: impl Iterator<Item = usize>, room: usize) -> usize {
    let (segments, _) = sizes.fold((1, 0), |(segments, used), size| {
        if used + size > room { (segments + 1, size) } else { (segments, used + size) }
    });
    segments
}

fn septets(text: &str) -> Option<usize> {
    text.chars().map(septets_of).sum()
}

fn septets_of(c: char) -> Option<usize> {
    match c {
        c if GSM_BASIC.contains(c) => Some(1),
        c if GSM_EXTENSION.contains(c) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_by_their_alphabet() {
        let ok = |text: &str, kind| check(text, kind, TextLength::Characters);
        assert_eq!(ok(&"a".repeat(1_600), "sms"), Ok(()));
        let long = ok(&"a".repeat(1_601), "sms").unwrap_err();
        assert_eq!(long, "text parameter length exceeds 1600 characters");
        assert_eq!(ok(&"ж".repeat(737), "sms"), Ok(()));
        let long = ok(&"ж".repeat(738), "sms").unwrap_err();
        assert_eq!(long, "text parameter length exceeds 737 unicode characters");
        assert_eq!(ok(&"ж".repeat(1_600), "mms"), Ok(()));
        assert_eq!(ok(&"a".repeat(4_096), "whatsapp"), Ok(()));
        assert!(ok(&"a".repeat(4_097), "whatsapp").is_err());
    }

    #[test]
    fn bytes_are_counted_when_asked() {
        assert!(check(&"ж".repeat(368), "sms", TextLength::Utf8Bytes).is_ok());
        assert!(check(&"ж".repeat(369), "sms", TextLength::Utf8Bytes).is_err());
    }

    #[test]
    fn units_count_segments() {
        for (text, kind, expected) in [
            (String::new(), "sms", 1),
            ("a".repeat(160), "sms", 1),
            ("a".repeat(161), "sms", 2),
            ("a".repeat(306), "sms", 2),
            ("a".repeat(307), "sms", 3),
            // The escape pair of the euro sign is not split over two segments.
            ("a".repeat(152) + "€" + &"a".repeat(152), "sms", 3),
            ("ж".repeat(70), "sms", 1),
            ("ж".repeat(71), "sms", 2),
            ("ж".repeat(66) + "🙂" + &"ж".repeat(66), "sms", 3),
            ("a".repeat(500), "mms", 1),
        ] {
            assert_eq!(units(&text, kind), expected, "{} characters", text.chars().count());
        }
    }
}
