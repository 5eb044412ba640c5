//! The parts of a request that all its recipients share.

use message::{
    Change, Dedup, E164, Fault, Kind, MediaUrl, Message, MessageId, Segments, Sender, Timestamp,
    facts, is_intent, limits,
};
use url::Url;
use uuid::Uuid;

use super::super::faults::Faults;
use super::super::json::DUPLICATE;
use super::super::order::{At, Order};
use super::{change, labels, schedule, sender};
use crate::config::{App, Plivo};

/// Most bytes of an app's own key for repeats.
const DEDUP_KEY_BYTES: usize = 255;
/// Most characters of a medium's id. Plivo's own are UUIDs of 36; it publishes no form, so this is a bound of ours.
const MEDIA_ID_CHARS: usize = 128;

/// What all recipients of one request share.
pub(super) struct Shared {
    pub(super) sender: Option<Sender>,
    pub(super) text: String,
    pub(super) media_urls: Vec<MediaUrl>,
    pub(super) media_ids: Vec<String>,
    pub(super) intent: String,
    pub(super) ttl_s: Option<u32>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) callback_url: Option<String>,
    pub(super) dedup: Dedup,
    pub(super) tags: Vec<(String, String)>,
    pub(super) changes: Vec<Change>,
}

impl Shared {
    pub(super) fn of(
        order: &Order,
        app: &App,
        plivo: &Plivo,
        now: Timestamp,
        faults: &mut Faults,
    ) -> Self {
        let mut changes = Vec::new();
        let sender = sender::of(order, app, plivo, faults);
        let media_urls = media(order, faults, &mut changes);
        let media_ids: Vec<String> = order.media_ids.iter().map(|id| id.value.clone()).collect();
        faults.extend(order.media_ids.iter().filter_map(media_id_fault));
        let has_media = order.has_media();
        let text = order.text.value.clone();
        let kind = if has_media { Kind::Mms } else { Kind::Sms };
        let pointer = &order.text.pointer;
        let is_unread = |fault: &Fault| fault.pointer == *pointer && fault.code != DUPLICATE;
        if faults.told().iter().any(is_unread) {
            // What could not be read is not empty.
        } else if order.text_required && text.trim().is_empty() {
            faults.push(Fault::new(
                pointer,
                "text.empty",
                "is empty; this door needs a text beside the media",
            ));
        } else {
            faults.extend(facts::text_faults(&text, kind, &Segments::of(&text), pointer));
        }
        kind_fits(order, has_media, faults);
        let intent = intent(order, app, faults);
        Self {
            sender,
            text,
            media_urls,
            media_ids,
            intent,
            ttl_s: schedule::ttl(order.ttl_s.as_ref(), faults, &mut changes),
            not_before: schedule::not_before(order.not_before.as_ref(), now, faults),
            callback_url: callback(order, faults),
            dedup: dedup(order, faults),
            tags: labels::of(order, now, faults),
            changes,
        }
    }

    pub(super) fn message(&self, to: E164, sender: &Sender) -> Message {
        Message {
            id: MessageId(Uuid::now_v7().to_string().into()),
            to,
            sender: sender.clone(),
            text: self.text.clone(),
            media_urls: self.media_urls.clone(),
            media_ids: self.media_ids.clone(),
            intent: self.intent.clone(),
            ttl_s: self.ttl_s,
            not_before: self.not_before,
            callback_url: self.callback_url.clone(),
            dedup: self.dedup.clone(),
            tags: self.tags.clone(),
        }
    }
}

/// `type`, where it is given, says what the media say.
fn kind_fits(order: &Order, has_media: bool, faults: &mut Faults) {
    match order.kind.as_ref().map(|kind| (kind, kind.value.as_str())) {
        None => {}
        Some((_, "mms")) if has_media => {}
        Some((_, "sms")) if !has_media => {}
        Some((kind, "mms")) => {
            faults.push(Fault::new(
                &kind.pointer,
                "media.required",
                "is mms, but there is no media to send",
            ));
        }
        Some((kind, "sms")) => {
            let detail = "is sms, but there is media; leave `type` out, it follows from the media";
            faults.push(Fault::new(&kind.pointer, "media.type_mismatch", detail));
        }
        Some((kind, _)) => {
            faults.push(Fault::new(&kind.pointer, "body.bad_type", "is neither sms nor mms"));
        }
    }
}

/// An absolute http or https URL. Whether it may be called is the relay's question, not this one's.
fn callback(order: &Order, faults: &mut Faults) -> Option<String> {
    let at = order.callback_url.as_ref()?;
    // The parser drops some of these in silence (WHATWG URL, section 4.4), and another URL would be called.
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    let parsed = Url::parse(&at.value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if parsed.is_none() || at.value.len() > limits::URL_BYTES || at.value.contains(is_odd) {
        let detail = "is not an absolute http or https URL of at most 2,048 bytes without spaces, control characters \
                      and backslashes";
        faults.push(Fault::new(&at.pointer, "body.bad_callback_url", detail));
    }
    Some(at.value.clone())
}

fn intent(order: &Order, app: &App, faults: &mut Faults) -> String {
    // An empty one names none.
    let named = order.intent.as_ref().filter(|at| !at.value.is_empty());
    let intent = named
        .map_or(app.default_intent.clone().unwrap_or_default(), |at| at.value.to_ascii_lowercase());
    if !is_intent(&intent) {
        let detail =
            "is not a word of at most 64 letters, digits, '-' and '_', such as otp or marketing";
        faults.push(Fault::new("/intent", "body.bad_intent", detail));
    }
    intent
}

fn media(order: &Order, faults: &mut Faults, changes: &mut Vec<Change>) -> Vec<MediaUrl> {
    let count = order.media_urls.len() + order.media_ids.len();
    if count > limits::MEDIA {
        let detail = format!(
            "has {count} media, URLs and ids together; Plivo takes at most {}",
            limits::MEDIA
        );
        let pointer = if order.media_urls.is_empty() { "/media_ids" } else { "/media_urls" };
        faults.push(Fault::new(pointer, "media.too_many", detail));
    }
    if order.media_required && !order.has_media() {
        faults.push(Fault::new("/mediaUrls", "media.required", "needs at least one URL"));
    }
    let mut urls = Vec::with_capacity(order.media_urls.len());
    for at in &order.media_urls {
        match MediaUrl::parse(&at.value, &at.pointer) {
            Ok((url, _)) => {
                if url.as_str() != at.value {
                    changes.push(change(
                        "url.normalized",
                        "a media URL was brought to its canonical form",
                    ));
                }
                urls.push(url);
            }
            Err(fault) => faults.push(fault),
        }
    }
    urls
}

/// An id names a medium at Plivo; what could be no part of a name there ends here.
fn media_id_fault(id: &At<String>) -> Option<Fault> {
    let fits = (1..=MEDIA_ID_CHARS).contains(&id.value.len())
        && id.value.bytes().all(|byte| byte.is_ascii_graphic());
    let detail =
        "is not 1 to 128 visible ASCII characters; give the id Plivo answered the upload with";
    (!fits).then(|| Fault::new(&id.pointer, "media.bad_id", detail))
}

fn dedup(order: &Order, faults: &mut Faults) -> Dedup {
    let mut wrong = |pointer: &str, detail| {
        faults.push(Fault::new(pointer, "body.bad_dedup", detail));
    };
    let is_off = order.dedup.as_ref().is_some_and(|word| word.value == "off");
    if let Some(word) = order.dedup.as_ref().filter(|word| !is_off && word.value != "content") {
        wrong(&word.pointer, "is neither off nor content");
    }
    if let Some(key) = &order.dedup_key {
        match key.value.as_str() {
            // It would look like the word, and mean something else.
            "off" => wrong(&key.pointer, "is the word off, which `dedup` takes; give another key"),
            key_of if !(1..=DEDUP_KEY_BYTES).contains(&key_of.len()) => {
                wrong(&key.pointer, "is not a key of 1 to 255 bytes");
            }
            _ => {}
        }
        if is_off {
            wrong(&key.pointer, "stands beside `dedup`: off; give one of them");
        }
    }
    match &order.dedup_key {
        _ if is_off => Dedup::Off,
        Some(key) => Dedup::Key(key.value.clone()),
        None => Dedup::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::order::At;
    use super::media_id_fault;

    #[test]
    fn a_mediums_id_is_1_to_128_visible_ascii_characters() {
        let longest = "m".repeat(128);
        for id in ["801c2056-33ab-499c-80ef-58b574a462a2", "!", "~", &longest] {
            let fault = media_id_fault(&At::new("/media_ids/0", id.to_owned()));
            assert_eq!(fault, None, "{id:?}");
        }
        let too_long = "m".repeat(129);
        for id in ["", " ", "a b", " m1", "m1\n", "m\u{0}", "m\u{7f}", "\u{e9}1", &too_long] {
            let fault = media_id_fault(&At::new("/media_ids/3", id.to_owned()));
            let found = fault.map(|fault| (fault.code, fault.pointer));
            assert_eq!(found, Some(("media.bad_id".into(), "/media_ids/3".into())), "{id:?}");
        }
    }
}
