//! The changes of a message that an app could make, each small enough to be told in a line.

use std::mem;

use message::facts::is_blank;
use message::{Dedup, Encoding, Kind, Message, Segments, Sender, smart_encoding};
use serde_json::{Value, json};

use super::super::order::HORIZON_S;

/// Most other senders that are tried.
pub(super) const SENDERS: usize = 32;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Its media are left out.
    WithoutMedia,
    /// Only so many of its first media.
    Media(u32),
    /// Its typography is made plain, so that it fits GSM 03.38.
    Plain,
    /// Only so many of its first characters.
    Chars(u32),
    /// Another of the app's senders.
    Sender(Sender),
    /// Worth sending for so many seconds.
    Ttl(u32),
    /// The app says that this repeat is meant.
    Meant,
    /// Its `type` says what it is.
    Kind(Kind),
}

/// Something about a message that may be too little or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// The characters of its text.
    Chars,
    /// Its media, URLs and ids together.
    Media,
    /// How long it is worth sending, in seconds.
    Ttl,
}

/// The changes that may help against a refusal with this code, the smallest first. An intent is none of them: it says
/// what a message is.
pub(super) fn edits(message: &Message, code: &str, senders: &[Sender]) -> Vec<Edit> {
    let mut edits = Vec::new();
    if code.starts_with("dup.") && message.dedup == Dedup::Content {
        edits.push(Edit::Meant);
    }
    if is_of_size(code) && smart_encoding(&message.text).is_some() {
        edits.push(Edit::Plain);
    }
    if message.kind() == Kind::Mms && !message.text.trim().is_empty() {
        edits.push(Edit::WithoutMedia);
    }
    let oneself = |sender: &Sender| matches!(sender, Sender::Number(own) if *own == message.to);
    let others = senders.iter().filter(|sender| **sender != message.sender && !oneself(sender));
    edits.extend(others.take(SENDERS).cloned().map(Edit::Sender));
    edits
}

/// The sizes that a refusal with this code may be about.
pub(super) fn sizes(message: &Message, code: &str) -> Vec<Size> {
    // Any policy may have a rule of its own about a text's length.
    let chars = !message.text.is_empty();
    let media = (code == "media.too_many").then_some(Size::Media);
    let ttl = code.ends_with("would_expire").then_some(Size::Ttl);
    chars.then_some(Size::Chars).into_iter().chain(media).chain(ttl).collect()
}

/// Limits and budgets count segments, too.
fn is_of_size(code: &str) -> bool {
    ["text.", "throttle.", "budget."].iter().any(|area| code.starts_with(area))
}

impl Edit {
    /// Whether `other` changes the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        mem::discriminant(self) == mem::discriminant(other)
    }

    /// The message with this change.
    pub(super) fn of(&self, message: &Message) -> Message {
        let mut changed = message.clone();
        match self {
            Self::WithoutMedia => {
                changed.media_urls.clear();
                changed.media_ids.clear();
            }
            Self::Media(most) => {
                let most = *most as usize;
                changed.media_urls.truncate(most);
                changed.media_ids.truncate(most - changed.media_urls.len());
            }
            Self::Plain => {
                changed.text = smart_encoding(&message.text).unwrap_or(changed.text);
            }
            Self::Chars(most) => {
                changed.text = message.text.chars().take(*most as usize).collect();
            }
            Self::Sender(sender) => changed.sender = sender.clone(),
            Self::Ttl(seconds) => changed.ttl_s = Some(*seconds),
            Self::Meant => changed.dedup = Dedup::Off,
            // It follows from the media.
            Self::Kind(_) => {}
        }
        changed
    }

    /// As an app is told of it that sent `message`: member by member.
    pub(super) fn told(&self, message: &Message) -> Vec<Value> {
        let (pointer, detail, value) = match self {
            Self::WithoutMedia => {
                let detail = "leave all media out";
                let one = |pointer| json!({"pointer": pointer, "detail": detail, "value": []});
                return media_of(message).map(one).collect();
            }
            Self::Media(most) => {
                let detail = format!("send at most {most} media, URLs and ids together");
                let pointer = media_of(message).next().unwrap_or("/media_urls");
                (pointer, detail, json!({"max_media": most}))
            }
            Self::Plain => {
                let detail = "write its typography plainly, so that it fits GSM 03.38";
                ("/text", detail.to_owned(), Value::Null)
            }
            Self::Chars(most) => {
                ("/text", format!("shorten it to {most} characters"), json!({"max_chars": most}))
            }
            Self::Sender(sender) => {
                ("/from", "take another of your senders".to_owned(), json!(sender.as_str()))
            }
            Self::Ttl(seconds) => {
                ("/ttl_s", format!("let it be worth sending for {seconds} s"), json!(seconds))
            }
            Self::Meant => {
                let detail = "say that this repeat is meant, where it is";
                ("/dedup", detail.to_owned(), json!("off"))
            }
            Self::Kind(kind) => {
                let kind = kind.as_str();
                ("/type", format!("say that it is {kind}, or leave it out"), json!(kind))
            }
        };
        vec![json!({"pointer": pointer, "detail": detail, "value": value})]
    }
}

/// Where an app finds the media that it gave.
fn media_of(message: &Message) -> impl Iterator<Item = &'static str> {
    let urls = (!message.media_urls.is_empty()).then_some("/media_urls");
    urls.into_iter().chain((!message.media_ids.is_empty()).then_some("/media_ids"))
}

impl Size {
    pub(super) fn edit(self, size: u32) -> Edit {
        match self {
            Self::Chars => Edit::Chars(size),
            Self::Media => Edit::Media(size),
            Self::Ttl => Edit::Ttl(size),
        }
    }

    /// A message of the same size that says something else: where it passes, the refusal was about what this one says.
    pub(super) fn same(self, message: &Message) -> Option<Message> {
        (self == Self::Chars).then(|| Message {
            text: message.text.chars().map(filler).collect(),
            ..message.clone()
        })
    }

    /// The size that is most likely to pass, and the one that is refused.
    pub(super) fn bounds(self, message: &Message) -> Option<(u32, u32)> {
        match self {
            Self::Chars => {
                let chars = u32::try_from(message.text.chars().count()).ok()?;
                // Less shows nothing, and would be refused for that.
                let blank = message.text.chars().take_while(|c| is_blank(*c)).count();
                let least = u32::try_from(blank).ok()? + 1;
                (chars > least).then_some((least, chars))
            }
            Self::Media => {
                let media = message.media_urls.len() + message.media_ids.len();
                let media = u32::try_from(media).ok()?;
                (media > 1).then_some((1, media))
            }
            Self::Ttl => {
                let most = u32::try_from(HORIZON_S).unwrap_or(u32::MAX);
                let own = message.ttl_s.unwrap_or(0);
                (own < most).then_some((most, own))
            }
        }
    }
}

/// Another character that takes as much room.
fn filler(c: char) -> char {
    let one = Segments::of(c.encode_utf8(&mut [0; 4]));
    match (one.encoding, one.units) {
        (Encoding::Gsm7, 1) if c == 'x' => 'y',
        (Encoding::Gsm7, 1) => 'x',
        (Encoding::Gsm7, _) => '|',
        (Encoding::Ucs2, 1) => 'я',
        (Encoding::Ucs2, _) => '😀',
    }
}

#[cfg(test)]
mod tests;
