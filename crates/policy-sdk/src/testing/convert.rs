//! The vocabulary in the contract's form, and a decision applied to it, as the host does both.

use message::facts::{self, Probed};
use message::{E164, MediaUrl, Note, Sender, Timestamp};
use policy_cases::{Said, Verdict as Word};

use crate::media::Probe;
use crate::{
    Decision, Edit, Encoding, Facts, InboundMessage, Kind, MediaFacts, Message, NumberFacts,
    NumberType, PolicyError, Receipt, TextFacts, Verdict,
};

/// Why the host would not apply an edit.
type Illegal = String;

pub(super) fn message(message: &message::Message) -> Message {
    Message {
        id: message.id.0.to_string(),
        kind: match message.kind() {
            message::Kind::Sms => Kind::Sms,
            message::Kind::Mms => Kind::Mms,
        },
        to: message.to.as_str().into(),
        sender: crate::Sender {
            kind: message.sender.kind().into(),
            value: message.sender.as_str().into(),
        },
        text: message.text.clone(),
        media_urls: message.media_urls.iter().map(|url| url.as_str().into()).collect(),
        media_ids: message.media_ids.clone(),
        intent: message.intent.clone(),
        ttl_s: message.ttl_s,
        not_before_ms: message.not_before.map(|at| at.0),
        dedup: message.dedup.as_str().into(),
        tags: message.tags.clone(),
    }
}

pub(super) fn facts(facts: facts::Facts) -> Facts {
    let media = facts.media.into_iter().map(|media| MediaFacts {
        scheme: media.scheme,
        host: media.host,
        port: media.port,
        extension: media.extension,
        host_class: media.host_class.as_str().into(),
    });
    Facts {
        number: number(facts.number),
        text: TextFacts {
            encoding: match facts.text.encoding {
                message::Encoding::Gsm7 => Encoding::Gsm7,
                message::Encoding::Ucs2 => Encoding::Ucs2,
            },
            units: facts.text.units,
            segments: facts.text.count,
            ucs2_offsets: facts.text.ucs2_offsets,
        },
        media: media.collect(),
        unknown_fields: facts.unknown_fields,
    }
}

pub(super) fn number(number: facts::NumberFacts) -> NumberFacts {
    NumberFacts {
        valid: number.valid,
        region: number.region,
        calling_code: number.calling_code,
        number_type: match number.number_type {
            facts::NumberType::Mobile => NumberType::Mobile,
            facts::NumberType::FixedLine => NumberType::FixedLine,
            facts::NumberType::FixedLineOrMobile => NumberType::FixedLineOrMobile,
            facts::NumberType::TollFree => NumberType::TollFree,
            facts::NumberType::PremiumRate => NumberType::PremiumRate,
            facts::NumberType::SharedCost => NumberType::SharedCost,
            facts::NumberType::Voip => NumberType::Voip,
            facts::NumberType::Personal => NumberType::Personal,
            facts::NumberType::Pager => NumberType::Pager,
            facts::NumberType::Uan => NumberType::Uan,
            facts::NumberType::Voicemail => NumberType::Voicemail,
            facts::NumberType::Unknown => NumberType::Unknown,
        },
        zones: number.zones,
    }
}

pub(super) fn probe(media: &facts::MediaFacts) -> Option<Probe> {
    let probed = media.probe.as_ref()?;
    let (content_type, bytes) = match probed {
        Probed::Found { content_type, bytes } => (content_type.clone(), *bytes),
        _ => (String::new(), None),
    };
    let status = if let Probed::Refused(status) = probed { *status } else { 0 };
    Some(Probe { outcome: probed.as_str().into(), status, content_type, bytes })
}

pub(super) fn receipt(receipt: &policy_cases::Receipt) -> Receipt {
    let Message { id, kind, to, sender, intent, .. } = message(&receipt.message);
    Receipt {
        id,
        kind,
        to,
        sender,
        region: facts::number(&receipt.message.to).region,
        intent,
        state: receipt.state.clone(),
        error_code: receipt.error_code.clone(),
        units: receipt.units,
        total_rate: receipt.total_rate.clone(),
    }
}

pub(super) fn inbound(inbound: &policy_cases::Inbound) -> InboundMessage {
    InboundMessage {
        id: inbound.id.clone(),
        sender: inbound.sender.as_str().into(),
        to: inbound.to.clone(),
        text: inbound.text.clone(),
    }
}

pub(super) fn note(note: crate::Note) -> Note {
    Note { policy: String::new(), key: note.key, value: note.value, shown: note.shown }
}

/// What the policy said of `asked`, with its changes applied where `grants` (all where absent) allow them.
pub(super) fn said(
    decided: Result<Decision, PolicyError>,
    asked: &message::Message,
    grants: Option<&[String]>,
) -> Said {
    let mut said = Said {
        verdict: Word::Accept,
        code: None,
        detail: None,
        retry_after_ms: None,
        earlier: None,
        faults: Vec::new(),
        changes: Vec::new(),
        message: asked.clone(),
        notes: Vec::new(),
    };
    let decision = match decided {
        Ok(decision) => decision,
        Err(error) => {
            said.verdict = Word::Failure;
            said.code = Some("undecided".into());
            said.detail = Some(format!("{}: {}", error.kind, error.detail));
            return said;
        }
    };
    said.notes = decision.notes.into_iter().map(note).collect();
    match decision.verdict {
        Verdict::Accept => {}
        Verdict::Reject(rejection) => {
            said.verdict = Word::Reject;
            said.code = Some(rejection.code);
            said.detail = Some(rejection.detail);
            said.retry_after_ms = rejection.retry_after_ms;
            said.earlier = rejection.earlier;
            let fault =
                |fault: crate::Fault| message::Fault::new(fault.pointer, fault.code, fault.detail);
            said.faults = rejection.faults.into_iter().map(fault).collect();
        }
        Verdict::Amend(changes) => {
            said.verdict = Word::Amend;
            let granted = |word: &str| grants.is_none_or(|all| all.iter().any(|own| own == word));
            let edits = changes.iter().flat_map(|change| &change.edits);
            let applied =
                edits.cloned().try_for_each(|edit| apply(&mut said.message, edit, &granted));
            said.changes = changes.into_iter().map(|change| change.code).collect();
            if let Err(illegal) = applied {
                said = Said {
                    verdict: Word::Failure,
                    code: Some("illegal_amend".into()),
                    detail: Some(illegal),
                    changes: Vec::new(),
                    message: asked.clone(),
                    notes: Vec::new(),
                    ..said
                };
            }
        }
    }
    said
}

/// The host looks at more (hosts of media, tags, how far off): what it would refuse too is found against the module.
fn apply(
    message: &mut message::Message,
    edit: Edit,
    granted: &impl Fn(&str) -> bool,
) -> Result<(), Illegal> {
    let unfit = |fault: message::Fault| format!("{}: {}", fault.pointer, fault.detail);
    if !granted("amend") {
        return Err("it was not granted \"amend\"".into());
    }
    match edit {
        Edit::SetText(text) => message.text = text,
        Edit::SetRecipient(_) if !granted("amend-recipient") => {
            return Err("it was not granted \"amend-recipient\"".into());
        }
        Edit::SetRecipient(to) => message.to = E164::parse(&to, "/to").map_err(unfit)?,
        Edit::SetSender(sender) if sender.kind == "pool" => {
            message.sender = Sender::Pool(sender.value)
        }
        Edit::SetSender(sender) => {
            message.sender = Sender::parse(&sender.value, "/sender").map_err(unfit)?;
        }
        Edit::SetMediaUrls(urls) => {
            let parsed =
                urls.iter().map(|url| MediaUrl::parse(url, "/media_urls").map(|(url, _)| url));
            message.media_urls = parsed.collect::<Result<_, _>>().map_err(unfit)?;
            if message.media_urls.is_empty() {
                message.media_ids.clear();
            }
        }
        Edit::SetNotBeforeMs(ms) if message.not_before.is_some_and(|asked| ms < asked.0) => {
            return Err("it would send earlier than the app asked".into());
        }
        Edit::SetNotBeforeMs(ms) => message.not_before = Some(Timestamp(ms)),
        Edit::SetTag((key, value)) => {
            message.tags.retain(|(known, _)| *known != key);
            message.tags.push((key, value));
        }
    }
    Ok(())
}
