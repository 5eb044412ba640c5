//! Nothing to those who said STOP.
//!
//! Opt-outs come from handsets (by Plivo, by an app, or by an operator's import) and from Plivo's reports. Each covers
//! one sender, or the campaign that it belongs to. The latest word counts.

mod list;
mod settings;
mod words;

use std::collections::BTreeMap;

use policy_sdk::{
    Context, Decision, Facts, Inbound, InboundMessage, Message, Note, Policy, PolicyError, Problem,
    Receipt, Receipts, asked_at_ms, export, reject, state,
};

pub use settings::Settings;

use list::{Entry, Place, Source};
use words::{Meaning, Words};

/// Plivo's code for a recipient who has opted out ("Error codes").
const OPTED_OUT: &str = "200";
/// The group of all senders.
const EVERYBODY: &str = "everybody";

/// Keeps the list, and holds messages against it.
#[derive(Debug)]
pub struct Consent {
    /// The campaign of each sender that has one.
    campaigns: BTreeMap<String, String>,
    words: Words,
    confirmation_intents: Vec<String>,
    confirmation_ms: u64,
    exempt_intents: Vec<String>,
    learn_from_reports: bool,
    salt: String,
}

/// The door by which the operator speaks in a handset's place.
const OPERATOR: &str = "operator";

impl Policy for Consent {
    type Settings = Settings;
    const SUMMARY: &'static str = "Nothing to those who said STOP";
    // A STOP may come while a message waits.
    const ASKED_AGAIN: bool = true;
    const BUCKETS: &'static [&'static str] = &[
        "the latest word of each recipient to each sender or campaign, by mark, for ten years",
        "one reservation for the confirmation of an opt-out",
    ];

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check()
    }

    fn check(
        &self,
        message: &Message,
        _: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        if self.exempt_intents.contains(&message.intent) {
            return Ok(Decision::accept());
        }
        let places = self.places(&message.sender.value, &message.to);
        let Some((place, entry)) = latest(&places)?.filter(|(_, entry)| entry.out) else {
            return Ok(Decision::accept());
        };
        let until_ms = entry.at_ms.saturating_add(self.confirmation_ms);
        let goes_ms = message.not_before_ms.unwrap_or(0).max(context.now_ms);
        let confirms = self.confirmation_intents.contains(&message.intent)
            && entry.source == Source::Handset
            && goes_ms < until_ms;
        if confirms
            && state::reserve(&place.confirmation(entry), self.confirmation_ms.max(1))?.is_none()
        {
            return Ok(
                Decision::accept().note("optout.confirmation", "the one message that confirms it")
            );
        }
        let detail = "the recipient has opted out of this sender's messages; do not send until they opt in again";
        Ok(reject("optout.suppressed", detail).into())
    }
}

impl Inbound for Consent {
    fn on_inbound(
        &self,
        message: &InboundMessage,
        context: &Context,
    ) -> Result<Vec<Note>, PolicyError> {
        let places = self.places(&message.to, &message.sender);
        let Some(own) = places.first() else { return Ok(Vec::new()) };
        let source = match context.door.as_str() {
            OPERATOR => Source::Operator,
            _ => Source::Handset,
        };
        let word = |out| Entry { out, source, at_ms: context.now_ms };
        Ok(match self.words.meaning(&message.text) {
            None => Vec::new(),
            Some(Meaning::Stop) => {
                // Said again to one sender, it is confirmed no second time. Said to all, it may come after an opt-in to
                // one.
                // What a handset says itself is more than what others said of it, and may be confirmed.
                let is_as_good =
                    |entry: &Entry| source == Source::Operator || entry.source == Source::Handset;
                let before = latest(&places)?.map(|(_, entry)| entry).filter(|entry| entry.out);
                let whole = latest(covering(&places))?.map(|(_, entry)| entry);
                let known = before.as_ref().is_some_and(is_as_good)
                    && whole.is_some_and(|entry| entry.out && is_as_good(&entry));
                if !known || message.to.is_empty() {
                    own.write(word(true))?;
                }
                let learned =
                    Note::shown("optout.learned", "it gets no more messages from this sender");
                let listed = before.map(|_| {
                    let detail = match message.to.is_empty() {
                        true => "it had opted out of all senders' messages before",
                        false => "it had opted out of this sender's messages before",
                    };
                    Note::shown("optout.listed", detail)
                });
                [learned].into_iter().chain(listed).collect()
            }
            Some(Meaning::Start) => {
                // Written even where nobody was listed: a report of an earlier message may yet come.
                let is_out = latest(&places)?.is_some_and(|(_, entry)| entry.out);
                own.write(word(false))?;
                let cleared =
                    Note::shown("optout.cleared", "it may get messages from this sender again");
                let not_listed = (!is_out).then(|| {
                    let detail = match message.to.is_empty() {
                        true => {
                            "it had not opted out of all senders' messages; where it had of one's, that is over too"
                        }
                        false => "it had not opted out of this sender's messages",
                    };
                    Note::shown("optout.not_listed", detail)
                });
                [cleared].into_iter().chain(not_listed).collect()
            }
            Some(Meaning::Review) => {
                let detail = "it may mean an opt-out and is no keyword; have a person look at it";
                vec![Note::shown("optout.review", detail)]
            }
        })
    }
}

impl Receipts for Consent {
    fn on_receipt(&self, receipt: &Receipt, context: &Context) -> Result<(), PolicyError> {
        if !self.learn_from_reports || receipt.error_code != OPTED_OUT || receipt.to.is_empty() {
            return Ok(());
        }
        let places = self.places(&receipt.sender.value, &receipt.to);
        // What a handset has said since the message was asked for is the later word, however late the report.
        let asked_ms = asked_at_ms(&receipt.id).unwrap_or(context.now_ms);
        let Some(own) = places.first() else { return Ok(()) };
        let is_out =
            |known: &Option<(&Place, Entry)>| known.as_ref().is_some_and(|(_, known)| known.out);
        let before = latest(&places)?;
        match &before {
            Some((_, entry)) if !entry.out && entry.at_ms > asked_ms => Ok(()),
            Some(_) if is_out(&before) && is_out(&latest(covering(&places))?) => Ok(()),
            // What was said to the sender alone holds for its campaign, too.
            Some((_, entry)) if entry.out => Ok(own.write(*entry)?),
            _ => {
                Ok(own.write(Entry { out: true, source: Source::Report, at_ms: context.now_ms })?)
            }
        }
    }
}

export!(Consent, receipts, inbound, cases = "../cases.toml");

impl Consent {
    /// The places of `recipient` that count for `sender`, its own first; where that is nobody, the one for everybody.
    fn places(&self, sender: &str, recipient: &str) -> Vec<Place> {
        let place = |group: &str| Place::of(&self.salt, group, recipient);
        // A handset shows `ACME` and `Acme` as one brand.
        let folded = sender.to_ascii_lowercase();
        // What was said before the sender came into a campaign, or before names were told alike, holds on.
        let mut own: Vec<String> = Vec::new();
        own.extend(self.campaigns.get(&folded).map(|campaign| format!("campaign {campaign}")));
        if !sender.is_empty() {
            own.push(format!("sender {folded}"));
        }
        if folded != sender {
            own.push(format!("sender {sender}"));
        }
        own.iter().map(|group| place(group)).chain([place(EVERYBODY)]).collect()
    }
}

/// Those of a sender's places that cover all of its campaign: its own, and everybody's.
fn covering(places: &[Place]) -> impl Iterator<Item = &Place> {
    let (own, others) = places.split_at(places.len().min(1));
    own.iter().chain(others.last())
}

/// The latest word at any of `places`; of two at one time, that against.
fn latest<'a>(
    places: impl IntoIterator<Item = &'a Place>,
) -> Result<Option<(&'a Place, Entry)>, PolicyError> {
    let mut latest: Option<(&Place, Entry)> = None;
    for place in places {
        if let Some(entry) = place.read()? {
            let newer =
                |(_, known): &(&Place, Entry)| (entry.at_ms, entry.out) > (known.at_ms, known.out);
            if latest.as_ref().is_none_or(newer) {
                latest = Some((place, entry));
            }
        }
    }
    Ok(latest)
}

#[cfg(test)]
mod tests;
