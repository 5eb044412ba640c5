//! Messages and facts as a file writes them: JSON objects, laid over each other and then read as a whole.

pub(crate) mod door;

use std::collections::BTreeMap;

use message::facts::{Facts, HostClass, MediaFacts, NumberFacts, NumberType, Probed, survey};
use message::{Dedup, E164, Encoding, MediaUrl, Message, MessageId, Segments, Sender, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// An instant, written as RFC 3339.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) Timestamp);

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

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FactsForm {
    number: NumberForm,
    text: TextForm,
    media: Vec<MediaForm>,
    unknown_fields: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NumberForm {
    valid: bool,
    region: String,
    calling_code: u16,
    #[serde(rename = "type")]
    number_type: String,
    zones: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TextForm {
    encoding: EncodingWord,
    units: u32,
    segments: u32,
    ucs2_offsets: Vec<u32>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum EncodingWord {
    Gsm7,
    Ucs2,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MediaForm {
    scheme: String,
    host: String,
    port: u16,
    extension: String,
    host_class: String,
    probe: Option<ProbeForm>,
}

/// What was found there, in the contract's words.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ProbeForm {
    outcome: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    bytes: Option<u64>,
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

/// What the host finds out about `message`, with `layers` over it.
///
/// # Errors
///
/// The member that is wrong, and what is wrong with it.
pub(crate) fn facts(message: &Message, layers: &[&Map<String, Value>]) -> Result<Facts, String> {
    let found = survey(message, Vec::new()).map_err(|faults| {
        let details: Vec<String> = faults.into_iter().map(|fault| fault.detail).collect();
        details.join("; ")
    })?;
    if layers.iter().all(|layer| layer.is_empty()) {
        return Ok(found);
    }
    let mut form = Value::Object(object(&FactsForm::of(found)));
    for layer in layers {
        lay(&mut form, layer);
    }
    let form: FactsForm = serde_json::from_value(form).map_err(|err| format!("facts: {err}"))?;
    form.read()
}

impl FactsForm {
    fn of(facts: Facts) -> Self {
        let media = facts.media.into_iter().map(|media| MediaForm {
            scheme: media.scheme,
            host: media.host,
            port: media.port,
            extension: media.extension,
            host_class: media.host_class.as_str().to_owned(),
            // Nothing is looked at: what was found only a case can say.
            probe: None,
        });
        Self {
            number: NumberForm {
                valid: facts.number.valid,
                region: facts.number.region,
                calling_code: facts.number.calling_code,
                number_type: facts.number.number_type.as_str().to_owned(),
                zones: facts.number.zones,
            },
            text: TextForm {
                encoding: match facts.text.encoding {
                    Encoding::Gsm7 => EncodingWord::Gsm7,
                    Encoding::Ucs2 => EncodingWord::Ucs2,
                },
                units: facts.text.units,
                segments: facts.text.count,
                ucs2_offsets: facts.text.ucs2_offsets,
            },
            media: media.collect(),
            unknown_fields: facts.unknown_fields,
        }
    }

    fn read(self) -> Result<Facts, String> {
        let unknown = |member: &str, word: &str| format!("facts.{member}: there is no `{word}`");
        let number_type = NumberType::from_word(&self.number.number_type);
        let media = self.media.into_iter().map(|media| {
            let class = HostClass::from_word(&media.host_class);
            Ok(MediaFacts {
                scheme: media.scheme,
                host: media.host,
                port: media.port,
                extension: media.extension,
                host_class: class.ok_or_else(|| unknown("media.host_class", &media.host_class))?,
                probe: media.probe.map(ProbeForm::read).transpose()?,
            })
        });
        Ok(Facts {
            number: NumberFacts {
                valid: self.number.valid,
                region: self.number.region,
                calling_code: self.number.calling_code,
                number_type: number_type
                    .ok_or_else(|| unknown("number.type", &self.number.number_type))?,
                zones: self.number.zones,
            },
            text: Segments {
                encoding: match self.text.encoding {
                    EncodingWord::Gsm7 => Encoding::Gsm7,
                    EncodingWord::Ucs2 => Encoding::Ucs2,
                },
                units: self.text.units,
                count: self.text.segments,
                ucs2_offsets: self.text.ucs2_offsets,
            },
            media: media.collect::<Result<_, String>>()?,
            unknown_fields: self.unknown_fields,
        })
    }
}

impl ProbeForm {
    fn read(self) -> Result<Probed, String> {
        Ok(match self.outcome.as_str() {
            "found" => Probed::Found { content_type: self.content_type, bytes: self.bytes },
            "resolves-private" => Probed::ResolvesPrivate,
            "redirects-private" => Probed::RedirectsPrivate,
            "too-many-redirects" => Probed::TooManyRedirects,
            "refused" => Probed::Refused(self.status),
            "unreachable" => Probed::Unreachable,
            other => return Err(format!("facts.media.probe.outcome: there is no `{other}`")),
        })
    }
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

/// An instant in quotes, or bare as TOML has them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "is not an instant such as \"2026-01-05T12:00:00Z\"")]
enum Written {
    Text(String),
    Toml {
        #[serde(rename = "$__toml_private_datetime")]
        text: String,
    },
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) | Written::Toml { text } => text,
        };
        let instant = text.parse::<jiff::Timestamp>().ok();
        let ms = instant.and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
        let unfit = || D::Error::custom("is not an instant such as \"2026-01-05T12:00:00Z\"");
        ms.map(|ms| Self(Timestamp(ms))).ok_or_else(unfit)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&instant)
    }
}
