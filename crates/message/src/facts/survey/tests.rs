use proptest::prelude::*;

use super::*;
use crate::facts::{DEFAULT_TYPES, number_faults, type_fault};
use crate::{Encoding, MessageId, Sender};

fn facts_of(text: &str) -> NumberFacts {
    number(&E164::parse(text, "/to").unwrap())
}

fn verdict(facts: &NumberFacts) -> String {
    number_faults(facts, "/to")
        .or_else(|| type_fault(facts, &DEFAULT_TYPES, "/to"))
        .map_or_else(|| "ok".into(), |fault| fault.code)
}

#[test]
fn numbers_have_the_region_and_type_of_the_reference_data() {
    use NumberType::*;
    for (text, region, number_type) in [
        ("+14155550123", "US", FixedLineOrMobile),
        ("+14725550123", "US", FixedLineOrMobile), // area code of 2023
        ("+12735550123", "CA", FixedLineOrMobile), // announced for 2026
        ("+19835550123", "US", FixedLineOrMobile),
        ("+16045550123", "CA", FixedLineOrMobile),
        ("+18765551234", "JM", Mobile),
        ("+18095551234", "DO", FixedLineOrMobile),
        ("+16715551234", "GU", FixedLineOrMobile),
        ("+13405551234", "VI", FixedLineOrMobile),
        ("+17875551234", "PR", FixedLineOrMobile),
        ("+447911123456", "GG", Mobile),
        ("+447509312345", "JE", Mobile),
        ("+447400123456", "GB", Mobile),
        ("+77011234567", "KZ", Mobile),
        ("+79161234567", "RU", Mobile),
        ("+525512345678", "MX", FixedLineOrMobile),
        ("+5491123456789", "AR", Mobile),
        ("+33612345678", "FR", Mobile),
        ("+989121234567", "IR", Mobile),
        ("+919876543210", "IN", Mobile),
        ("+37744123456", "MC", Mobile),
    ] {
        let facts = facts_of(text);
        assert_eq!((facts.region.as_str(), facts.number_type), (region, number_type), "{text}");
        assert_eq!(verdict(&facts), "ok", "{text}");
    }
}

#[test]
fn numbers_that_are_not_handsets_are_denied_by_type() {
    use NumberType::*;
    for (text, region, number_type) in [
        ("+19005551212", "US", PremiumRate),
        ("+15005550006", "US", Personal),
        ("+18005550199", "US", TollFree),
        ("+80012345678", "001", TollFree),
        ("+441234567890", "GB", FixedLine),
        ("+390612345678", "IT", FixedLine),
        ("+443001234567", "GB", Uan),
        ("+445600000000", "GB", Voip),
    ] {
        let facts = facts_of(text);
        assert_eq!((facts.region.as_str(), facts.number_type), (region, number_type), "{text}");
        assert_eq!(verdict(&facts), "phone.type_denied", "{text}");
    }
}

#[test]
fn subscribers_of_international_networks_have_no_country() {
    use NumberType::*;
    for (text, number_type) in
        [("+88213300655", Voip), ("+870773111632", Mobile), ("+881612345678", Mobile)]
    {
        let facts = facts_of(text);
        assert_eq!((facts.region.as_str(), facts.number_type), ("001", number_type), "{text}");
        assert_eq!(verdict(&facts), "country.non_geographic", "{text}");
    }
}

#[test]
fn numbers_that_nobody_can_have_are_invalid_and_have_no_region() {
    for (text, calling_code) in [
        ("+1415555012", 1),
        ("+141555501234", 1),
        ("+15551234567", 1),
        ("+14150550123", 1),
        ("+12345678", 1),
        ("+447700900123", 44),
        ("+5215512345678", 52),
        ("+99912345678", 0),
    ] {
        let facts = facts_of(text);
        assert_eq!(verdict(&facts), "phone.invalid", "{text}");
        assert_eq!((facts.region.as_str(), facts.zones.len()), ("", 0), "{text}");
        assert_eq!(
            (facts.calling_code, facts.number_type),
            (calling_code, NumberType::Unknown),
            "{text}"
        );
    }
}

#[test]
fn a_number_that_the_reference_would_rewrite_is_invalid() {
    // National prefixes left in after the calling code: the parser drops them and calls the rest valid.
    for text in ["+4407400123456", "+49015123456789", "+330612345678", "+610412345678"] {
        let facts = facts_of(text);
        assert_eq!(verdict(&facts), "phone.invalid", "{text}");
        let parsed = NUMBERING.parse(text, None).unwrap();
        assert!(NUMBERING.is_valid_number(&parsed), "{text} no longer shows what this test is for");
    }
}

#[test]
fn zones_come_from_the_area_of_the_number() {
    assert_eq!(facts_of("+12125550123").zones, ["America/New_York"]);
    assert_eq!(facts_of("+447911123456").zones, facts_of("+447400123456").zones);
    assert_eq!(facts_of("+33612345678").zones, ["Europe/Paris"]);
}

#[test]
fn a_survey_joins_number_text_media_and_unknown_fields() {
    let media = ["https://cdn.example.com/a.JPG", "http://10.0.0.1:9000/b"];
    let message = Message {
        media_urls: media.iter().map(|raw| MediaUrl::parse(raw, "").unwrap().0).collect(),
        ..Message::plain(
            MessageId("m1".into()),
            E164::parse("+14155550123", "/to").unwrap(),
            Sender::Pool("pool".into()),
            "It’s here",
        )
    };
    let facts = survey(&message, vec!["/colour".into()]).unwrap();
    assert_eq!(facts.number.region, "US");
    assert_eq!((facts.text.encoding, facts.text.units), (Encoding::Ucs2, 9));
    let seen: Vec<_> =
        facts.media.iter().map(|m| (m.host.as_str(), m.port, m.extension.as_str())).collect();
    assert_eq!(seen, [("cdn.example.com", 443, "jpg"), ("10.0.0.1", 9000, "")]);
    assert_eq!(facts.unknown_fields, ["/colour"]);
}

#[test]
fn a_region_is_one_that_numbers_may_have() {
    for region in ["US", "GB", "GG", "PR", "XK", "001"] {
        assert!(is_region(region), "{region}");
    }
    for none in ["UK", "ZZ", "AQ", "usa", "us", "", "*", "150"] {
        assert!(!is_region(none), "{none}");
    }
}

#[test]
fn warming_up_can_be_repeated() {
    warm_up();
    warm_up();
    assert!(facts_of("+14155550123").valid);
}

proptest! {
    #[test]
    fn validity_is_what_the_reference_says_of_canonical_numbers(text in "\\+(1[2-9][0-9]{9}|[1-9][0-9]{7,12})") {
        let facts = facts_of(&text);
        let reference = NUMBERING.parse(&text, None).ok().is_some_and(|parsed| {
            NUMBERING.is_valid_number(&parsed) && NUMBERING.format(&parsed, PhoneNumberFormat::E164) == text
        });
        prop_assert_eq!(facts.valid, reference, "{}", text);
        prop_assert_eq!(facts.valid, !facts.region.is_empty());
    }
}
