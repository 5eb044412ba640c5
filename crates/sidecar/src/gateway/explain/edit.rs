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
}

/// Something about a message that may be too little or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// The characters of its text.
    Chars,
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
    let ttl = code.ends_with("would_expire").then_some(Size::Ttl);
    chars.then_some(Size::Chars).into_iter().chain(ttl).collect()
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
            Self::Plain => {
                changed.text = smart_encoding(&message.text).unwrap_or(changed.text);
            }
            Self::Chars(most) => {
                changed.text = message.text.chars().take(*most as usize).collect();
            }
            Self::Sender(sender) => changed.sender = sender.clone(),
            Self::Ttl(seconds) => changed.ttl_s = Some(*seconds),
            Self::Meant => changed.dedup = Dedup::Off,
        }
        changed
    }

    /// As an app is told of it that sent `message`.
    pub(super) fn to_json(&self, message: &Message) -> Value {
        let (pointer, detail, value) = match self {
            Self::WithoutMedia => {
                let ids = message.media_urls.is_empty();
                let pointer = if ids { "/media_ids" } else { "/media_urls" };
                let detail = "leave all media out, and a `type` that says `mms`";
                (pointer, detail.to_owned(), json!([]))
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
        };
        json!({"pointer": pointer, "detail": detail, "value": value})
    }
}

impl Size {
    pub(super) fn edit(self, size: u32) -> Edit {
        match self {
            Self::Chars => Edit::Chars(size),
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
mod tests {
    use message::{E164, MediaUrl, MessageId};

    use super::*;

    fn message(text: &str) -> Message {
        Message {
            id: MessageId("01a2".into()),
            to: E164::parse("+14155550123", "").unwrap(),
            sender: Sender::parse("+14155551212", "").unwrap(),
            text: text.into(),
            media_urls: vec![],
            media_ids: vec![],
            intent: String::new(),
            ttl_s: None,
            not_before: None,
            callback_url: None,
            dedup: Dedup::Content,
            tags: vec![],
        }
    }

    #[test]
    fn only_what_may_help_is_tried() {
        let senders = [Sender::ShortCode("12345".into()), message("").sender];
        let other = Edit::Sender(senders[0].clone());
        let other_alone = std::slice::from_ref(&other);
        let tried = |message: &Message, code: &str| edits(message, code, &senders);
        assert_eq!(tried(&message("hi"), "dup.content"), [Edit::Meant, other.clone()]);
        let keyed = Message { dedup: Dedup::Key("k".into()), ..message("hi") };
        assert_eq!(tried(&keyed, "dup.content"), other_alone);
        assert_eq!(tried(&message("it’s"), "text.too_long"), [Edit::Plain, other.clone()]);
        assert_eq!(tried(&message("it’s"), "country.not_allowed"), other_alone);
        let (url, _) = MediaUrl::parse("https://cdn.example.com/a.jpg", "").unwrap();
        let mms = Message { media_urls: vec![url], ..message("hi") };
        assert_eq!(tried(&mms, "mms.not_allowed"), [Edit::WithoutMedia, other.clone()]);
        let bare = Message { text: String::new(), ..mms };
        assert_eq!(tried(&bare, "mms.not_allowed"), other_alone);
        assert_eq!(sizes(&message("hi"), "budget.exceeded"), [Size::Chars]);
        assert_eq!(sizes(&message(""), "quiet.would_expire"), [Size::Ttl]);
        assert_eq!(sizes(&message("hi"), "throttle.would_expire"), [Size::Chars, Size::Ttl]);
        assert_eq!(sizes(&message(""), "acme.too_long"), []);
    }

    #[test]
    fn a_change_changes_what_it_says_and_no_character_is_cut_in_two() {
        let shorter = Edit::Chars(2).of(&message("añ😀b"));
        assert_eq!(shorter.text, "añ");
        assert_eq!(Edit::Chars(3).of(&message("añ😀b")).text, "añ😀");
        assert_eq!(Edit::Plain.of(&message("it’s")).text, "it's");
        assert_eq!(Size::Chars.same(&message("abx\u{20ac}")).unwrap().text, "xxy|");
        assert_eq!(Size::Chars.same(&message("añ\u{2019}😂")).unwrap().text, "xxя😀");
        assert_eq!(Size::Chars.bounds(&message("a")), None);
        assert_eq!(Size::Chars.bounds(&message("\n\n a lot")), Some((4, 8)));
        assert_eq!(Size::Chars.bounds(&message("\u{200f} שלום")), Some((3, 6)));
        assert_eq!(Size::Chars.bounds(&message(" \n")), None);
        assert_eq!(Size::Ttl.bounds(&message("a")), Some((604_800, 0)));
    }
}
