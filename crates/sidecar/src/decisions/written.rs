//! From a decision to the lines that tell of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use message::facts::{self as found, Probed};
use message::{Dedup, LedgerError, LimitKind, MediaUrl, Sender};
use policy_host::{Basis, Decision, Grant, Policy, StateAnswer, StateCall, StateQuestion, Verdict};

use super::form::{
    Answer, Asked, Call, Candidate, Charge, End, FORM, Facts, Generation, LimitKind as Kind, Line,
    Media, Message, Period, Probe, Record, Refusal, Standing, Visit,
};
use super::redactor::Own;
use super::{Entry, Redactor, form};
use crate::in_force::InForce;

/// The word for what is written as it is.
pub(crate) const FULL: &str = "full";

/// The policies in force, for those who read the decisions below.
pub(super) fn generation(in_force: &InForce, redactor: &mut Redactor) -> Line {
    let pairs = in_force.chain.policies().iter().zip(&in_force.entries);
    let policies = pairs.map(|(policy, entry)| form::Policy {
        candidate: policy.trial().map(|trial| Candidate {
            digest: trial.digest.to_string(),
            settings: redactor.settings(entry.candidate_settings()),
        }),
        settings: redactor.settings(entry.settings()),
        memory_bytes: entry.limits.memory as u64,
        host_calls: entry.limits.host_calls,
        ..described(policy)
    });
    Line::Generation(Generation {
        form: FORM,
        sendgate: env!("CARGO_PKG_VERSION").to_owned(),
        generation: in_force.chain.generation().0,
        policies: policies.collect(),
        text: if redactor.whole_text { FULL } else { "shape" }.to_owned(),
        numbers: if redactor.whole_numbers { FULL } else { "hash" }.to_owned(),
        key: redactor.key(),
    })
}

/// A policy without its settings and limits.
pub(crate) fn described(policy: &Policy) -> form::Policy {
    let manifest = policy.manifest();
    form::Policy {
        name: policy.name().to_string(),
        policy: manifest.name.clone(),
        version: manifest.version.to_string(),
        digest: policy.digest().to_string(),
        mode: policy.mode().as_str().to_owned(),
        on_failure: policy.on_failure().as_str().to_owned(),
        grants: policy.grants().iter().map(|grant| Grant::as_str(grant).to_owned()).collect(),
        apps: policy.apps().map(|apps| apps.iter().map(|app| app.to_string()).collect()),
        memory_bytes: 0,
        host_calls: 0,
        settings: serde_json::Value::Null,
        candidate: None,
    }
}

/// One message's way.
pub(super) fn record(entry: &Entry, redactor: &mut Redactor) -> Line {
    let candidate = &entry.candidate;
    let sent = &candidate.message;
    // What no remark and no value under a key may repeat.
    let own = if redactor.shows_all() { Own::default() } else { Own::of(sent) };
    let mut not_whole = Vec::new();
    let message = message(sent, &candidate.facts, redactor, &mut not_whole);
    let visits: Vec<Visit> =
        entry.decisions.iter().map(|decision| visit(decision, &own, redactor)).collect();
    if !redactor.shows_all() && visits.iter().any(|visit| !visit.calls.is_empty()) {
        not_whole.push("state".to_owned());
    }
    let given = entry.decisions.iter().flat_map(|decision| &decision.notes);
    let written = visits.iter().flat_map(|visit| &visit.notes);
    if given.zip(written).any(|(note, (key, value))| note.key != *key || note.value != *value) {
        not_whole.push("notes".to_owned());
    }
    let record = Box::new(Record {
        id: sent.id.to_string(),
        at_ms: candidate.now.0,
        app: candidate.app.to_string(),
        account: candidate.account.to_string(),
        door: candidate.door.to_owned(),
        generation: entry.in_force.chain.generation().0,
        end: entry.end.clone(),
        not_whole,
        message,
        facts: facts(&candidate.facts, redactor),
        visits,
        is_second_look: entry.is_second_look,
    });
    match entry.is_second_look {
        true => Line::SecondLook(record),
        false => Line::Decision(record),
    }
}

fn visit(decision: &Decision, own: &Own, redactor: &mut Redactor) -> Visit {
    let nothing = Basis::default();
    let basis = decision.basis.as_deref().unwrap_or(&nothing);
    let notes = decision.notes.iter();
    Visit {
        policy: decision.policy.to_string(),
        digest: decision.digest.to_string(),
        mode: decision.mode.as_str().to_owned(),
        verdict: decision.verdict.as_str().to_owned(),
        codes: decision.verdict.codes(),
        notes: notes
            .map(|n| (redactor.key_of(&n.key, own), redactor.remark(&n.value, own)))
            .collect(),
        again: basis.again,
        calls: basis.calls.iter().map(|each| call(each, own, redactor)).collect(),
        amended: basis.amended.as_ref().map(|(amended, found)| {
            (message(amended, found, redactor, &mut Vec::new()), facts(found, redactor))
        }),
    }
}

/// How a message that was not stopped, or was by `policy`, came out.
pub(crate) fn end(stopped: Option<(&str, &Verdict)>) -> End {
    let (verdict, policy, code) = match stopped {
        None => ("accept", None, None),
        Some((policy, verdict)) => {
            (verdict.as_str(), Some(policy.to_owned()), verdict.codes().into_iter().next())
        }
    };
    End { verdict: verdict.to_owned(), policy, code, until_ms: None }
}

pub(crate) fn message(
    message: &message::Message,
    found: &found::Facts,
    redactor: &mut Redactor,
    not_whole: &mut Vec<String>,
) -> Message {
    let (sender, numbers) = (&message.sender, redactor.whole_numbers);
    let hidden = !redactor.whole_text;
    let is_number = matches!(sender, Sender::Number(_));
    let intent = match !numbers && message::without_numbers(&message.intent) != message.intent {
        true => redactor.hash("intent", &message.intent),
        false => message.intent.clone(),
    };
    let parts = [
        ("to", !numbers),
        ("from", !numbers && is_number),
        ("intent", intent != message.intent),
        ("text", hidden && !message.text.is_empty()),
        ("media", hidden && message.kind() == message::Kind::Mms),
        ("dedup", hidden && matches!(message.dedup, Dedup::Key(_))),
        ("tags", hidden && !message.tags.is_empty()),
    ];
    not_whole.extend(parts.iter().filter(|(_, not)| *not).map(|(part, _)| (*part).to_owned()));
    let url = |(nth, url): (usize, &MediaUrl)| match hidden {
        true => {
            let extension = found.media.get(nth).map_or("", |media| media.extension.as_str());
            redactor.url(url.as_str(), extension)
        }
        false => url.as_str().to_owned(),
    };
    let word = |what: &str, word: &str| match hidden {
        true => redactor.hash(what, word),
        false => word.to_owned(),
    };
    Message {
        media_urls: message.media_urls.iter().enumerate().map(url).collect(),
        media_ids: message.media_ids.iter().map(|id| word("media", id)).collect(),
        dedup: match &message.dedup {
            Dedup::Content => None,
            Dedup::Off => Some("off".to_owned()),
            Dedup::Key(key) => Some(format!("={}", word("dedup", key))),
        },
        tags: message.tags.iter().map(|tag| redactor.tag(tag)).collect(),
        text: redactor.text(&message.text),
        from_kind: sender.kind().to_owned(),
        from: if is_number { redactor.number(sender.as_str()) } else { sender.as_str().to_owned() },
        to: redactor.number(message.to.as_str()),
        intent,
        ttl_s: message.ttl_s,
        not_before_ms: message.not_before.map(|at| at.0),
    }
}

fn facts(facts: &found::Facts, redactor: &Redactor) -> Facts {
    let found::Facts { number, text, media, unknown_fields } = facts;
    Facts {
        valid: number.valid,
        region: number.region.clone(),
        calling_code: number.calling_code,
        number_type: number.number_type.as_str().to_owned(),
        zones: number.zones.clone(),
        encoding: text.encoding.as_str().to_owned(),
        units: text.units,
        segments: text.count,
        ucs2_offsets: text.ucs2_offsets.clone(),
        media: media.iter().map(one_media).collect(),
        unknown_fields: unknown_fields.iter().map(|field| redactor.field(field)).collect(),
    }
}

fn one_media(media: &found::MediaFacts) -> Media {
    Media {
        scheme: media.scheme.clone(),
        host: media.host.clone(),
        port: media.port,
        extension: media.extension.clone(),
        host_class: media.host_class.as_str().to_owned(),
        probe: media.probe.as_ref().map(|probe| {
            let (status, content_type, bytes) = match probe {
                Probed::Found { content_type, bytes } => (0, content_type.clone(), *bytes),
                Probed::Refused(status) => (*status, String::new(), None),
                _ => (0, String::new(), None),
            };
            Probe { outcome: probe.as_str().to_owned(), status, content_type, bytes }
        }),
    }
}

fn call(call: &StateCall, own: &Own, redactor: &Redactor) -> Call {
    let key = |key: &str| match redactor.shows_all() {
        true => key.to_owned(),
        false => redactor.hash("state", key),
    };
    let asked = match &call.asked {
        StateQuestion::Get { key: of } => Asked::Get { key: key(of) },
        StateQuestion::Put { key: of, value, ttl, if_absent } => {
            let (value, ttl_ms) = (redactor.bytes(value, own), ms(*ttl));
            Asked::Put { key: key(of), value, ttl_ms, if_absent: *if_absent }
        }
        StateQuestion::Increment { key: of, delta, ttl } => {
            Asked::Increment { key: key(of), delta: *delta, ttl_ms: ms(*ttl) }
        }
        StateQuestion::Reserve { key: of, ttl } => {
            Asked::Reserve { key: key(of), ttl_ms: ms(*ttl) }
        }
        StateQuestion::Take { charges } => {
            let charge = |charge: &message::Charge| Charge {
                limit: charge.limit.clone(),
                key: key(&charge.key),
                kind: kind(&charge.kind),
                cost: charge.cost,
                queue: charge.queue,
            };
            Asked::Take(charges.iter().map(charge).collect())
        }
    };
    Call { asked, answer: answer(&call.answer, own, redactor) }
}

fn answer(answer: &StateAnswer, own: &Own, redactor: &Redactor) -> Answer {
    match answer {
        StateAnswer::Value(value) => {
            Answer::Value(value.as_ref().map(|value| redactor.bytes(value, own)))
        }
        StateAnswer::Put(put) => Answer::Put(*put),
        StateAnswer::Sum(sum) => Answer::Sum(*sum),
        StateAnswer::Reserved(None) => Answer::Reserved,
        StateAnswer::Reserved(Some(holder)) => {
            Answer::Held { by: holder.by.to_string(), until_ms: holder.until.0 }
        }
        StateAnswer::Taken(standings) => Answer::Taken(standings.iter().map(standing).collect()),
        StateAnswer::Refused(refusals) => Answer::Refused(refusals.iter().map(refusal).collect()),
        StateAnswer::Failed(LedgerError::Full) => Answer::Full,
        StateAnswer::Failed(LedgerError::Invalid(what)) => Answer::Invalid(what.clone()),
        StateAnswer::Failed(LedgerError::Unavailable(why)) => Answer::Unavailable(why.clone()),
    }
}

fn standing(standing: &message::Standing) -> Standing {
    let (reset_ms, delay_ms) = (ms(standing.reset), ms(standing.delay));
    Standing { limit: standing.limit.clone(), remaining: standing.remaining, reset_ms, delay_ms }
}

fn refusal(refusal: &message::LimitRefusal) -> Refusal {
    let (limit, wait_ms) = (refusal.limit.clone(), ms(refusal.wait));
    Refusal { limit, wait_ms, never: refusal.never }
}

fn kind(kind: &LimitKind) -> Kind {
    match kind {
        LimitKind::Window(window) => Kind::Window { quota: window.quota, per_ms: ms(window.per) },
        LimitKind::Gcra(gcra) => {
            Kind::Gcra { quota: gcra.quota, per_ms: ms(gcra.per), burst: gcra.burst }
        }
        LimitKind::Calendar(calendar) => Kind::Calendar {
            quota: calendar.quota,
            period: match calendar.period {
                message::Period::Day => Period::Day,
                message::Period::Week => Period::Week,
                message::Period::Month => Period::Month,
            },
            zone: calendar.zone.clone(),
        },
    }
}

/// What is no text, as text.
pub(super) fn base64(value: &[u8]) -> String {
    STANDARD.encode(value)
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
