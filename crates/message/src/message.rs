use std::fmt;

use crate::{E164, MediaUrl, Sender, Timestamp};

/// Most bytes of an intent.
const INTENT_BYTES: usize = 64;

/// Sendgate's own id of a message: a UUID in its usual text form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub Box<str>);

impl MessageId {
    /// The one that somebody names: UUIDs are read in either case (RFC 9562 section 4).
    pub fn named(text: &str) -> Self {
        Self(text.to_ascii_lowercase().into())
    }

    /// Whether it has the form of those that are made here: UUIDv7 (RFC 9562, section 5.7), which grow with time.
    pub fn grows_with_time(&self) -> bool {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        self.0.len() == 36
            && self.0.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                14 => b == b'7',
                _ => is_hex(b),
            })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a message carries media. Plivo's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text only.
    Sms,
    /// Text, or none, with media.
    Mms,
}

impl Kind {
    /// Plivo's word: `sms` or `mms`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Mms => "mms",
        }
    }
}

/// What the app said of repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dedup {
    /// Nothing: the policy decides by content.
    #[default]
    Content,
    /// This repeat is meant.
    Off,
    /// Equal keys are repeats, whatever the content.
    Key(String),
}

impl Dedup {
    /// The contract's form: empty, `off`, or the key.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Content => "",
            Self::Off => "off",
            Self::Key(key) => key,
        }
    }
}

/// One send to one handset, well formed but not yet allowed.
///
/// `Debug` shows neither text nor whole numbers nor URLs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// Sendgate's own id.
    pub id: MessageId,
    /// The handset.
    pub to: E164,
    /// Who it comes from.
    pub sender: Sender,
    /// The text; empty only where there is media.
    pub text: String,
    /// Media by URL; with `media_ids` at most ten.
    pub media_urls: Vec<MediaUrl>,
    /// Media uploaded to Plivo before.
    pub media_ids: Vec<String>,
    /// `otp`, `notification`, `marketing`, …; an open word, empty where the app gave none.
    pub intent: String,
    /// How long it is worth sending, in seconds.
    pub ttl_s: Option<u32>,
    /// Not to be sent before this instant.
    pub not_before: Option<Timestamp>,
    /// Where the app wants to hear of its delivery.
    pub callback_url: Option<String>,
    /// What the app said of repeats.
    pub dedup: Dedup,
    /// The app's own labels, in the order given.
    pub tags: Vec<(String, String)>,
}

impl Message {
    /// A text of which its app said no more; repeats are told by content.
    pub fn plain(id: MessageId, to: E164, sender: Sender, text: impl Into<String>) -> Self {
        Self {
            id,
            to,
            sender,
            text: text.into(),
            media_urls: Vec::new(),
            media_ids: Vec::new(),
            intent: String::new(),
            ttl_s: None,
            not_before: None,
            callback_url: None,
            dedup: Dedup::Content,
            tags: Vec::new(),
        }
    }

    /// `Mms` exactly when there is media.
    pub fn kind(&self) -> Kind {
        if self.media_urls.is_empty() && self.media_ids.is_empty() { Kind::Sms } else { Kind::Mms }
    }
}

/// Whether a message can have this intent: none at all, or 1 to 64 lower-case letters, digits, `_` and `-`. Whoever
/// takes capitals makes them small first, so that nobody has to compare without case.
pub fn is_intent(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    text.len() <= INTENT_BYTES && text.bytes().all(is_part)
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind())
            .field("to", &self.to)
            .field("sender", &self.sender)
            .field("text_bytes", &self.text.len())
            .field("media", &(self.media_urls.len() + self.media_ids.len()))
            .finish_non_exhaustive()
    }
}
