use std::fmt;

use message::Message;
use sha2::{Digest, Sha256};

/// What a request asks for, one hash a field: equal requests have equal fingerprints however they were written down.
///
/// It is taken over normalised fields, so the order of members, white space and the punctuation of numbers do not count.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// In a fixed order.
    fields: Vec<(&'static str, [u8; 32])>,
}

impl Fingerprint {
    /// The fingerprint of a request by the values of its fields, as it asks for them itself: what configuration or policies
    /// add must not count, since it may have changed when the request comes again.
    pub fn over(fields: &[(&'static str, Vec<String>)]) -> Self {
        let hash = |values: &[String]| {
            let mut parts = Parts::default();
            parts.list(values.iter().map(String::as_str));
            parts.hash()
        };
        Self { fields: fields.iter().map(|(name, values)| (*name, hash(values))).collect() }
    }

    /// The fingerprint of a request by its operation (the door) and its messages, one for each recipient.
    ///
    /// Ids, tags, `callback_url` and what the app said of repeats do not count: they change no handset's message.
    pub fn of(operation: &str, messages: &[Message]) -> Self {
        let each = |field: fn(&Message, &mut Parts)| {
            let mut parts = Parts::default();
            messages.iter().for_each(|message| field(message, &mut parts));
            parts.hash()
        };
        let mut operation_parts = Parts::default();
        operation_parts.add(operation);
        let fields = vec![
            ("operation", operation_parts.hash()),
            ("to", each(|message, parts| parts.add(message.to.as_str()))),
            (
                "from",
                each(|message, parts| {
                    parts.add(message.sender.kind());
                    parts.add(message.sender.as_str());
                }),
            ),
            ("type", each(|message, parts| parts.add(message.kind().as_str()))),
            ("text", each(|message, parts| parts.add(&message.text))),
            (
                "media_urls",
                each(|message, parts| {
                    parts.list(message.media_urls.iter().map(|url| url.as_str()))
                }),
            ),
            (
                "media_ids",
                each(|message, parts| parts.list(message.media_ids.iter().map(String::as_str))),
            ),
            ("intent", each(|message, parts| parts.add(&message.intent))),
            ("ttl_s", each(|message, parts| parts.number(message.ttl_s.map(u64::from)))),
            ("not_before", each(|message, parts| parts.number(message.not_before.map(|at| at.0)))),
        ];
        Self { fields }
    }

    /// The names of the fields that differ.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.fields.iter().zip(&other.fields);
        pairs.filter(|(mine, theirs)| mine != theirs).map(|(mine, _)| mine.0).collect()
    }
}

/// Hashes of short secrets can be guessed back, so `Debug` shows the names only.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(name, _)| name)).finish()
    }
}

/// A field's values, each with its length, so that no two lists of values run together alike.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, value: &str) {
        self.0.update((value.len() as u64).to_be_bytes());
        self.0.update(value);
    }

    fn list<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a str>) {
        self.0.update((values.len() as u64).to_be_bytes());
        values.for_each(|value| self.add(value));
    }

    fn number(&mut self, value: Option<u64>) {
        self.add(&value.map(|number| number.to_string()).unwrap_or_default());
    }

    fn hash(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
