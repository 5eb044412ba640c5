//! Messages and facts as a file writes them: JSON objects, laid over each other and then read as a whole.

pub(crate) mod door;
mod facts;
mod instant;

use std::collections::BTreeMap;

use message::{Dedup, E164, MediaUrl, Message, MessageId, Sender};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use self::facts::facts;
pub(crate) use self::instant::Instant;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MessageForm {
    id: String,
    to: String,
    from: Option<String>,
    powerpack_uuid: Option<String>,
    text: String,
    media_urls: Vec<String>,
    media_ids: Vec<String>,
    intent: String,
    ttl_s: Option<u32>,
    not_before: Option<Instant>,
    dedup: String,
    tags: BTreeMap<String, String>,
}

/// The message of a step, as a door would pass it on: `layers` over the format's default, later ones over earlier ones.
///
/// # Errors
///
/// The member that is wrong, and what is wrong with it.
pub(crate) fn message(id: &str, layers: &[&Map<String, Value>]) -> Result<Message, String> {
    let mut form = json!({
        "id": id, "to": "+14155550123", "from": "+14155551212", "powerpack_uuid": null, "text": "hi", "media_urls": [],
        "media_ids": [], "intent": "", "ttl_s": null, "not_before": null, "dedup": "", "tags": {},
    });
    for layer in layers {
        name_sender(&mut form, layer)?;
        lay(&mut form, layer);
    }
    let form: MessageForm =
        serde_json::from_value(form).map_err(|err| format!("message: {err}"))?;
    let unfit =
        |fault: message::Fault| format!("message{}: {}", dotted(&fault.pointer), fault.detail);
    let media =
        form.media_urls.iter().enumerate().map(|(nth, url)| {
            MediaUrl::parse(url, &format!("/media_urls/{nth}")).map(|(url, _)| url)
        });
    let message = Message {
        id: MessageId(form.id.into()),
        to: E164::parse(&form.to, "/to").map_err(unfit)?,
        sender: match (form.powerpack_uuid, form.from) {
            (Some(pool), _) => Sender::pool(&pool).ok_or_else(|| {
                "message.powerpack_uuid: is not a UUID, as Plivo's pools have".to_owned()
            })?,
            (None, Some(from)) => Sender::parse(&from, "/from").map_err(unfit)?,
            (None, None) => return Err("message: has neither `from` nor `powerpack_uuid`".into()),
        },
        text: form.text,
        media_urls: media.collect::<Result<_, _>>().map_err(unfit)?,
        media_ids: form.media_ids,
        intent: form.intent,
        ttl_s: form.ttl_s,
        not_before: form.not_before.map(|instant| instant.0),
        callback_url: None,
        dedup: match form.dedup.as_str() {
            "" => Dedup::Content,
            "off" => Dedup::Off,
            _ => Dedup::Key(form.dedup),
        },
        tags: form.tags.into_iter().collect(),
    };
    door::passed(message).map_err(unfit)
}

/// Whoever a layer names as sender, by `from` or as a pool, takes the place of the one below.
fn name_sender(below: &mut Value, layer: &Map<String, Value>) -> Result<(), String> {
    let names = |member: &str| layer.get(member).is_some_and(|given| !given.is_null());
    let other = match (names("from"), names("powerpack_uuid")) {
        (true, true) => {
            let detail = "stands beside a pool; give `from` or `powerpack_uuid`, not both";
            return Err(format!("message.from: {detail}"));
        }
        (true, false) => "powerpack_uuid",
        (false, true) => "from",
        (false, false) => return Ok(()),
    };
    below[other] = Value::Null;
    Ok(())
}

/// The members of a message, as [`message`] reads them.
pub(crate) fn shown(message: &Message) -> Map<String, Value> {
    let sender = || Some(message.sender.as_str().to_owned());
    let pool = matches!(message.sender, Sender::Pool(_));
    let form = MessageForm {
        id: message.id.0.to_string(),
        to: message.to.as_str().to_owned(),
        from: if pool { None } else { sender() },
        powerpack_uuid: if pool { sender() } else { None },
        text: message.text.clone(),
        media_urls: message.media_urls.iter().map(|url| url.as_str().to_owned()).collect(),
        media_ids: message.media_ids.clone(),
        intent: message.intent.clone(),
        ttl_s: message.ttl_s,
        not_before: message.not_before.map(Instant),
        dedup: message.dedup.as_str().to_owned(),
        tags: message.tags.iter().cloned().collect(),
    };
    object(&form)
}

/// Lays `above` over `below`: objects member by member, lists of objects entry by entry where they have as many, and
/// anything else as a whole.
fn lay(below: &mut Value, above: &Map<String, Value>) {
    let Value::Object(members) = below else {
        *below = Value::Object(above.clone());
        return;
    };
    for (name, value) in above {
        match (members.get_mut(name), value) {
            (Some(below @ Value::Object(_)), Value::Object(above)) => lay(below, above),
            (Some(Value::Array(below)), Value::Array(above))
                if below.len() == above.len() && above.iter().all(Value::is_object) =>
            {
                let above = above.iter().filter_map(Value::as_object);
                below.iter_mut().zip(above).for_each(|(below, above)| lay(below, above));
            }
            _ => drop(members.insert(name.clone(), value.clone())),
        }
    }
}

fn object(form: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(form) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// A JSON pointer as TOML's keys have it.
fn dotted(pointer: &str) -> String {
    pointer.replace('/', ".")
}
