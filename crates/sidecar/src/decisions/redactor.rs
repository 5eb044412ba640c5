//! What of a message, of settings and of what policies remember a log may show.
//!
//! What policies rest on stays: a number's country, prefix and type, the length of a text and the kinds of its
//! characters, hosts of media. So most decide the same about what is left. Equal numbers stay equal, in messages and in
//! settings; nobody without the key finds them back.

mod own;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use message::facts::{self, NumberFacts};
use message::{E164, Timestamp, smart_encoding};
use serde_json::Value;
use store::Secret;
use telemetry::is_secret_name;

pub(crate) use self::own::Own;
use self::own::{PLAIN_BYTES, is_plain};
use super::form::Bytes;
use crate::config::hidden::bare_address;

/// Most digits of a number that are replaced, and fewest that stay: a calling code and a little more.
const HIDDEN: usize = 6;
const SHOWN: usize = 3;
/// How often another number is tried that the reference data knows for the same kind.
const TRIES: u8 = 64;
/// Most numbers that are remembered, so that a number is not looked for again.
const REMEMBERED: usize = 10_000;
/// Fewest digits in a row that may be a number.
const NUMBER_DIGITS: usize = 7;
/// Most digits that a number has.
const MOST_DIGITS: usize = 15;
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

    /// A name that a policy gave, by the rule of [`name`](Self::name), and with nothing of `own`.
    pub(super) fn key_of(&self, name: &str, own: &Own) -> String {
        if !self.shows_all() && own.is_in(name) { self.hash("name", name) } else { self.name(name) }
    }

    /// The name of a field that nobody knows, which an app may have put anything into.
    pub(super) fn field(&self, name: &str) -> String {
        if self.whole_text { self.name(name) } else { format!("/{}", self.hash("field", name)) }
    }

    /// `text` where it is a few plain words that are no number, and nothing of `own`; else its hash.
    pub(super) fn remark(&self, text: &str, own: &Own) -> String {
        if self.shows_all() || is_plain(text, own) {
            text.to_owned()
        } else {
            self.hash("value", text)
        }
    }

    /// What stands under a key, by the same rule.
    pub(super) fn bytes(&self, value: &[u8], own: &Own) -> Bytes {
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
            Value::String(text) => self.setting(text).into(),
            Value::Array(items) => items.iter().map(|item| self.settings(item)).collect(),
            Value::Object(members) => {
                let mut shown = serde_json::Map::new();
                for (name, value) in members {
                    let value = if is_secret_name(name) {
                        self.hidden(value)
                    } else {
                        self.settings(value)
                    };
                    shown.insert(self.setting(name), value);
                }
                Value::Object(shown)
            }
            other => other.clone(),
        }
    }

    /// Of an address with a user or a query, its place, and a hash that tells it from others.
    fn setting(&mut self, text: &str) -> String {
        match bare_address(text) {
            Some(bare) => format!("{}?{}", self.numbers_in(&bare), self.hash("secret", text)),
            None => self.numbers_in(text),
        }
    }

    /// All that stands below the name of a secret.
    fn hidden(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.hash("secret", text).into(),
            Value::Number(number) => self.hash("secret", &number.to_string()).into(),
            Value::Array(items) => items.iter().map(|item| self.hidden(item)).collect(),
            Value::Object(members) => {
                let member =
                    |(name, value): (&String, _)| (self.hash("secret", name), self.hidden(value));
                Value::Object(members.iter().map(member).collect())
            }
            // Of these there is nothing to know.
            Value::Bool(_) | Value::Null => value.clone(),
        }
    }

    /// `text` with other numbers, where it holds some: with `+`, after `tel:`, or as digits alone.
    fn numbers_in(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(at);
            let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
            let (digits, after) = from.split_at(end);
            shown.push_str(before);
            // With its sign a number is one, however short.
            let is_number = E164::parse(&format!("+{digits}"), "").is_ok() && before.ends_with('+');
            if is_number || (NUMBER_DIGITS..=MOST_DIGITS).contains(&digits.len()) {
                shown.push_str(self.number(&format!("+{digits}")).trim_start_matches('+'));
            } else {
                shown.push_str(digits);
            }
            rest = after;
        }
        shown.push_str(rest);
        shown
    }
}

fn is_alike(other: &str, kind: Option<&NumberFacts>) -> bool {
    E164::parse(other, "").ok().map(|other| facts::number(&other)).as_ref() == kind
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

#[cfg(test)]
mod tests;
