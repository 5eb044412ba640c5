//! The vocabulary in the contract's form, and a decision in the vocabulary's, as the host has both.

use std::time::Duration;

use message::answer::{
    self, Amendment, Answer, Answered, Breach, Terms, amended, bounded_notes, cut, kind,
};
use message::facts::{self, Probed};
use message::{Change, MessageId, Note, Rejection, Timestamp};
use policy_cases::{Said, Verdict as Word};

use crate::media::Probe;
use crate::{
    Decision, Edit, Encoding, Facts, InboundMessage, Kind, MediaFacts, Message, NumberFacts,
    NumberType, PolicyError, Receipt, TextFacts, Verdict,
};

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

/// A handset's message as the policy took it, with the remarks that the host would keep of it.
pub(super) fn noted(made: Result<Vec<crate::Note>, PolicyError>) -> Result<Vec<Note>, String> {
    let notes = made.map_err(|error| format!("{}: {}", error.kind, error.detail))?;
    bounded_notes(notes.into_iter().map(note).collect()).map_err(|breach| failure(breach).1)
}

/// What the policy said of `asked`, held to the contract's bounds, with its changes applied where `grants` (all where
/// absent) allow them.
pub(super) fn said(
    decided: Result<Decision, PolicyError>,
    (asked, facts, now): (&message::Message, &facts::Facts, Timestamp),
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
    let granted = |word: &str| grants.is_none_or(|all| all.iter().any(|own| own == word));
    let terms = Terms { amend: granted("amend"), recipient: granted("amend-recipient"), now };
    let held = match decided {
        Ok(decision) => answer(decision).bounded().and_then(|answer| match &answer.verdict {
            Answered::Amend(changes) => {
                let (message, _) = amended(asked, facts, changes, terms)?;
                Ok((answer, message))
            }
            Answered::Accept | Answered::Reject(_) => Ok((answer, asked.clone())),
        }),
        Err(PolicyError { kind: word, mut detail }) => {
            cut(&mut detail);
            (said.verdict, said.code) = (Word::Failure, Some("undecided".into()));
            said.detail = Some(format!("{}: {detail}", kind(&word)));
            return said;
        }
    };
    let (answer, message) = match held {
        Ok(held) => held,
        Err(breach) => {
            let (code, what) = failure(breach);
            (said.verdict, said.code, said.detail) = (Word::Failure, Some(code.into()), Some(what));
            return said;
        }
    };
    (said.notes, said.message) = (answer.notes, message);
    match answer.verdict {
        Answered::Accept => {}
        Answered::Amend(changes) => {
            said.verdict = Word::Amend;
            said.changes = changes.into_iter().map(|each| each.change.code).collect();
        }
        Answered::Reject(no) => {
            said.verdict = Word::Reject;
            (said.code, said.detail, said.faults) = (Some(no.code), Some(no.detail), no.faults);
            let ms = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            said.retry_after_ms = no.retry_after.map(ms);
            said.earlier = no.earlier.map(|id| id.0.into());
        }
    }
    said
}

/// A failure's kind and what it says.
fn failure(breach: Breach) -> (&'static str, String) {
    match breach {
        Breach::BadAnswer(what) => ("bad_answer", what),
        Breach::IllegalAmend(what) => ("illegal_amend", what),
    }
}

fn answer(decision: Decision) -> Answer {
    let verdict = match decision.verdict {
        Verdict::Accept => Answered::Accept,
        Verdict::Amend(changes) => Answered::Amend(changes.into_iter().map(amendment).collect()),
        Verdict::Reject(no) => Answered::Reject(Rejection {
            code: no.code,
            detail: no.detail,
            faults: no.faults.into_iter().map(fault).collect(),
            retry_after: no.retry_after_ms.map(Duration::from_millis),
            earlier: no.earlier.map(|id| MessageId(id.into())),
        }),
    };
    Answer { verdict, notes: decision.notes.into_iter().map(note).collect() }
}

fn note(note: crate::Note) -> Note {
    Note { policy: String::new(), key: note.key, value: note.value, shown: note.shown }
}

fn fault(fault: crate::Fault) -> message::Fault {
    message::Fault::new(fault.pointer, fault.code, fault.detail)
}

fn amendment(change: crate::Change) -> Amendment {
    let edits = change.edits.into_iter().map(|edit| match edit {
        Edit::SetText(text) => answer::Edit::SetText(text),
        Edit::SetRecipient(to) => answer::Edit::SetRecipient(to),
        Edit::SetSender(crate::Sender { kind, value }) => answer::Edit::SetSender { kind, value },
        Edit::SetMediaUrls(urls) => answer::Edit::SetMediaUrls(urls),
        Edit::SetNotBeforeMs(ms) => answer::Edit::SetNotBeforeMs(ms),
        Edit::SetTag((key, value)) => answer::Edit::SetTag(key, value),
    });
    let edits = edits.collect();
    let change = Change { policy: String::new(), code: change.code, detail: change.detail };
    Amendment { change, edits }
}
