//! The host's place in unit tests: messages to ask about, a clock to set, and fakes behind [`state`](crate::state),
//! [`log`](crate::log), [`metrics`](crate::metrics), [`telecom`](crate::telecom),
//! [`zones`](crate::zones) and [`media`](crate::media).
//!
//! What a policy should say is best written down as cases, in a file ([`cases`]): the same are run against the built
//! module. For the rest a test makes a [`Case`] and asks it. Everything is kept by thread, and a new `Case` forgets what
//! came before.

mod case;
mod cases;
mod convert;
pub(crate) mod fakes;
mod limits;
pub(crate) mod state;
pub(crate) mod zones;

use std::fmt::Write as _;

use crate::{
    Encoding, Facts, Kind, MediaFacts, Message, NumberFacts, NumberType, Receipt, Sender, TextFacts,
};

pub use case::Case;
pub use cases::{Hooks, cases, cases_with};
pub use fakes::{counter, fail_call, know, lines, probed};

/// Noon of 2026-01-05, a Monday, in UTC: the instant at which a [`Case`] begins, in milliseconds since 1970.
pub const NOON_MS: u64 = 1_767_614_400_000;

/// A text to an American handset.
pub fn sms() -> Message {
    Message {
        id: "m1".into(),
        kind: Kind::Sms,
        to: "+14155550123".into(),
        sender: Sender { kind: "number".into(), value: "+14155551212".into() },
        text: "hi".into(),
        media_urls: Vec::new(),
        media_ids: Vec::new(),
        intent: String::new(),
        ttl_s: None,
        not_before_ms: None,
        dedup: String::new(),
        tags: Vec::new(),
    }
}

/// The same with one picture.
pub fn mms() -> Message {
    Message { kind: Kind::Mms, media_urls: vec!["https://cdn.example.com/a.jpg".into()], ..sms() }
}

/// Plivo's report that [`sms`] was delivered.
pub fn receipt() -> Receipt {
    let Message { id, kind, to, sender, intent, .. } = sms();
    Receipt {
        id,
        kind,
        to,
        sender,
        region: "US".into(),
        intent,
        state: "delivered".into(),
        error_code: String::new(),
        units: Some(1),
        total_rate: "0.00500".into(),
    }
}

/// What a host would find out about `message`, roughly: the number is a handset in the US, text in ASCII is GSM 03.38
/// and any other UCS-2, and every media host is public. Change the fields that a test is about.
pub fn facts(message: &Message) -> Facts {
    Facts {
        number: handset("US", 1),
        text: text(&message.text),
        media: message.media_urls.iter().map(|url| media(url)).collect(),
        unknown_fields: Vec::new(),
    }
}

/// A number that may be a handset in `region`.
pub fn handset(region: &str, calling_code: u16) -> NumberFacts {
    NumberFacts {
        valid: true,
        region: region.into(),
        calling_code,
        number_type: NumberType::FixedLineOrMobile,
        zones: vec!["America/New_York".into()],
    }
}

fn text(text: &str) -> TextFacts {
    let (encoding, units, single, each) = if text.is_ascii() {
        (Encoding::Gsm7, text.len(), 160, 153)
    } else {
        (Encoding::Ucs2, text.encode_utf16().count(), 70, 67)
    };
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let segments = if units <= single { 1 } else { units.div_ceil(each) };
    let foreign = text.char_indices().filter(|(_, character)| !character.is_ascii());
    let offsets = foreign.filter_map(|(offset, _)| u32::try_from(offset).ok()).take(16);
    TextFacts { encoding, units, segments, ucs2_offsets: offsets.collect() }
}

fn media(url: &str) -> MediaFacts {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(0)),
        None => (authority, if scheme == "http" { 80 } else { 443 }),
    };
    let file = path.split(['?', '#']).next().unwrap_or_default();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    MediaFacts {
        scheme: scheme.into(),
        host: host.into(),
        port,
        extension: extension.to_ascii_lowercase(),
        host_class: "public".into(),
    }
}

/// Problems as a test prints them.
fn listed(problems: &[crate::Problem]) -> String {
    problems.iter().fold(String::new(), |mut list, problem| {
        // Writing to a string cannot fail.
        let _ = write!(list, "\n  {:?}: {}", problem.pointer, problem.detail);
        list
    })
}

#[cfg(test)]
mod tests {
    use super::{facts, mms, sms};
    use crate::{Encoding, Message};

    #[test]
    fn a_long_text_and_a_foreign_letter_cost_what_the_standard_says() {
        let counted = |text: String| {
            let facts = facts(&Message { text, ..sms() }).text;
            (facts.encoding, facts.units, facts.segments, facts.ucs2_offsets)
        };
        assert_eq!(counted("a".repeat(161)), (Encoding::Gsm7, 161, 2, vec![]));
        assert_eq!(
            counted(format!("ab\u{44f}{}", "a".repeat(68))),
            (Encoding::Ucs2, 71, 2, vec![2])
        );
    }

    #[test]
    fn a_media_url_is_taken_apart() {
        let urls = vec![
            "http://cdn.example.com:8080/a/B.JPG?x=1.y".into(),
            "https://cdn.example.com".into(),
        ];
        let media = facts(&Message { media_urls: urls, ..mms() }).media;
        let parts: Vec<_> = media
            .iter()
            .map(|m| (m.scheme.as_str(), m.host.as_str(), m.port, m.extension.as_str()))
            .collect();
        assert_eq!(
            parts,
            [("http", "cdn.example.com", 8080, "jpg"), ("https", "cdn.example.com", 443, "")]
        );
    }
}
