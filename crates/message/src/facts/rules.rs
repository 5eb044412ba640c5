//! What the rules make of a number and a text.

use super::{NumberFacts, NumberType};
use crate::{Encoding, Fault, Kind, Message, Segments, Sender, limits};

/// The types of numbers that a text reaches, unless the operator says otherwise.
pub const DEFAULT_TYPES: [NumberType; 2] = [NumberType::Mobile, NumberType::FixedLineOrMobile];

/// `phone.invalid` for a number that nobody can have.
pub fn number_faults(number: &NumberFacts, pointer: &str) -> Option<Fault> {
    let detail = "has the form of a phone number, but no country assigns it; check the digits";
    (!number.valid).then(|| Fault::new(pointer, "phone.invalid", detail))
}

/// `phone.type_denied` for a valid number whose type is not among `allowed`.
///
/// For a subscriber of an international network it is `country.non_geographic`: not what the number is stands against
/// it, but where. Services under such a code (freephone 800, shared cost 808, premium rate 979) stay a matter of type.
pub fn type_fault(number: &NumberFacts, allowed: &[NumberType], pointer: &str) -> Option<Fault> {
    if !number.valid {
        return None;
    }
    let is_subscriber = matches!(number.number_type, NumberType::Voip | NumberType::Mobile);
    if number.region == "001" && is_subscriber {
        let detail =
            "belongs to an international network without a country, which may not be texted here";
        return Some(Fault::new(pointer, "country.non_geographic", detail));
    }
    if allowed.contains(&number.number_type) {
        return None;
    }
    let detail =
        format!("is a {} number, which may not be texted here", number.number_type.as_str());
    Some(Fault::new(pointer, "phone.type_denied", detail))
}

/// `phone.same_as_sender` for a message that its own sender would get.
pub fn same_as_sender_fault(message: &Message, pointer: &str) -> Option<Fault> {
    let same = matches!(&message.sender, Sender::Number(number) if *number == message.to);
    same.then(|| {
        Fault::new(
            pointer,
            "phone.same_as_sender",
            "is the sender's own number; give another recipient",
        )
    })
}

/// All that a text must not be: `text.control_char`, `text.empty` (an SMS without anything to see), `text.too_long`.
///
/// `segments` are the text's own. Sources of the limits: [`limits`].
pub fn text_faults(text: &str, kind: Kind, segments: &Segments, pointer: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(at) = text.char_indices().find(|(_, c)| is_refused(*c)).map(|(at, _)| at) {
        let detail = format!(
            "has a control or direction-override character at byte {at}; only line feed, carriage return, tab and form \
             feed may stand in a text"
        );
        faults.push(Fault::new(pointer, "text.control_char", detail));
    }
    if kind == Kind::Sms && text.chars().all(is_blank) {
        let detail = "has nothing to see in it; an SMS needs a text";
        faults.push(Fault::new(pointer, "text.empty", detail));
    }
    let most = match kind {
        Kind::Sms => segments.encoding.most_units(),
        Kind::Mms => limits::MMS_UNITS,
    };
    if segments.units > most {
        let unit = match segments.encoding {
            Encoding::Gsm7 => "GSM 03.38 septets",
            Encoding::Ucs2 => "UTF-16 units",
        };
        let detail = format!("takes {} {unit}; Plivo takes at most {most}", segments.units);
        faults.push(Fault::new(pointer, "text.too_long", detail));
    }
    faults
}

/// `text.too_many_segments` for a text that costs more than `most` parts. An MMS is one part at Plivo.
pub fn segments_fault(kind: Kind, segments: &Segments, most: u32, pointer: &str) -> Option<Fault> {
    (kind == Kind::Sms && segments.count > most).then(|| {
        let detail = format!("takes {} segments; at most {most} are allowed here", segments.count);
        Fault::new(pointer, "text.too_many_segments", detail)
    })
}

/// Characters that handsets and gateways read differently, or that turn the rest of the text around.
fn is_refused(c: char) -> bool {
    const OVERRIDES: [char; 2] = ['\u{202d}', '\u{202e}'];
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')) || OVERRIDES.contains(&c)
}

/// Whether it shows nothing, so that a text of such characters would be an empty bubble: white space, what is not shown
/// (Unicode's `Default_Ignorable_Code_Point`), what only arranges others (annotations, hieroglyphs), the blank of
/// Braille, and what is no character.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff)
        || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{E164, MessageId};

    fn codes(text: &str, kind: Kind) -> Vec<String> {
        let faults = text_faults(text, kind, &Segments::of(text), "/text");
        faults.into_iter().map(|fault| fault.code).collect()
    }

    fn code(text: &str, kind: Kind) -> Option<String> {
        codes(text, kind).into_iter().next()
    }

    #[test]
    fn all_that_is_wrong_with_a_text_is_told() {
        let text = format!("{}\0", "a".repeat(2_000));
        assert_eq!(codes(&text, Kind::Sms), ["text.control_char", "text.too_long"]);
        assert_eq!(codes("\u{202e} ", Kind::Sms), ["text.control_char", "text.empty"]);
    }

    fn number(valid: bool, number_type: NumberType) -> NumberFacts {
        NumberFacts { valid, region: "US".into(), calling_code: 1, number_type, zones: vec![] }
    }

    #[test]
    fn an_sms_without_anything_to_see_is_empty() {
        for text in [
            "",
            " ",
            "   \n\t ",
            "\r\n",
            "\u{a0}\u{3000}",
            "\u{200b}\u{feff}",
            "\u{3164}\u{115f}\u{2800}\u{180e}\u{34f}",
            "\u{fe0f}\u{e0041}\u{ffff}\u{1fffe}\u{fdd0}",
            "\u{fff9}\u{fffa}\u{fffb}\u{13430}\u{1343f}",
        ] {
            assert_eq!(code(text, Kind::Sms).as_deref(), Some("text.empty"), "{text:?}");
            assert_eq!(code(text, Kind::Mms), None, "{text:?}");
        }
        assert_eq!(code(".", Kind::Sms), None);
    }

    #[test]
    fn controls_are_refused_but_for_four() {
        for c in ('\0'..='\u{9f}').filter(|c| c.is_control()) {
            let allowed = "\n\r\t\u{c}".contains(c);
            let expected = (!allowed).then(|| "text.control_char".to_owned());
            assert_eq!(code(&format!("a{c}b"), Kind::Sms), expected, "{c:?}");
            assert_eq!(code(&format!("a{c}b"), Kind::Mms), expected, "{c:?}");
        }
        assert_eq!(code("a\u{202e}b", Kind::Sms).as_deref(), Some("text.control_char"));
        assert_eq!(code("\0", Kind::Sms).as_deref(), Some("text.control_char"));
        assert_eq!(code("👨‍👩‍👧‍👦 \u{200f}שלום", Kind::Sms), None);
    }

    #[test]
    fn texts_end_at_plivos_limits() {
        for (text, most, kind) in [
            ("a", 1_600, Kind::Sms),
            ("€", 800, Kind::Sms),
            ("я", 737, Kind::Sms),
            ("😀", 368, Kind::Sms),
            ("a", 1_600, Kind::Mms),
            ("я", 1_600, Kind::Mms),
        ] {
            assert_eq!(code(&text.repeat(most), kind), None, "{text} x {most}");
            let over = code(&text.repeat(most + 1), kind);
            assert_eq!(over.as_deref(), Some("text.too_long"), "{text} x {}", most + 1);
        }
    }

    #[test]
    fn segments_are_counted_for_sms_only() {
        let two = Segments::of(&"a".repeat(161));
        assert_eq!(segments_fault(Kind::Sms, &two, 2, "/text"), None);
        let fault = segments_fault(Kind::Sms, &two, 1, "/text").unwrap();
        assert_eq!(
            (fault.code.as_str(), fault.pointer.as_str()),
            ("text.too_many_segments", "/text")
        );
        assert_eq!(segments_fault(Kind::Mms, &two, 1, "/text"), None);
    }

    #[test]
    fn a_number_is_invalid_before_its_type_is_denied() {
        let invalid = number(false, NumberType::Unknown);
        assert_eq!(number_faults(&invalid, "/to").unwrap().code, "phone.invalid");
        assert_eq!(type_fault(&invalid, &DEFAULT_TYPES, "/to"), None);
        for number_type in NumberType::ALL {
            let valid = number(true, number_type);
            assert_eq!(number_faults(&valid, "/to"), None);
            let denied = type_fault(&valid, &DEFAULT_TYPES, "/to").is_some();
            assert_eq!(denied, !DEFAULT_TYPES.contains(&number_type), "{number_type:?}");
        }
    }

    #[test]
    fn a_message_to_its_own_sender_is_a_loop() {
        let to = E164::parse("+14155550123", "/to").unwrap();
        let mut message =
            Message::plain(MessageId("m1".into()), to.clone(), Sender::Number(to), "hi");
        assert_eq!(same_as_sender_fault(&message, "/to").unwrap().code, "phone.same_as_sender");
        message.sender = Sender::Pool("14155550123".into());
        assert_eq!(same_as_sender_fault(&message, "/to"), None);
    }

    #[test]
    fn no_detail_repeats_the_text() {
        let text = format!("secret-word{}", "a".repeat(2_000));
        let faults = text_faults(&text, Kind::Sms, &Segments::of(&text), "/text");
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert!(!fault.detail.contains("secret"), "{}", fault.detail);
    }
}
