use std::fmt;

use crate::bindings::sendgate::policy::types;
use crate::{Kind, Sender};

/// One message to one handset, as the app asked for it and as earlier policies amended it.
///
/// `Debug` shows neither text nor numbers nor URLs, so that it may be logged.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Sendgate's own id; the same in every answer, span and record.
    pub id: String,
    /// `Mms` exactly when `media_urls` or `media_ids` has an entry.
    pub kind: Kind,
    /// The handset, in E.164 with its `+`.
    pub to: String,
    /// Who it comes from.
    pub sender: Sender,
    /// May be empty only when there is media.
    pub text: String,
    /// Normalised: no fragment, host in ASCII.
    pub media_urls: Vec<String>,
    /// Media uploaded to Plivo before.
    pub media_ids: Vec<String>,
    /// `otp`, `notification`, `marketing`, …; an open word, empty where the app gave none.
    pub intent: String,
    /// How long it is worth sending, in seconds; absent where the app left it to Plivo (10,800).
    pub ttl_s: Option<u32>,
    /// Not to be sent before this instant, in milliseconds since 1970.
    pub not_before_ms: Option<u64>,
    /// What the app said of repeats: empty, `off`, or a key of its own.
    pub dedup: String,
    /// The app's own labels.
    pub tags: Vec<(String, String)>,
}

impl From<types::Message> for Message {
    fn from(message: types::Message) -> Self {
        Self {
            id: message.id,
            kind: message.kind,
            to: message.to,
            sender: message.sender,
            text: message.text,
            media_urls: message.media_urls,
            media_ids: message.media_ids,
            intent: message.intent,
            ttl_s: message.ttl_s,
            not_before_ms: message.not_before_ms,
            dedup: message.dedup,
            tags: message.tags,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("sender", &self.sender.kind)
            .field("text_bytes", &self.text.len())
            .field("media", &(self.media_urls.len() + self.media_ids.len()))
            .field("intent", &self.intent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[test]
    fn debug_shows_neither_text_nor_number_nor_url() {
        let message = testing::mms();
        let shown = format!("{message:?}");
        for hidden in [&message.to, &message.sender.value, &message.text, &message.media_urls[0]] {
            assert!(!shown.contains(hidden.as_str()), "{hidden:?} is in {shown}");
        }
    }
}
