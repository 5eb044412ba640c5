//! An order judged: well-formed messages, one a recipient, or every fault at once.
//!
//! What stands here can never be right as written, whatever the policies say (the 400s). What an operator may choose is
//! the policies' part; its faults are only added where the request is refused anyway, so that nobody mends in rounds.

use message::{
    Change, Dedup, E164, Fault, Kind, MediaUrl, Message, MessageId, Segments, Sender, Timestamp,
    facts, limits,
};
use uuid::Uuid;

use super::order::{At, Order};
use crate::config::{App, PhoneForm, Plivo};

/// Most recipients of one request: Plivo's own bound for one call.
pub(crate) const RECIPIENTS: usize = 1_000;

/// Longest `ttl_s` and furthest `not_before`, in seconds: seven days, as long as an idempotency key can be kept.
pub(crate) const HORIZON_S: u64 = 7 * 86_400;

/// What an app asked for, understood.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) drafts: Vec<Draft>,
    /// Asked for as a list, so answered as one.
    pub(crate) many: bool,
    pub(crate) unknown_fields: Vec<String>,
}

/// One recipient's message, or why it cannot be one.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) message: Result<Message, Vec<Fault>>,
    /// What was mended on the way in.
    pub(crate) changes: Vec<Change>,
}

/// What all recipients of one request share.
struct Shared {
    sender: Option<Sender>,
    text: String,
    media_urls: Vec<MediaUrl>,
    media_ids: Vec<String>,
    intent: String,
    ttl_s: Option<u32>,
    not_before: Option<Timestamp>,
    callback_url: Option<String>,
    dedup: Dedup,
    tags: Vec<(String, String)>,
    changes: Vec<Change>,
}

impl Submission {
    /// Judges `order` as `app` may ask it at `now`.
    ///
    /// # Errors
    ///
    /// Every fault of the parts that all recipients share, and those of the recipient too where there is only one.
    pub(crate) fn of(
        order: Order,
        app: &App,
        plivo: &Plivo,
        now: Timestamp,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = order.faults.clone();
        if order.to.len() > RECIPIENTS {
            let detail =
                format!("has {} recipients; at most {RECIPIENTS} fit one request", order.to.len());
            faults.push(Fault::new("/to", "phone.too_many", detail));
        }
        let shared = Shared::of(&order, app, plivo, now, &mut faults);
        let recipients: Vec<_> =
            order.to.iter().map(|to| recipient(to, app, shared.sender.as_ref())).collect();

        let alone = !order.many;
        if alone {
            faults.splice(
                0..0,
                recipients.iter().filter_map(|to| to.as_ref().err()).flatten().cloned(),
            );
        }
        if !faults.is_empty() {
            let known = recipients.iter().filter_map(|to| to.as_ref().ok());
            faults.extend(judged(known.map(|(number, _)| number), &shared.media_urls));
            return Err(faults);
        }
        let Shared { sender: Some(sender), .. } = &shared else {
            return Err(vec![Fault::new(
                "/from",
                "sender.missing",
                "is missing, and the configuration names no sender",
            )]);
        };
        let mut seen = Vec::new();
        let drafts = recipients.into_iter().map(|to| {
            let (to, change) = match to {
                Ok((to, change)) if !seen.contains(&to) => (to, change),
                Ok((_, _)) => {
                    let fault = Fault::new("/to", "phone.repeated", "stands twice in one request");
                    return Draft { message: Err(vec![fault]), changes: Vec::new() };
                }
                Err(faults) => return Draft { message: Err(faults), changes: Vec::new() },
            };
            seen.push(to.clone());
            let changes = shared.changes.iter().cloned().chain(change).collect();
            Draft { message: Ok(shared.message(to, sender)), changes }
        });
        Ok(Self { drafts: drafts.collect(), many: order.many, unknown_fields: order.unknown })
    }
}

impl Submission {
    /// The latest instant before which a message is not to be sent.
    pub(crate) fn latest_start(&self) -> Option<Timestamp> {
        self.drafts.iter().filter_map(|draft| draft.message.as_ref().ok()?.not_before).max()
    }
}

impl Shared {
    fn of(
        order: &Order,
        app: &App,
        plivo: &Plivo,
        now: Timestamp,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut changes = Vec::new();
        let sender = sender(order, app, plivo, faults);
        let media_urls = media(order, faults, &mut changes);
        let media_ids: Vec<String> = order.media_ids.iter().map(|id| id.value.clone()).collect();
        for id in order.media_ids.iter().filter(|id| id.value.trim().is_empty()) {
            faults.push(Fault::new(
                &id.pointer,
                "media.bad_id",
                "is empty; give the id Plivo answered the upload with",
            ));
        }
        let has_media = !order.media_urls.is_empty() || !media_ids.is_empty();
        let text = order.text.value.clone();
        let kind = if has_media { Kind::Mms } else { Kind::Sms };
        let pointer = &order.text.pointer;
        if order.text_required && text.trim().is_empty() {
            faults.push(Fault::new(
                pointer,
                "text.empty",
                "is empty; this door needs a text beside the media",
            ));
        } else {
            faults.extend(facts::text_fault(&text, kind, &Segments::of(&text), pointer));
        }
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
                let detail =
                    "is sms, but there is media; leave `type` out, it follows from the media";
                faults.push(Fault::new(&kind.pointer, "media.type_mismatch", detail));
            }
            Some((kind, _)) => {
                faults.push(Fault::new(&kind.pointer, "body.bad_type", "is neither sms nor mms"));
            }
        }
        let intent = order
            .intent
            .as_ref()
            .map_or(app.default_intent.clone().unwrap_or_default(), |at| at.value.clone());
        if intent.len() > 64
            || !intent.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            let detail = "is not a word of at most 64 letters, digits, '-' and '_', such as otp or marketing";
            faults.push(Fault::new("/intent", "body.bad_intent", detail));
        }
        if order.tags.len() > 16
            || order.tags.iter().any(|(key, value)| key.len() > 64 || value.len() > 256)
        {
            let detail =
                "takes at most 16 labels, with keys of at most 64 bytes and values of at most 256";
            faults.push(Fault::new("/tags", "body.too_many_tags", detail));
        }
        Self {
            sender,
            text,
            media_urls,
            media_ids,
            intent,
            ttl_s: ttl(order.ttl_s.as_ref(), faults, &mut changes),
            not_before: not_before(order.not_before.as_ref(), now, faults),
            callback_url: order.callback_url.as_ref().map(|at| at.value.clone()),
            dedup: dedup(order, faults),
            tags: order.tags.clone(),
            changes,
        }
    }

    fn message(&self, to: E164, sender: &Sender) -> Message {
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

/// A change that the gateway itself made.
pub(crate) fn change(code: &str, detail: &str) -> Change {
    Change { policy: "gateway".into(), code: code.into(), detail: detail.into() }
}

fn recipient(
    to: &At<String>,
    app: &App,
    sender: Option<&Sender>,
) -> Result<(E164, Option<Change>), Vec<Fault>> {
    let (number, mended) = match app.phone {
        PhoneForm::Strict => {
            (E164::parse(&to.value, &to.pointer).map_err(|fault| vec![fault])?, false)
        }
        PhoneForm::Lenient => {
            E164::parse_lenient(&to.value, &to.pointer).map_err(|fault| vec![fault])?
        }
    };
    if matches!(sender, Some(Sender::Number(from)) if *from == number) {
        let detail = "is the sender itself; a message to oneself loops";
        return Err(vec![Fault::new(&to.pointer, "phone.same_as_sender", detail)]);
    }
    let change = mended.then(|| {
        change("phone.normalized", "spaces, parentheses, hyphens or dots were taken out of `to`")
    });
    Ok((number, change))
}

/// The sender asked for, or the configured one; within what the app may use and what the sender can do.
fn sender(order: &Order, app: &App, plivo: &Plivo, faults: &mut Vec<Fault>) -> Option<Sender> {
    let (pointer, sender) = match (&order.from, &order.pool) {
        (Some(from), Some(_)) => {
            let detail = "stands beside a pool; give `from` or `powerpack_uuid`, not both";
            faults.push(Fault::new(&from.pointer, "sender.ambiguous", detail));
            return None;
        }
        (Some(from), None) => {
            let parsed = Sender::parse(&from.value, &from.pointer)
                .map_err(|fault| faults.push(fault))
                .ok()?;
            (from.pointer.as_str(), parsed)
        }
        (None, Some(pool)) if Uuid::parse_str(&pool.value).is_ok() => {
            (pool.pointer.as_str(), Sender::Pool(pool.value.clone()))
        }
        (None, Some(pool)) => {
            faults.push(Fault::new(
                &pool.pointer,
                "sender.invalid",
                "is not a UUID, as Plivo's pools have",
            ));
            return None;
        }
        (None, None) => (
            "/from",
            app.senders.as_ref().and_then(|own| own.first()).unwrap_or(&plivo.sender).clone(),
        ),
    };
    if app.senders.as_ref().is_some_and(|own| !own.contains(&sender)) {
        let detail = "is not one of the senders that the configuration gives this app";
        faults.push(Fault::new(pointer, "sender.not_allowed", detail));
    }
    let wants_mms = !order.media_urls.is_empty() || !order.media_ids.is_empty();
    if let Some(known) = plivo.senders.iter().find(|known| known.sender == sender) {
        let can = if wants_mms { known.mms } else { known.sms };
        if !can {
            let detail = if wants_mms { "cannot send media" } else { "cannot send texts" };
            faults.push(Fault::new(pointer, "sender.not_capable", detail));
        }
    }
    Some(sender)
}

fn media(order: &Order, faults: &mut Vec<Fault>, changes: &mut Vec<Change>) -> Vec<MediaUrl> {
    let count = order.media_urls.len() + order.media_ids.len();
    if count > limits::MEDIA {
        let detail = format!(
            "has {count} media, URLs and ids together; Plivo takes at most {}",
            limits::MEDIA
        );
        let pointer = if order.media_urls.is_empty() { "/media_ids" } else { "/media_urls" };
        faults.push(Fault::new(pointer, "media.too_many", detail));
    }
    if order.media_required && count == 0 {
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

fn ttl(ttl_s: Option<&At<u64>>, faults: &mut Vec<Fault>, changes: &mut Vec<Change>) -> Option<u32> {
    let at = ttl_s?;
    let least = u64::from(*limits::EXPIRY_S.start());
    match u32::try_from(at.value) {
        Ok(seconds) if (least..=HORIZON_S).contains(&at.value) => {
            if !limits::EXPIRY_S.contains(&seconds) {
                changes.push(change(
                    "ttl.default",
                    "Plivo's own lifetime of 10,800 s applies at Plivo",
                ));
            }
            Some(seconds)
        }
        _ => {
            let detail = format!("is not between {least} and {HORIZON_S} seconds");
            faults.push(Fault::new(&at.pointer, "ttl.out_of_range", detail));
            None
        }
    }
}

fn not_before(
    at: Option<&At<String>>,
    now: Timestamp,
    faults: &mut Vec<Fault>,
) -> Option<Timestamp> {
    let at = at?;
    let instant = at
        .value
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|t| u64::try_from(t.as_millisecond()).ok());
    match instant {
        Some(ms) if ms <= now.0.saturating_add(HORIZON_S * 1_000) => Some(Timestamp(ms)),
        Some(_) => {
            faults.push(Fault::new(&at.pointer, "ttl.not_before", "is more than seven days away"));
            None
        }
        None => {
            let detail = "is not an instant of RFC 3339, such as 2026-11-23T08:00:00Z";
            faults.push(Fault::new(&at.pointer, "ttl.not_before", detail));
            None
        }
    }
}

fn dedup(order: &Order, faults: &mut Vec<Fault>) -> Dedup {
    match (&order.dedup, &order.dedup_key) {
        (Some(word), Some(key)) if word.value == "off" => {
            faults.push(Fault::new(
                &key.pointer,
                "body.bad_dedup",
                "stands beside `dedup`: off; give one of them",
            ));
            Dedup::Off
        }
        (Some(word), _) if word.value == "off" => Dedup::Off,
        (Some(word), _) if word.value != "content" => {
            faults.push(Fault::new(&word.pointer, "body.bad_dedup", "is neither off nor content"));
            Dedup::Content
        }
        (_, Some(key)) if key.value.is_empty() || key.value.len() > 255 || key.value == "off" => {
            faults.push(Fault::new(
                &key.pointer,
                "body.bad_dedup",
                "is not a key of 1 to 255 bytes",
            ));
            Dedup::Content
        }
        (_, Some(key)) => Dedup::Key(key.value.clone()),
        (_, None) => Dedup::Content,
    }
}

/// What the `validation` policy will say of the parts that could be read, in its default settings.
fn judged<'a>(numbers: impl Iterator<Item = &'a E164>, media_urls: &[MediaUrl]) -> Vec<Fault> {
    let mut faults: Vec<Fault> =
        numbers.filter_map(|to| facts::number_faults(&facts::number(to), "/to")).collect();
    let rules = facts::MediaRules::default();
    for (index, url) in media_urls.iter().enumerate() {
        let pointer = format!("/media_urls/{index}");
        let looked = MediaUrl::parse(url.as_str(), &pointer).ok();
        faults.extend(looked.and_then(|(_, media)| facts::media_faults(&media, &pointer, &rules)));
    }
    faults
}
