//! Facts as a file writes them: laid over what the host finds out.

use message::facts::{Facts, HostClass, MediaFacts, NumberFacts, NumberType, Probed, survey};
use message::{Encoding, Message, Segments};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{lay, object};

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
