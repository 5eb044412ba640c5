//! Telling policies what became of a message, and what handsets say.

use std::time::Duration;

use message::{DEFAULT_ACCOUNT, E164, Kind, MessageId, Note, Sender, Settlement, Timestamp, facts};
use tracing::Instrument;

use super::PolicyChain;
use crate::bindings::types;
use crate::heard::Taken;
use crate::instance::{Report, WitInbound, WitReceipt};
use crate::revision::Revision;
use crate::visit::Asking;
use crate::{PolicyFailure, PolicyName, spans};

/// A message that went its way, as policies are told of it.
#[derive(Clone, Copy, Debug)]
pub struct Afterwards<'a> {
    /// The message.
    pub id: &'a MessageId,
    /// The app that asked.
    pub app: &'a str,
    /// The door it came through.
    pub door: &'a str,
    /// The instant of the outcome or report.
    pub now: Timestamp,
}

/// A delivery report in full, or the app's word on what the recipient did.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// SMS or MMS.
    pub kind: Kind,
    /// The handset, where it is still known.
    pub to: Option<&'a E164>,
    /// Who it came from.
    pub sender: &'a Sender,
    /// The app's word for what it was.
    pub intent: &'a str,
    /// Plivo's word, such as `delivered`; or `converted`.
    pub state: &'a str,
    /// Plivo's error code, or nothing.
    pub error_code: &'a str,
    /// Parts that it was sent in, where Plivo told.
    pub units: Option<u32>,
    /// Price of one part in US dollars, in Plivo's words; empty where it did not tell.
    pub total_rate: &'a str,
}

/// A message that a handset sent.
#[derive(Clone, Copy)]
pub struct Inbound<'a> {
    /// The handset.
    pub sender: &'a E164,
    /// What it was sent to; nothing where it is meant for all senders.
    pub to: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Plivo took it.
    Accepted,
    /// Plivo refused it.
    Rejected,
    /// It was never sent.
    NotSent,
    /// It may have been sent.
    InDoubt,
}

impl Outcome {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::NotSent => "not-sent",
            Self::InDoubt => "in-doubt",
        }
    }
}

impl PolicyChain {
    /// Tells every policy that wants to know what became of a message. A policy's failure is logged and no more.
    ///
    /// Each has the time and the bounds of any visit; call it where nobody waits for it.
    pub async fn tell_outcome(&self, about: Afterwards<'_>, outcome: Outcome) {
        // It is in the log, and there is nobody else to tell.
        drop(self.tell(about, Report::Outcome { outcome: outcome.as_str() }).await);
    }

    /// Tells every policy that wants to know of a delivery report: Plivo's state, such as `delivered`, and its error
    /// code, or nothing. A failure of the policy's own is logged and no more.
    ///
    /// # Errors
    ///
    /// The first policy that is to be told again since it could not take it now, after all of them were told: its state
    /// was not to be had, no instance was free, or it ran out of time. Those that are not heeded are none of these.
    pub async fn tell_delivery_report(
        &self,
        about: Afterwards<'_>,
        state: &str,
        error_code: &str,
    ) -> Result<(), (PolicyName, PolicyFailure)> {
        self.tell(about, Report::Delivery { state, error_code }).await
    }

    /// Tells every policy that wants to know of a delivery report in full, or that the recipient did what the message
    /// was for.
    ///
    /// # Errors
    ///
    /// As [`PolicyChain::tell_delivery_report`].
    pub async fn tell_receipt(
        &self,
        about: Afterwards<'_>,
        receipt: Receipt<'_>,
    ) -> Result<(), (PolicyName, PolicyFailure)> {
        let region = receipt.to.map(|to| facts::number(to).region).unwrap_or_default();
        let told = WitReceipt {
            id: &about.id.0,
            kind: match receipt.kind {
                Kind::Sms => types::Kind::Sms,
                Kind::Mms => types::Kind::Mms,
            },
            to: receipt.to.map(E164::as_str).unwrap_or_default(),
            sender: types::SenderParam {
                kind: receipt.sender.kind(),
                value: receipt.sender.as_str(),
            },
            region: &region,
            intent: receipt.intent,
            state: receipt.state,
            error_code: receipt.error_code,
            units: receipt.units,
            total_rate: receipt.total_rate,
        };
        self.tell(about, Report::Receipt(&told)).await
    }

    /// Tells every policy that wants to hear from handsets, whichever apps it is asked about, and returns what they
    /// made of it. What was made of it is kept when this returns. Those that are not heeded are told too, and not heard.
    ///
    /// # Errors
    ///
    /// The first policy that could not take it, after all of them were told. Telling them again does no harm.
    pub async fn tell_inbound(
        &self,
        about: Afterwards<'_>,
        message: Inbound<'_>,
    ) -> Result<Vec<Note>, (PolicyName, PolicyFailure)> {
        let Inbound { sender, to, text } = message;
        let told = WitInbound { id: &about.id.0, sender: sender.as_str(), to, text };
        let report = Report::Inbound(&told);
        let (mut made, mut failed) = (Vec::new(), None);
        let listeners = self.policies.iter().flat_map(|policy| policy.listeners());
        for (revision, heeded) in listeners.filter(|(revision, _)| revision.wants(report)) {
            let span = spans::report(revision, self.generation);
            let told = tell_one(revision, heeded, about, report).instrument(span).await;
            match told.made {
                Ok(notes) if heeded => made.extend(notes),
                Err(failure) if heeded => {
                    failed.get_or_insert((revision.prepared.name.clone(), failure));
                }
                Ok(_) | Err(_) => {}
            }
        }
        failed.map_or(Ok(made), Err)
    }

    /// Whether any policy wants to hear from handsets.
    pub fn hears_inbound(&self) -> bool {
        self.policies.iter().any(|policy| policy.revision.prepared.shape.hooks.on_inbound.is_some())
    }

    async fn tell(
        &self,
        about: Afterwards<'_>,
        report: Report<'_>,
    ) -> Result<(), (PolicyName, PolicyFailure)> {
        let mut untold = None;
        for policy in self.policies_for(about.app) {
            for (revision, heeded) in policy.listeners() {
                if revision.wants(report) {
                    let span = spans::report(revision, self.generation);
                    let told = tell_one(revision, heeded, about, report).instrument(span).await;
                    if let Some(failure) = told.passing().filter(|_| heeded) {
                        untold.get_or_insert((revision.prepared.name.clone(), failure));
                    }
                }
            }
        }
        untold.map_or(Ok(()), Err)
    }
}

/// What a policy made of what it was told.
struct Told {
    made: Result<Vec<Note>, PolicyFailure>,
    /// The ledger could not answer it.
    unavailable: bool,
}

impl Told {
    /// Why it is to be told again: it met with what passes by itself. Without its state it may have said that all is
    /// well, and has not remembered what it was told.
    fn passing(self) -> Option<PolicyFailure> {
        match self.made {
            Err(failure @ (PolicyFailure::Deadline | PolicyFailure::NoInstance)) => Some(failure),
            Err(failure) => Some(failure).filter(|_| self.unavailable),
            Ok(_) => self.unavailable.then(|| PolicyFailure::Undecided {
                kind: "state-unavailable".to_owned(),
                detail: "its state was not to be had while it was told".to_owned(),
            }),
        }
    }
}

async fn tell_one(
    revision: &Revision,
    heeded: bool,
    about: Afterwards<'_>,
    report: Report<'_>,
) -> Told {
    let (by, now) = (about.id.clone(), about.now);
    let (handset, text) = match report {
        Report::Inbound(heard) => (heard.sender, heard.text),
        Report::Receipt(receipt) => (receipt.to, ""),
        _ => ("", ""),
    };
    let asking = Asking {
        by,
        handset: handset.into(),
        text: text.into(),
        now,
        dry_run: false,
        ahead: Duration::ZERO,
        account: DEFAULT_ACCOUNT.into(),
        record: false,
        heeded,
        foresight: None,
        probes: Vec::new(),
    };
    let (app, door, now_ms) = (about.app, about.door, about.now.0);
    let context = types::Context { app, door, now_ms, dry_run: false };
    let visited = revision.tell(report, context, asking).await;
    let speaker = revision.speaker(handset);
    let made = visited.returned.and_then(|made| speaker.made(made));
    let made = made.map_err(|failure| if speaker.masked { failure.without(text) } else { failure });
    if let Err(failure) = &made {
        revision.complain(failure, "a policy failed to take a report");
    }
    if let Some(heard) = &revision.prepared.shared.heard {
        let spent = visited.spent.as_ref();
        heard.note(Taken {
            guest: spent.map_or(Duration::ZERO, |spent| spent.guest),
            memory: spent.map_or(0, |spent| spent.memory),
            host_calls: spent.map_or(0, |spent| spent.host_calls),
            failure: made.as_ref().err().map(ToString::to_string),
        });
    }
    let Some(spent) = visited.spent else { return Told { made, unavailable: false } };
    let unavailable = spent.unavailable;
    // No request is left that they could belong to.
    let settlement = if made.is_ok() { Settlement::Keep } else { Settlement::GiveBack };
    if let Err(error) = spent.holds.settle(settlement).await {
        tracing::warn!(%error, "holds taken in a report could not be settled; they will expire");
    }
    Told { made, unavailable }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::PolicyFailure;

    #[test]
    fn what_passes_by_itself_is_told_again_and_what_is_the_policys_own_is_not() {
        let undecided =
            || PolicyFailure::Undecided { kind: "as-told".into(), detail: String::new() };
        let cases = [
            (Ok(Vec::new()), false, None),
            (Ok(Vec::new()), true, Some("undecided")),
            (Err(undecided()), false, None),
            (Err(undecided()), true, Some("undecided")),
            (Err(PolicyFailure::HostCalls), false, None),
            (Err(PolicyFailure::StackOverflow), true, Some("stack_overflow")),
            (Err(PolicyFailure::Deadline), false, Some("deadline")),
            (Err(PolicyFailure::NoInstance), false, Some("no_instance")),
        ];
        for (made, unavailable, expected) in cases {
            let said = format!("{made:?}, unavailable: {unavailable}");
            let passing = Told { made, unavailable }.passing();
            assert_eq!(passing.as_ref().map(PolicyFailure::as_str), expected, "{said}");
        }
    }
}
