//! What a redacted log shows, and what it does not.

use std::collections::HashSet;

use message::facts;
use message::{E164, Segments};
use proptest::prelude::*;
use serde_json::json;
use store::Secret;

use super::own::parts;
use super::{Own, Redactor, is_plain};
use crate::decisions::form::Bytes;

fn redactor() -> Redactor {
    Redactor::new(&Secret::from_words(b"key"), false, false)
}

#[test]
fn a_number_becomes_another_of_its_country_prefix_and_kind_and_always_the_same() {
    let (mut one, mut another) = (redactor(), redactor());
    let numbers =
        ["+14155550123", "+447911123456", "+33612345678", "+919876543210", "+8801712345678"];
    for number in numbers {
        let shown = one.number(number);
        assert_eq!(shown, another.number(number), "another thread, another number");
        assert_ne!(shown, number);
        assert_eq!(shown[..number.len() - 6], number[..number.len() - 6]);
        let found = |number: &str| facts::number(&E164::parse(number, "").unwrap());
        assert_eq!(found(&shown), found(number), "{number}");
    }
    let near = (0..50).map(|nth| one.number(&format!("+141555501{nth:02}")));
    assert_eq!(near.collect::<HashSet<_>>().len(), 50, "two numbers became one");
    let mut keyed = Redactor::new(&Secret::from_words(b"other"), false, false);
    assert_ne!(keyed.number("+14155550123"), one.number("+14155550123"));
    assert_ne!(keyed.key(), one.key());
}

#[test]
fn values_and_remarks_are_shown_where_they_are_short_and_no_number_and_no_text() {
    for plain in ["", "12", "0.0055", "1795571400000 7", "US", "out 1795571400"] {
        assert!(is_plain(plain, &Own::default()), "{plain}");
    }
    let hidden =
        ["+14155550123", "14155550123", "x 4155550123", "two words", "Zürich", "86138001380001"];
    for hidden in hidden {
        assert!(!is_plain(hidden, &Own::default()), "{hidden}");
    }
    let mut redactor = redactor();
    assert_eq!(redactor.bytes(b"12 3", &Own::default()), Bytes::Text("12 3".into()));
    assert!(matches!(redactor.bytes(&[0xff, 0], &Own::default()), Bytes::Hash(_)));
    let settings = json!({
        "verified": ["+14155550123"], "by": {"+14155550123": {"hash_salt": "s"}}, "n": 7, "name": "x",
    });
    let other = redactor.number("+14155550123");
    let shown = redactor.settings(&settings);
    assert_eq!(shown["verified"], json!([other]));
    assert_ne!(shown["by"][&other]["hash_salt"], "s");
    assert_eq!((&shown["n"], &shown["name"]), (&json!(7), &json!("x")));
    let mut whole = Redactor::new(&Secret::from_words(b"key"), true, true);
    assert_eq!((whole.settings(&settings), whole.key()), (settings, None));
}

#[test]
fn nothing_below_the_name_of_a_secret_and_no_number_of_settings_is_shown() {
    let settings = json!({
        "apiToken": "tok-X", "api_key": "X-1", "token": ["X-2", {"X-3": 31_337, "on": true}],
        "Signing-Key": "X-4", "db_PASSWORD": {"of": "X-5"}, "hmacs": ["X-6"], "privateUrl": "X-7",
        "vip": ["14155550123", "tel:+14155550123", "tel:14155550123", "+14155550123, 4155550123"],
        "passphrase": "X-8", "access_key_id": "X-9", "https://h.example/?k=X-10": 1, "of": "redis://:X-11@cache/0",
        "by": {"14155550123": 1}, "n": 86_400_000, "zone": "Europe/Berlin", "allow": ["US", "+1900"],
    });
    let mut redactor = redactor();
    let shown = redactor.settings(&settings);
    let text = shown.to_string();
    for hidden in ["tok-X", "X-", "31337", "5550123"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let other = redactor.number("+14155550123");
    assert_eq!(shown["vip"][0], other[1..], "equal numbers stay equal, however they are written");
    assert_eq!(shown["vip"][1], format!("tel:{other}"));
    assert!(shown["of"].as_str().is_some_and(|url| url.starts_with("redis://cache/0?")), "{text}");
    for shows in ["n", "zone"] {
        assert_eq!(shown[shows], settings[shows]);
    }
    assert_eq!(shown["allow"][0], "US");
}

#[test]
fn what_a_text_holds_is_repeated_by_no_remark_and_no_key_of_one() {
    let text = "Your one-time code is 493021, Somebody".to_owned();
    let own = Own {
        numbers: vec!["14155550123".to_owned()],
        parts: parts(&text.to_lowercase()).map(str::to_owned).collect(),
        text,
    };
    let redactor = redactor();
    for hidden in [
        "493021",
        "code=493021",
        "4930",
        "somebody",
        "SOMEBODY",
        "somebod",
        "14155550123",
        "123 1",
        "x=550",
    ] {
        assert_ne!(redactor.remark(hidden, &own), hidden);
        assert_ne!(redactor.key_of(hidden, &own), hidden);
        assert!(matches!(redactor.bytes(hidden.as_bytes(), &own), Bytes::Hash(_)), "{hidden}");
    }
    for shown in ["retry", "US", "12", "415", "4994", "code"] {
        assert_eq!(
            (redactor.remark(shown, &own), redactor.key_of(shown, &own)),
            (shown.into(), shown.into())
        );
    }
    let field = redactor.field("/somebody");
    assert!(field.starts_with('/') && !field.contains("somebody"), "{field}");
}

#[test]
fn labels_keep_zones_and_addresses_become_others() {
    let redactor = redactor();
    let shown = |key: &str, value: &str| redactor.tag(&(key.to_owned(), value.to_owned()));
    assert_eq!(shown("recipient_tz", "Asia/Tokyo").1, "Asia/Tokyo");
    for address in ["203.0.113.9", "2001:db8::1"] {
        let (key, value) = shown("end_user_ip", address);
        assert_eq!(key, "end_user_ip");
        assert!(value != address && value.parse::<std::net::IpAddr>().is_ok(), "{value}");
    }
    assert_ne!(shown("14155550123", "x").0, "14155550123");
    let url = redactor.url("https://cdn.example.com/private/somebody.jpg?t=1", "jpg");
    assert!(url.starts_with("https://cdn.example.com/") && url.ends_with(".jpg"), "{url}");
    assert!(!url.contains("somebody") && !url.contains("private"), "{url}");
}

proptest! {
    #[test]
    fn the_shape_of_a_text_costs_what_the_text_does(text in "\\PC{0,200}") {
        let shape = redactor().text(&text);
        prop_assert_eq!(Segments::of(&shape), Segments::of(&text));
        prop_assert_eq!(redactor().text(&shape), shape);
    }
}
