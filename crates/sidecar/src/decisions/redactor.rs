//! What of a message, of settings and of what policies remember a log may show.
//!
//! What policies rest on stays: a number's country, prefix and type, the length of a text and the kinds of its
//! characters, hosts of media. So most decide the same about what is left. Equal numbers stay equal, in messages and in
//! settings; nobody without the key finds them back.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use message::facts::{self, NumberFacts};
use message::{E164, Timestamp, smart_encoding};
use serde_json::Value;
use store::Secret;

use super::form::Bytes;

/// Most digits of a number that are replaced, and fewest that stay: a calling code and a little more.
const HIDDEN: usize = 6;
const SHOWN: usize = 3;
/// How often another number is tried that the reference data knows for the same kind.
const TRIES: u8 = 64;
/// Most numbers that are remembered, so that a number is not looked for again.
const REMEMBERED: usize = 10_000;
/// Longest value of a note, or under a key, that may be shown.
const PLAIN_BYTES: usize = 64;
/// Fewest digits in a row that may be a number.
const NUMBER_DIGITS: usize = 7;
/// Settings whose values are nobody's business.
const SECRETS: [&str; 4] = ["salt", "secret", "token", "password"];

/// Takes out what a log must not show.
#[derive(Debug)]
pub(crate) struct Redactor {
    pub(super) whole_text: bool,
    pub(super) whole_numbers: bool,
    secret: Secret,
    numbers: HashMap<Box<str>, Box<str>>,
}

impl Redactor {
    /// With a key of its own, derived from `secret`.
    pub(crate) fn new(secret: &Secret, whole_text: bool, whole_numbers: bool) -> Self {
        let secret = secret.derive("decision log");
        Self { whole_text, whole_numbers, secret, numbers: HashMap::new() }
    }

    /// Whether nothing is taken out.
    pub(crate) fn shows_all(&self) -> bool {
        self.whole_text && self.whole_numbers
    }

    /// What tells its key from others; nothing where there is nothing to hash.
    pub(crate) fn key(&self) -> Option<String> {
        (!self.shows_all()).then(|| self.hash("key", ""))
    }

    /// A number of the same country, prefix and kind, as far as there is one.
    pub(super) fn number(&mut self, number: &str) -> String {
        if self.whole_numbers {
            return number.to_owned();
        }
        if let Some(known) = self.numbers.get(number) {
            return known.to_string();
        }
        let other = self.another(number);
        if self.numbers.len() >= REMEMBERED {
            self.numbers.clear();
        }
        self.numbers.insert(number.into(), other.as_str().into());
        other
    }

    fn another(&self, number: &str) -> String {
        let hidden = HIDDEN.min(number.len().saturating_sub(1 + SHOWN));
        let (shown, rest) = number.split_at(number.len() - hidden);
        let kind = E164::parse(number, "").ok().map(|number| facts::number(&number));
        let tries = (0..TRIES).map(|nth| {
            let hash = self.secret.hash(&[b"number", number.as_bytes(), &[nth]]);
            let digits = hash.iter().take(hidden).map(|byte| char::from(b'0' + byte % 10));
            digits.collect::<String>()
        });
        let mut tries =
            tries.filter(|digits| digits != rest).map(|digits| format!("{shown}{digits}"));
        let first = tries.next();
        let is_alike = |other: &String| is_alike(other, kind.as_ref());
        let alike = first.iter().cloned().chain(tries).find(is_alike);
        alike.or(first).unwrap_or_else(|| shown.to_owned())
    }

    /// The text with other letters and digits: as long, of the same alphabet and punctuation.
    pub(super) fn text(&self, text: &str) -> String {
        if self.whole_text { text.to_owned() } else { text.chars().map(shape).collect() }
    }

    /// A keyed hash of `word`, which is a `what`.
    pub(super) fn hash(&self, what: &str, word: &str) -> String {
        let hash = self.secret.hash(&[what.as_bytes(), word.as_bytes()]);
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The URL's place with another path.
    pub(super) fn url(&self, url: &str, extension: &str) -> String {
        let place = url.find("://").and_then(|at| url[at + 3..].find('/').map(|end| at + 3 + end));
        let (place, path) = url.split_at(place.unwrap_or(url.len()));
        let dot = if extension.is_empty() { "" } else { "." };
        format!("{place}/{}{dot}{extension}", self.hash("url", path))
    }

    /// A label: of its value stays what policies read zones and addresses from.
    pub(super) fn tag(&self, (key, value): &(String, String)) -> (String, String) {
        if self.whole_text {
            return (key.clone(), value.clone());
        }
        let is_zone = !facts::offsets(value, Timestamp(0), Timestamp(0)).is_empty();
        let hash = || self.secret.hash(&[b"address", value.as_bytes()]);
        let value = match value.parse() {
            _ if is_zone => value.clone(),
            Ok(IpAddr::V4(_)) => {
                let [a, b, c, d, ..] = hash();
                Ipv4Addr::from([a, b, c, d]).to_string()
            }
            Ok(IpAddr::V6(_)) => {
                let mut address = [0; 16];
                address.copy_from_slice(&hash()[..16]);
                Ipv6Addr::from(address).to_string()
            }
            Err(_) => self.hash("tag", value),
        };
        (self.name(key), value)
    }

    /// A name that an app's author gave, which is shown unless it may hold a number.
    pub(super) fn name(&self, name: &str) -> String {
        let fits = name.len() <= PLAIN_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
        let mut parts = name.split(|c: char| !c.is_ascii_digit());
        let shows = self.shows_all() || fits && parts.all(|digits| digits.len() < NUMBER_DIGITS);
        if shows { name.to_owned() } else { self.hash("name", name) }
    }

    /// `text` where it is a few plain words that are no number, and nothing of `own`; else its hash.
    pub(super) fn remark(&self, text: &str, own: &[&str]) -> String {
        if self.shows_all() || is_plain(text, own) {
            text.to_owned()
        } else {
            self.hash("value", text)
        }
    }

    /// What stands under a key, by the same rule.
    pub(super) fn bytes(&self, value: &[u8], own: &[&str]) -> Bytes {
        match std::str::from_utf8(value) {
            Ok(text) if self.shows_all() || is_plain(text, own) => Bytes::Text(text.to_owned()),
            Err(_) if self.shows_all() => Bytes::Base64(super::written::base64(value)),
            _ => {
                let hash = self.secret.hash(&[b"bytes", value]);
                Bytes::Hash(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }

    /// Settings with numbers replaced as in messages, and without secrets.
    pub(crate) fn settings(&mut self, settings: &Value) -> Value {
        if self.shows_all() {
            return settings.clone();
        }
        match settings {
            Value::String(text) if E164::parse(text, "").is_ok() => self.number(text).into(),
            Value::Array(items) => items.iter().map(|item| self.settings(item)).collect(),
            Value::Object(members) => {
                let mut shown = serde_json::Map::new();
                for (name, value) in members {
                    let value = match value {
                        Value::String(text) if is_secret(name) => self.hash("secret", text).into(),
                        other => self.settings(other),
                    };
                    let is_number = E164::parse(name, "").is_ok();
                    let name = if is_number { self.number(name) } else { name.clone() };
                    shown.insert(name, value);
                }
                Value::Object(shown)
            }
            other => other.clone(),
        }
    }
}

fn is_alike(other: &str, kind: Option<&NumberFacts>) -> bool {
    E164::parse(other, "").ok().map(|other| facts::number(&other)).as_ref() == kind
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.ends_with(secret))
}

/// A character of the same kind and width as `c`.
fn shape(c: char) -> char {
    // What stands for itself: white space and punctuation, typography that policies make plain among it.
    let plain = |c: char| c.is_ascii() || smart_encoding(c.encode_utf8(&mut [0; 4])).is_some();
    match c {
        'a'..='z' => 'x',
        'A'..='Z' => 'X',
        '0'..='9' => '0',
        _ if plain(c) => c,
        _ if message::Segments::of(c.encode_utf8(&mut [0; 4])).ucs2_offsets.is_empty() => {
            // In the alphabet: letters of two bytes, and signs such as the euro.
            if c.is_alphabetic() { 'é' } else { c }
        }
        _ => match c.len_utf8() {
            2 => 'я',
            3 => '中',
            _ => '😀',
        },
    }
}

/// Short, of digits, signs and at most one word, without a number, and with nothing of `own` in it.
fn is_plain(text: &str, own: &[&str]) -> bool {
    let signs = " .:,;/_=+-";
    let fits = text.len() <= PLAIN_BYTES
        && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c));
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| word.bytes().any(|b| b.is_ascii_alphabetic())).count();
    fits && words <= 1 && !has_number(text) && !own.iter().any(|own| text.contains(own))
}

/// Whether `text` may hold a number: so many digits in a row, unless they are an instant, in seconds or milliseconds. No
/// number that begins with 1 has ten digits, or thirteen.
fn has_number(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    let is_instant = |run: &str| run.starts_with('1') && (run.len() == 10 || run.len() == 13);
    text.contains('+') || runs.filter(|run| run.len() >= NUMBER_DIGITS).any(|run| !is_instant(run))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use message::facts;
    use message::{E164, Segments};
    use proptest::prelude::*;
    use serde_json::json;
    use store::Secret;

    use super::{Redactor, is_plain};
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
            assert!(is_plain(plain, &[]), "{plain}");
        }
        let hidden = [
            "+14155550123",
            "14155550123",
            "x 4155550123",
            "two words",
            "Zürich",
            "86138001380001",
        ];
        for hidden in hidden {
            assert!(!is_plain(hidden, &[]), "{hidden}");
        }
        assert!(!is_plain("493021", &["493021"]), "the text itself");
        let mut redactor = redactor();
        assert_eq!(redactor.bytes(b"12 3", &[]), Bytes::Text("12 3".into()));
        assert!(matches!(redactor.bytes(&[0xff, 0], &[]), Bytes::Hash(_)));
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
}
