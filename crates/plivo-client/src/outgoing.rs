//! A message in Plivo's words.

use std::time::Duration;

use message::{Message, Sender, limits};
use serde::{Deserialize, Serialize};

/// A message on its way to Plivo, and what is said with it.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The message.
    pub message: &'a Message,
    /// Where Plivo reports its delivery. It holds the attempt's secret and is never logged.
    pub callback_url: Option<&'a str>,
    /// How long it is still worth sending. Plivo takes 5 to 10,799 s; less becomes 5 s, and more is left to Plivo's own
    /// 10,800 s.
    pub ttl: Option<Duration>,
    /// What Plivo keeps of it.
    pub log: Log,
    /// Whether conversion feedback will follow.
    pub trackable: bool,
    /// What India's regulator wants to know of it, where the app says so.
    pub dlt: Option<&'a Dlt>,
    /// Which attempt this is, counted from 1; for the span only.
    pub attempt: u32,
    /// What the caller calls the account, where it tells several apart; for the span only.
    pub account: Option<&'a str>,
}

/// What Plivo keeps of a message. Plivo's `log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Number and text.
    #[default]
    Everything,
    /// Neither.
    Nothing,
    /// The text only.
    ContentOnly,
    /// The number only.
    NumberOnly,
}

/// What India's regulator wants to know of a message, in Plivo's members: who sends it and which registered text it is
/// (its "distributed ledger", DLT). Plivo's `dlt_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dlt {
    /// The regulator's id of the business.
    #[serde(rename = "dlt_entity_id", skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<String>,
    /// The regulator's id of the text.
    #[serde(rename = "dlt_template_id", skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    /// One of [`Dlt::CATEGORIES`].
    #[serde(rename = "dlt_template_category", skip_serializing_if = "Option::is_none")]
    pub template_category: Option<String>,
}

/// The JSON of a send, as Plivo's SDKs write it: numbers in E.164 with their `+`.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    powerpack_uuid: Option<&'a str>,
    dst: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    media_urls: Vec<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    media_ids: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trackable: Option<bool>,
    #[serde(flatten)]
    dlt: Option<&'a Dlt>,
}

impl<'a> Outgoing<'a> {
    /// A first attempt, with nothing said beside the message.
    pub fn new(message: &'a Message) -> Self {
        Self {
            message,
            callback_url: None,
            ttl: None,
            log: Log::default(),
            trackable: false,
            dlt: None,
            attempt: 1,
            account: None,
        }
    }

    pub(crate) fn to_json(self) -> Vec<u8> {
        let message = self.message;
        let (src, powerpack_uuid) = match &message.sender {
            Sender::Pool(pool) => (None, Some(pool.as_str())),
            sender => (Some(sender.as_str()), None),
        };
        let body = Body {
            src,
            powerpack_uuid,
            dst: message.to.as_str(),
            text: &message.text,
            kind: message.kind().as_str(),
            media_urls: message.media_urls.iter().map(message::MediaUrl::as_str).collect(),
            media_ids: &message.media_ids,
            url: self.callback_url,
            method: self.callback_url.map(|_| "POST"),
            message_expiry: self.ttl.and_then(expiry),
            log: self.log.word(),
            trackable: self.trackable.then_some(true),
            dlt: self.dlt,
        };
        serde_json::to_vec(&body).expect("strings and numbers are always JSON")
    }
}

impl Log {
    /// The value that `word` is Plivo's word for; none where it is no such word.
    pub fn from_word(word: &str) -> Option<Self> {
        let words = [Self::Nothing, Self::ContentOnly, Self::NumberOnly];
        words.into_iter().find(|each| each.word() == Some(word))
    }

    /// Plivo's word; none where it is Plivo's default.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Everything => None,
            Self::Nothing => Some("false"),
            Self::ContentOnly => Some("content_only"),
            Self::NumberOnly => Some("number_only"),
        }
    }
}

impl Dlt {
    /// Plivo's words for a category (Plivo, "Messages").
    pub const CATEGORIES: [&str; 4] =
        ["transactional", "promotional", "service_implicit", "service_explicit"];

    /// Its members as a JSON object, fit to be kept.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings are always JSON")
    }

    /// What [`Dlt::to_json`] wrote; none where it is something else.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Plivo's `message_expiry` (Plivo, "Messages": 5 to 10,799 s, 10,800 by default). Part of a second counts as none.
fn expiry(ttl: Duration) -> Option<u32> {
    let seconds = u32::try_from(ttl.as_secs()).ok()?;
    (seconds <= *limits::EXPIRY_S.end()).then(|| seconds.max(*limits::EXPIRY_S.start()))
}

#[cfg(test)]
mod tests {
    use message::{E164, MessageId};
    use serde_json::{Value, json};

    use super::*;

    fn sms() -> Message {
        Message::plain(
            MessageId("0d0e1f3a-1111-4222-8333-444455556666".into()),
            E164::parse("+14155550123", "/to").unwrap(),
            Sender::parse("+14155551212", "/from").unwrap(),
            "Grüße <b>",
        )
    }

    fn json_of(outgoing: Outgoing<'_>) -> Value {
        serde_json::from_slice(&outgoing.to_json()).unwrap()
    }

    #[test]
    fn an_sms_says_no_more_than_it_must() {
        let expected = json!({
            "src": "+14155551212", "dst": "+14155550123", "text": "Grüße <b>", "type": "sms",
        });
        assert_eq!(json_of(Outgoing::new(&sms())), expected);
    }

    #[test]
    fn a_pool_stands_instead_of_a_sender_and_media_make_an_mms() {
        let pool = "86bbb125-97bb-4d72-89fd-81d5c515b015".to_owned();
        let message = Message {
            sender: Sender::Pool(pool.clone()),
            text: String::new(),
            media_ids: vec!["801c2056".to_owned()],
            ..sms()
        };
        let dlt = Dlt { entity_id: Some("1101".into()), ..Dlt::default() };
        let outgoing = Outgoing {
            callback_url: Some("https://sms.example.com/cb"),
            ttl: Some(Duration::from_secs(60)),
            log: Log::NumberOnly,
            trackable: true,
            dlt: Some(&dlt),
            ..Outgoing::new(&message)
        };
        let expected = json!({
            "powerpack_uuid": pool, "dst": "+14155550123", "type": "mms", "media_ids": ["801c2056"],
            "url": "https://sms.example.com/cb", "method": "POST", "message_expiry": 60, "log": "number_only",
            "trackable": true, "dlt_entity_id": "1101",
        });
        assert_eq!(json_of(outgoing), expected);
    }

    #[test]
    fn what_the_regulator_is_told_is_kept_as_it_was() {
        let all = Dlt {
            entity_id: Some("1101".into()),
            template_id: Some("1107".into()),
            template_category: Some(Dlt::CATEGORIES[2].into()),
        };
        for dlt in [all, Dlt { template_id: Some("1107".into()), ..Dlt::default() }] {
            assert_eq!(Dlt::from_json(&dlt.to_json()), Some(dlt));
        }
        assert_eq!(Dlt::from_json("[]"), None);
    }

    #[test]
    fn an_expiry_is_kept_within_plivos_bounds() {
        let of = |ms| expiry(Duration::from_millis(ms));
        assert_eq!(of(0), Some(5));
        assert_eq!(of(5_999), Some(5));
        assert_eq!(of(10_799_999), Some(10_799));
        assert_eq!(of(10_800_000), None);
        assert_eq!(of(u64::MAX), None);
    }
}
