//! From the lines of a log to what the host takes. What somebody else may have written is held to the vocabulary's rules.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use message::facts::{self as found, HostClass, NumberType, Probed};
use message::{
    Calendar, Dedup, E164, Encoding, Gcra, Holder, LedgerError, LimitKind, MediaUrl, MessageId,
    Segments, Sender, Timestamp, Window,
};
use policy_host::{StateAnswer, StateCall, StateQuestion};

use super::form::{
    Answer, Asked, Bytes, Call, Charge, Facts, LimitKind as Kind, Media, Message, Period, Probe,
};

/// What is wrong with a line, for whoever wrote the log.
type Unfit = String;

/// The message of the record `id`.
///
/// # Errors
///
/// The first member that no message could have.
pub(crate) fn message(id: &str, written: &Message) -> Result<message::Message, Unfit> {
    let unfit = |fault: message::Fault| format!("{}: {}", fault.pointer, fault.detail);
    let url = |url: &String| Ok(MediaUrl::parse(url, "/media_urls").map_err(unfit)?.0);
    Ok(message::Message {
        id: MessageId(id.into()),
        to: E164::parse(&written.to, "/to").map_err(unfit)?,
        sender: match written.from_kind.as_str() {
            "number" => Sender::Number(E164::parse(&written.from, "/from").map_err(unfit)?),
            "short-code" => Sender::ShortCode(written.from.clone()),
            "alphanumeric" => Sender::Alphanumeric(written.from.clone()),
            "pool" => Sender::Pool(written.from.clone()),
            other => return Err(format!("/from_kind: `{other}` is no kind of sender")),
        },
        text: written.text.clone(),
        media_urls: written.media_urls.iter().map(url).collect::<Result<_, Unfit>>()?,
        media_ids: written.media_ids.clone(),
        intent: written.intent.clone(),
        ttl_s: written.ttl_s,
        not_before: written.not_before_ms.map(Timestamp),
        callback_url: None,
        dedup: match written.dedup.as_deref() {
            None => Dedup::Content,
            Some(given) => given.strip_prefix('=').map_or(Dedup::Off, |key| Dedup::Key(key.into())),
        },
        tags: written.tags.clone(),
    })
}

/// The facts of a message.
///
/// # Errors
///
/// The first word that is none of the vocabulary's.
pub(crate) fn facts(written: &Facts) -> Result<found::Facts, Unfit> {
    let unknown = |what: &str, word: &str| format!("/{what}: `{word}` is no {what}");
    let number_type = NumberType::from_word(&written.number_type)
        .ok_or_else(|| unknown("number_type", &written.number_type))?;
    let encoding = [Encoding::Gsm7, Encoding::Ucs2].into_iter();
    let encoding = encoding
        .into_iter()
        .find(|each| each.as_str() == written.encoding)
        .ok_or_else(|| unknown("encoding", &written.encoding))?;
    Ok(found::Facts {
        number: found::NumberFacts {
            valid: written.valid,
            region: written.region.clone(),
            calling_code: written.calling_code,
            number_type,
            zones: written.zones.clone(),
        },
        text: Segments {
            encoding,
            units: written.units,
            count: written.segments,
            ucs2_offsets: written.ucs2_offsets.clone(),
        },
        media: written.media.iter().map(media).collect::<Result<_, Unfit>>()?,
        unknown_fields: written.unknown_fields.clone(),
    })
}

fn media(written: &Media) -> Result<found::MediaFacts, Unfit> {
    Ok(found::MediaFacts {
        scheme: written.scheme.clone(),
        host: written.host.clone(),
        port: written.port,
        extension: written.extension.clone(),
        host_class: HostClass::from_word(&written.host_class)
            .ok_or_else(|| format!("/host_class: `{}` is no class of hosts", written.host_class))?,
        probe: written.probe.as_ref().map(probe).transpose()?,
    })
}

fn probe(written: &Probe) -> Result<Probed, Unfit> {
    let found = Probed::Found { content_type: written.content_type.clone(), bytes: written.bytes };
    let all = [
        found,
        Probed::ResolvesPrivate,
        Probed::RedirectsPrivate,
        Probed::TooManyRedirects,
        Probed::Refused(written.status),
        Probed::Unreachable,
    ];
    let probe = all.into_iter().find(|each| each.as_str() == written.outcome);
    probe.ok_or_else(|| format!("/probe: `{}` is no outcome of a look", written.outcome))
}

/// A call of `state`.
///
/// # Errors
///
/// Base64 that is none.
pub(crate) fn call(written: Call) -> Result<StateCall, Unfit> {
    Ok(StateCall { asked: asked(written.asked)?, answer: answer(written.answer)? })
}

fn asked(written: Asked) -> Result<StateQuestion, Unfit> {
    Ok(match written {
        Asked::Get { key } => StateQuestion::Get { key },
        Asked::Put { key, value, ttl_ms, if_absent } => {
            StateQuestion::Put { key, value: bytes(value)?, ttl: ms(ttl_ms), if_absent }
        }
        Asked::Increment { key, delta, ttl_ms } => {
            StateQuestion::Increment { key, delta, ttl: ms(ttl_ms) }
        }
        Asked::Reserve { key, ttl_ms } => StateQuestion::Reserve { key, ttl: ms(ttl_ms) },
        Asked::Take(charges) => {
            StateQuestion::Take { charges: charges.into_iter().map(charge).collect() }
        }
    })
}

fn charge(written: Charge) -> message::Charge {
    let Charge { limit, key, kind, cost, queue } = written;
    let kind = match kind {
        Kind::Window { quota, per_ms } => LimitKind::Window(Window { quota, per: ms(per_ms) }),
        Kind::Gcra { quota, per_ms, burst } => {
            LimitKind::Gcra(Gcra { quota, per: ms(per_ms), burst })
        }
        Kind::Calendar { quota, period, zone } => {
            let period = match period {
                Period::Day => message::Period::Day,
                Period::Week => message::Period::Week,
                Period::Month => message::Period::Month,
            };
            LimitKind::Calendar(Calendar { quota, period, zone })
        }
    };
    message::Charge { limit, key, kind, cost, queue }
}

fn answer(written: Answer) -> Result<StateAnswer, Unfit> {
    Ok(match written {
        Answer::Value(value) => StateAnswer::Value(value.map(bytes).transpose()?),
        Answer::Put(put) => StateAnswer::Put(put),
        Answer::Sum(sum) => StateAnswer::Sum(sum),
        Answer::Reserved => StateAnswer::Reserved(None),
        Answer::Held { by, until_ms } => {
            let (by, until) = (MessageId(by.into()), Timestamp(until_ms));
            StateAnswer::Reserved(Some(Holder { by, until }))
        }
        Answer::Taken(standings) => {
            let standing = |each: super::form::Standing| message::Standing {
                limit: each.limit,
                remaining: each.remaining,
                reset: ms(each.reset_ms),
                delay: ms(each.delay_ms),
            };
            StateAnswer::Taken(standings.into_iter().map(standing).collect())
        }
        Answer::Refused(refusals) => {
            let refusal = |each: super::form::Refusal| message::LimitRefusal {
                limit: each.limit,
                wait: ms(each.wait_ms),
                never: each.never,
            };
            StateAnswer::Refused(refusals.into_iter().map(refusal).collect())
        }
        Answer::Full => StateAnswer::Failed(LedgerError::Full),
        Answer::Invalid(what) => StateAnswer::Failed(LedgerError::Invalid(what)),
        Answer::Unavailable(why) => StateAnswer::Failed(LedgerError::Unavailable(why)),
    })
}

fn bytes(written: Bytes) -> Result<Vec<u8>, Unfit> {
    match written {
        Bytes::Text(text) | Bytes::Hash(text) => Ok(text.into_bytes()),
        Bytes::Base64(text) => STANDARD.decode(text).map_err(|_| "/base64: is none".to_owned()),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
