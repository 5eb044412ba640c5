//! A policy's changes applied, as far as the operator lets it, and the message looked at again.

use std::time::Duration;

use super::{Amendment, Breach, Edit};
use crate::facts::{self, Facts, HostClass};
use crate::{E164, Fault, MediaUrl, Message, Sender, Timestamp};

/// Most tags of a message, and most bytes of a tag's key and value.
const TAGS: usize = 32;
const TAG_KEY_BYTES: usize = 64;
const TAG_VALUE_BYTES: usize = 256;

/// Furthest that a policy may put a message off, from the decision: as long as anything that policies ask for lasts.
const FURTHEST: Duration = Duration::from_secs(31 * 86_400);

/// What a policy may change, and the instant of the decision.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whether it may change anything.
    pub amend: bool,
    /// Whether it may send to another handset.
    pub recipient: bool,
    /// The clock.
    pub now: Timestamp,
}

/// A copy of `message` with `changes` applied, and what is found out about that.
///
/// # Errors
///
/// [`Breach::IllegalAmend`] where `terms` do not let it, and where the message would not be fit to send afterwards.
pub fn amended(
    message: &Message,
    known: &Facts,
    changes: &[Amendment],
    terms: Terms,
) -> Result<(Message, Facts), Breach> {
    if !terms.amend {
        return Err(illegal("it was not granted \"amend\""));
    }
    let mut amended = message.clone();
    for edit in changes.iter().flat_map(|change| &change.edits) {
        apply(&mut amended, edit, terms)?;
    }
    let mut looked = facts::survey(&amended, known.unknown_fields.clone())
        .map_err(|faults| illegal_by(faults.first()))?;
    keep_probes(message, known, &amended, &mut looked);
    match first_fault(message, &amended, &looked) {
        Some(fault) => Err(illegal_by(Some(&fault))),
        None => Ok((amended, looked)),
    }
}

/// What was found at a URL is known still, wherever it stands now; of one that a policy put in nothing is.
fn keep_probes(before: &Message, known: &Facts, after: &Message, looked: &mut Facts) {
    for (url, media) in after.media_urls.iter().zip(&mut looked.media) {
        let place = before.media_urls.iter().position(|each| each == url);
        media.probe = place.and_then(|place| known.media.get(place)?.probe.clone());
    }
}

fn apply(message: &mut Message, edit: &Edit, terms: Terms) -> Result<(), Breach> {
    let unfit = |fault: Fault| illegal_by(Some(&fault));
    match edit {
        Edit::SetText(text) => message.text.clone_from(text),
        Edit::SetRecipient(_) if !terms.recipient => {
            return Err(illegal("it was not granted \"amend-recipient\""));
        }
        Edit::SetRecipient(to) => message.to = E164::parse(to, "/to").map_err(unfit)?,
        Edit::SetSender { kind, value } => message.sender = read_sender(kind, value)?,
        Edit::SetMediaUrls(urls) => {
            let urls = urls.iter().enumerate().map(|(index, url)| {
                let (url, facts) = MediaUrl::parse(url, &format!("/media_urls/{index}"))?;
                not_private(facts.host_class, index)?;
                Ok(url)
            });
            message.media_urls = urls.collect::<Result<_, Fault>>().map_err(unfit)?;
            // The contract: an empty list takes the media away, and the message is an SMS then.
            if message.media_urls.is_empty() {
                message.media_ids.clear();
            }
        }
        Edit::SetNotBeforeMs(ms) => {
            let at = Timestamp(*ms);
            if message.not_before.is_some_and(|asked| at < asked) {
                return Err(illegal("it would send earlier than the app asked"));
            }
            if at > terms.now.after(FURTHEST) {
                return Err(illegal("it would send more than 31 days from now"));
            }
            message.not_before = Some(at);
        }
        Edit::SetTag(key, value) => set_tag(message, key, value)?,
    }
    Ok(())
}

fn read_sender(kind: &str, value: &str) -> Result<Sender, Breach> {
    if kind == "pool" {
        return Sender::pool(value).ok_or_else(|| illegal("/sender: a pool is named by its UUID"));
    }
    let sender = Sender::parse(value, "/sender").map_err(|fault| illegal_by(Some(&fault)))?;
    match sender.kind() == kind {
        true => Ok(sender),
        false => {
            Err(illegal(&format!("/sender: it is a {}, not what its kind says", sender.kind())))
        }
    }
}

fn set_tag(message: &mut Message, key: &str, value: &str) -> Result<(), Breach> {
    if key.is_empty() || key.len() > TAG_KEY_BYTES || value.len() > TAG_VALUE_BYTES {
        return Err(illegal("/tags: a tag has a key of 1 to 64 bytes and a value of at most 256"));
    }
    if let Some((_, old)) = message.tags.iter_mut().find(|(known, _)| known == key) {
        value.clone_into(old);
        return Ok(());
    }
    if message.tags.len() >= TAGS {
        return Err(illegal("/tags: a message has at most 32 tags"));
    }
    message.tags.push((key.to_owned(), value.to_owned()));
    Ok(())
}

/// What was changed must be as fit to send as if the app had sent it so; the rest is not the policy's doing.
fn first_fault(before: &Message, after: &Message, facts: &Facts) -> Option<Fault> {
    let media = (&after.media_urls, &after.media_ids);
    let media_changed = media != (&before.media_urls, &before.media_ids);
    let text = || {
        let faults = facts::text_faults(&after.text, after.kind(), &facts.text, "/text");
        faults.into_iter().next()
    };
    let count = || facts::media_count_fault(after.media_urls.len(), after.media_ids.len());
    let recipient = || facts::number_faults(&facts.number, "/to");
    let looped = || facts::same_as_sender_fault(after, "/to");

    let mut fault = None;
    if media_changed || after.text != before.text {
        fault = fault.or_else(text).or_else(count);
    }
    if after.to != before.to {
        fault = fault.or_else(recipient);
    }
    if after.to != before.to || after.sender != before.sender {
        fault = fault.or_else(looped);
    }
    fault
}

/// Whatever the operator allows apps: no policy sends Plivo's fetcher to a private host.
fn not_private(class: HostClass, index: usize) -> Result<(), Fault> {
    let private = |code, detail| Err(Fault::new(format!("/media_urls/{index}"), code, detail));
    match class {
        HostClass::Public | HostClass::PublicAddress => Ok(()),
        HostClass::PrivateName => private("url.host_private", "names a private host"),
        HostClass::PrivateAddress => private("url.ip_private", "names a private address"),
    }
}

fn illegal(what: &str) -> Breach {
    Breach::IllegalAmend(what.to_owned())
}

fn illegal_by(fault: Option<&Fault>) -> Breach {
    let said = fault.map(|fault| format!("{} ({}) {}", fault.pointer, fault.code, fault.detail));
    Breach::IllegalAmend(said.unwrap_or_default())
}

#[cfg(test)]
mod tests;
