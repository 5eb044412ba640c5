//! The vocabulary's types in the contract's form, borrowed where the contract only reads.

use message::facts::{Facts, HostClass, MediaFacts, NumberFacts, NumberType};
use message::{Encoding, Kind, MediaUrl, Message};

use crate::bindings::types as wit;

/// The lists of one message and its facts, made once and lent to every policy that is asked about it.
pub(crate) struct Lowered<'a> {
    message: &'a Message,
    facts: &'a Facts,
    media_urls: Vec<&'a str>,
    media_ids: Vec<&'a str>,
    tags: Vec<(&'a str, &'a str)>,
    zones: Vec<&'a str>,
    media: Vec<wit::MediaFacts<'a>>,
    unknown_fields: Vec<&'a str>,
}

impl<'a> Lowered<'a> {
    pub(crate) fn new(message: &'a Message, facts: &'a Facts) -> Self {
        Self {
            message,
            facts,
            media_urls: message.media_urls.iter().map(MediaUrl::as_str).collect(),
            media_ids: message.media_ids.iter().map(String::as_str).collect(),
            tags: message.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
            zones: facts.number.zones.iter().map(String::as_str).collect(),
            media: facts.media.iter().map(media_facts).collect(),
            unknown_fields: facts.unknown_fields.iter().map(String::as_str).collect(),
        }
    }

    pub(crate) fn message(&self) -> wit::Message<'_> {
        let message = self.message;
        wit::Message {
            id: &message.id.0,
            kind: match message.kind() {
                Kind::Sms => wit::Kind::Sms,
                Kind::Mms => wit::Kind::Mms,
            },
            to: message.to.as_str(),
            sender: wit::SenderParam {
                kind: message.sender.kind(),
                value: message.sender.as_str(),
            },
            text: &message.text,
            media_urls: &self.media_urls,
            media_ids: &self.media_ids,
            intent: &message.intent,
            ttl_s: message.ttl_s,
            not_before_ms: message.not_before.map(|at| at.0),
            dedup: message.dedup.as_str(),
            tags: &self.tags,
        }
    }

    pub(crate) fn facts(&self) -> wit::Facts<'_> {
        let (number, text) = (&self.facts.number, &self.facts.text);
        wit::Facts {
            number: wit::NumberFactsParam {
                valid: number.valid,
                region: &number.region,
                calling_code: number.calling_code,
                number_type: number_type(number.number_type),
                zones: &self.zones,
            },
            text: wit::TextFacts {
                encoding: match text.encoding {
                    Encoding::Gsm7 => wit::Encoding::Gsm7,
                    Encoding::Ucs2 => wit::Encoding::Ucs2,
                },
                units: text.units,
                segments: text.count,
                ucs2_offsets: &text.ucs2_offsets,
            },
            media: &self.media,
            unknown_fields: &self.unknown_fields,
        }
    }
}

/// A number looked at, as the import `telecom` answers.
pub(crate) fn number_facts(number: NumberFacts) -> wit::NumberFactsResult {
    wit::NumberFactsResult {
        valid: number.valid,
        region: number.region,
        calling_code: number.calling_code,
        number_type: number_type(number.number_type),
        zones: number.zones,
    }
}

fn media_facts(media: &MediaFacts) -> wit::MediaFacts<'_> {
    wit::MediaFacts {
        scheme: &media.scheme,
        host: &media.host,
        port: media.port,
        extension: &media.extension,
        host_class: HostClass::as_str(media.host_class),
    }
}

fn number_type(number_type: NumberType) -> wit::NumberType {
    match number_type {
        NumberType::Mobile => wit::NumberType::Mobile,
        NumberType::FixedLine => wit::NumberType::FixedLine,
        NumberType::FixedLineOrMobile => wit::NumberType::FixedLineOrMobile,
        NumberType::TollFree => wit::NumberType::TollFree,
        NumberType::PremiumRate => wit::NumberType::PremiumRate,
        NumberType::SharedCost => wit::NumberType::SharedCost,
        NumberType::Voip => wit::NumberType::Voip,
        NumberType::Personal => wit::NumberType::Personal,
        NumberType::Pager => wit::NumberType::Pager,
        NumberType::Uan => wit::NumberType::Uan,
        NumberType::Voicemail => wit::NumberType::Voicemail,
        NumberType::Unknown => wit::NumberType::Unknown,
    }
}
