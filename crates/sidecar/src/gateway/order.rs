//! What a request asks for, in one form for every door and before it is judged.

mod plivo;

use message::{Fault, limits};
use plivo_client::{Dlt, Log};
use serde_json::Value;

use super::faults::Faults;
use super::fields::Fields;
use super::json::{self, DUPLICATE, Json};

/// Longest `ttl_s` and furthest `not_before`, in seconds: seven days, as long as an idempotency key can be kept.
pub(crate) const HORIZON_S: u64 = 7 * 86_400;

/// A member's value with the pointer its faults carry.
#[derive(Clone, Debug, Default)]
pub(crate) struct At<T> {
    pub(crate) pointer: String,
    pub(crate) value: T,
}

/// A recipient as it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct To {
    pub(crate) pointer: String,
    /// As the app wrote it.
    pub(crate) given: String,
    /// With what the door mends in any number.
    pub(crate) value: String,
    /// The door's own advice on how to write it, by the code of what is wrong.
    advice: &'static [(&'static str, &'static str)],
}

/// One request's members, as far as their types are right.
///
/// Its `Debug` would show numbers and text, so it has none.
#[derive(Clone, Default)]
pub(crate) struct Order {
    pub(crate) to: Vec<To>,
    /// Asked for as a list: the answer is a list too.
    pub(crate) many: bool,
    pub(crate) from: Option<At<String>>,
    pub(crate) pool: Option<At<String>>,
    pub(crate) text: At<String>,
    pub(crate) media_urls: Vec<At<String>>,
    pub(crate) media_ids: Vec<At<String>>,
    pub(crate) kind: Option<At<String>>,
    pub(crate) intent: Option<At<String>>,
    pub(crate) ttl_s: Option<At<u64>>,
    pub(crate) not_before: Option<At<String>>,
    pub(crate) callback_url: Option<At<String>>,
    /// How it is called; only on Plivo's door.
    pub(crate) callback_method: Option<String>,
    pub(crate) dedup: Option<At<String>>,
    pub(crate) dedup_key: Option<At<String>>,
    pub(crate) tags: Vec<(String, String)>,
    /// Where the recipient's clock is.
    pub(crate) recipient_tz: Option<At<String>>,
    /// Whose doing has the app send it.
    pub(crate) end_user_ip: Option<At<String>>,
    /// Media are asked for by the door itself.
    pub(crate) media_required: bool,
    /// The door has no member for a sender.
    pub(crate) names_no_sender: bool,
    /// Text is asked for by the door itself, media or not.
    pub(crate) text_required: bool,
    /// What Plivo is to keep of it, where the app says so.
    pub(crate) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(crate) trackable: bool,
    /// What India's regulator is told.
    pub(crate) dlt: Option<Dlt>,
    /// Pointers of members that mean nothing here.
    pub(crate) unknown: Vec<String>,
    pub(crate) faults: Faults,
}

impl To {
    fn new(pointer: impl Into<String>, given: String) -> Self {
        Self { pointer: pointer.into(), value: given.clone(), given, advice: &[] }
    }

    /// A fault of its number, with advice that works at its door.
    pub(crate) fn advised(&self, mut fault: Fault) -> Fault {
        if let Some((_, advice)) = self.advice.iter().find(|(code, _)| *code == fault.code) {
            fault.detail = (*advice).to_owned();
        }
        fault
    }
}

impl<T> At<T> {
    pub(crate) fn new(pointer: impl Into<String>, value: T) -> Self {
        Self { pointer: pointer.into(), value }
    }
}

impl Order {
    /// The native form of `POST /v1/messages`.
    pub(crate) fn native(body: Json) -> Result<Self, Faults> {
        let mut fields = Fields::of(body)?;
        let (to, many) = recipients(&mut fields, "to");
        let mut order = Self { to, many, ..Self::default() };
        order.from = member(&mut fields, "from");
        order.pool = member(&mut fields, "powerpack_uuid");
        order.text = member(&mut fields, "text").unwrap_or(At::new("/text", String::new()));
        order.media_urls = members(&mut fields, "media_urls");
        order.media_ids = members(&mut fields, "media_ids");
        order.kind = member(&mut fields, "type");
        order.intent = member(&mut fields, "intent");
        order.ttl_s = fields.count("ttl_s", &ttl_is()).map(|seconds| At::new("/ttl_s", seconds));
        order.not_before = member(&mut fields, "not_before");
        order.callback_url = member(&mut fields, "callback_url");
        order.dedup = member(&mut fields, "dedup");
        order.dedup_key = member(&mut fields, "dedup_key");
        order.tags = fields.pairs("tags");
        order.recipient_tz = member(&mut fields, "recipient_tz");
        order.end_user_ip = member(&mut fields, "end_user_ip");
        (order.unknown, order.faults) = fields.finish();
        Ok(order)
    }

    /// The seed's form of `POST /mms/send`: `{"recipient", "message", "mediaUrls"}`, all three needed, and one
    /// recipient.
    pub(crate) fn seed(body: Json) -> Result<Self, Faults> {
        let mut fields = Fields::of(body)?;
        let to = one_recipient(&mut fields, "recipient").into_iter().collect();
        let mut order = Self {
            to,
            media_required: true,
            names_no_sender: true,
            text_required: true,
            ..Self::default()
        };
        order.text = member(&mut fields, "message").unwrap_or(At::new("/message", String::new()));
        order.media_urls = members(&mut fields, "mediaUrls");
        (order.unknown, order.faults) = fields.finish();
        Ok(order)
    }
}

/// What a lifetime is, for whoever wrote another.
pub(crate) fn ttl_is() -> String {
    format!("a whole number of seconds from {} to {HORIZON_S}", limits::EXPIRY_S.start())
}

impl Order {
    /// Whether media are asked for, also where they could not be read: what follows from them is then no fault besides.
    pub(crate) fn has_media(&self) -> bool {
        let of_media = |fault: &Fault| {
            ["/media_urls", "/media_ids", "/mediaUrls"]
                .iter()
                .any(|at| fault.pointer.starts_with(at))
        };
        let read = !self.media_urls.is_empty() || !self.media_ids.is_empty();
        read || self.faults.told().iter().any(of_media)
    }

    /// Whether a member stands twice in it.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.faults.told().iter().any(|fault| fault.code == DUPLICATE)
    }
}

fn member(fields: &mut Fields, name: &str) -> Option<At<String>> {
    fields.string(name).map(|value| At::new(format!("/{name}"), value))
}

fn members(fields: &mut Fields, name: &str) -> Vec<At<String>> {
    fields.strings(name).into_iter().map(|(pointer, value)| At::new(pointer, value)).collect()
}

/// One recipient as a string, or several as an array.
fn recipients(fields: &mut Fields, name: &str) -> (Vec<To>, bool) {
    let pointer = format!("/{name}");
    match fields.take(name) {
        Some(Value::Array(items)) if items.is_empty() => {
            let detail = "is an empty array; give at least one recipient";
            fields.fault(&pointer, "phone.missing", detail);
            (Vec::new(), true)
        }
        Some(Value::Array(items)) => (entries(fields, &pointer, items), true),
        other => {
            (recipient(fields, pointer, other, ", or a list of them").into_iter().collect(), false)
        }
    }
}

/// The recipient of a door that takes one a request.
fn one_recipient(fields: &mut Fields, name: &str) -> Option<To> {
    let pointer = format!("/{name}");
    match fields.take(name) {
        Some(Value::Array(_)) => {
            let detail = "is an array; send a string: this door takes one recipient a request";
            fields.fault(&pointer, "body.wrong_type", detail);
            None
        }
        other => recipient(fields, pointer, other, ""),
    }
}

/// `or` says what else the door takes.
fn recipient(fields: &mut Fields, pointer: String, value: Option<Value>, or: &str) -> Option<To> {
    match value {
        Some(Value::String(number)) => Some(To::new(pointer, number)),
        Some(other) => {
            let why = match other {
                Value::Number(_) => ": a number loses its plus sign and digits",
                _ => "",
            };
            let detail = format!("is {}; send a string{or}{why}", json::kind(&other));
            fields.fault(pointer, "body.wrong_type", detail);
            None
        }
        None => {
            let detail = "is missing; give the recipient in E.164, such as +14155550123";
            fields.fault(pointer, "phone.missing", detail);
            None
        }
    }
}

/// The strings of an array, each with its pointer; entries of another type are faults and left out.
fn entries(fields: &mut Fields, pointer: &str, items: Vec<Value>) -> Vec<To> {
    let mut strings = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        match item {
            Value::String(text) => strings.push(To::new(pointer, text)),
            other => {
                let detail = format!("is {}; send a string", json::kind(&other));
                fields.fault(pointer, "body.wrong_type", detail);
            }
        }
    }
    strings
}
