//! The contract's records in the vocabulary's types, so that both go by the same rules.

use message::facts::{HostClass, MediaFacts, NumberFacts, NumberType};
use message::{Encoding, Kind, Segments};
use policy_sdk::NumberType as Type;

pub(crate) fn number(facts: &policy_sdk::NumberFacts) -> NumberFacts {
    NumberFacts {
        valid: facts.valid,
        region: facts.region.clone(),
        calling_code: facts.calling_code,
        number_type: number_type(facts.number_type),
        // No rule here goes by time zone.
        zones: Vec::new(),
    }
}

/// A class that this version does not know counts as private: nothing unknown is fetched.
pub(crate) fn media(facts: &policy_sdk::MediaFacts) -> MediaFacts {
    MediaFacts {
        scheme: facts.scheme.clone(),
        host: facts.host.clone(),
        port: facts.port,
        extension: facts.extension.clone(),
        host_class: HostClass::from_word(&facts.host_class).unwrap_or(HostClass::PrivateName),
        // Another policy judges what was found.
        probe: None,
    }
}

pub(crate) fn segments(facts: &policy_sdk::TextFacts) -> Segments {
    Segments {
        encoding: match facts.encoding {
            policy_sdk::Encoding::Gsm7 => Encoding::Gsm7,
            policy_sdk::Encoding::Ucs2 => Encoding::Ucs2,
        },
        units: facts.units,
        count: facts.segments,
        ucs2_offsets: facts.ucs2_offsets.clone(),
    }
}

pub(crate) fn kind(kind: policy_sdk::Kind) -> Kind {
    match kind {
        policy_sdk::Kind::Sms => Kind::Sms,
        policy_sdk::Kind::Mms => Kind::Mms,
    }
}

pub(crate) fn fault(fault: message::Fault) -> policy_sdk::Fault {
    policy_sdk::Fault::new(fault.pointer, fault.code, fault.detail)
}

fn number_type(number_type: Type) -> NumberType {
    match number_type {
        Type::Mobile => NumberType::Mobile,
        Type::FixedLine => NumberType::FixedLine,
        Type::FixedLineOrMobile => NumberType::FixedLineOrMobile,
        Type::TollFree => NumberType::TollFree,
        Type::PremiumRate => NumberType::PremiumRate,
        Type::SharedCost => NumberType::SharedCost,
        Type::Voip => NumberType::Voip,
        Type::Personal => NumberType::Personal,
        Type::Pager => NumberType::Pager,
        Type::Uan => NumberType::Uan,
        Type::Voicemail => NumberType::Voicemail,
        Type::Unknown => NumberType::Unknown,
    }
}
