//! What the policies and the delivery would make of a message, now or at an instant to come.

use std::time::Duration;

use message::facts::{self, Facts, Probed};
use message::{Message, Note, Segments, Timestamp};
use policy_host::{Explanation, NotClearedKind, Trail};

use super::super::answer::Door;
use super::super::faults::Faults;
use super::super::refusal::{Refusal, Refuser};
use super::super::submission::unfit;
use super::super::{Call, Gateway, limits, send};

/// What is known of a message besides itself.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) unknown_fields: &'a [String],
    pub(super) probes: &'a [Probed],
}

/// A message as it would be sent, or why it would not be.
pub(super) struct Foreseen {
    pub(super) message: Message,
    pub(super) facts: Facts,
    pub(super) trail: Trail,
    pub(super) warning: Option<Note>,
    /// When it would be sent at the earliest.
    pub(super) sent: Result<Timestamp, Refusal>,
}

impl Foreseen {
    /// Whether a policy could not decide.
    pub(super) fn failed(&self) -> bool {
        matches!(self.sent, Err(Refusal::PolicyFailed { .. }))
    }
}

impl Gateway {
    /// Asks all policies about `message` as if it came so far `ahead` of `now`. Changes nothing.
    ///
    /// # Errors
    ///
    /// What refuses it before any policy is asked.
    pub(super) async fn foresee(
        &self,
        call: &Call,
        message: Message,
        found: Found<'_>,
        (now, ahead): (Timestamp, Duration),
    ) -> Result<Foreseen, Refusal> {
        // A change that is tried may leave what could never be sent.
        let segments = Segments::of(&message.text);
        let text = facts::text_faults(&message.text, message.kind(), &segments, "/text");
        let media = || facts::media_count_fault(message.media_urls.len(), message.media_ids.len());
        let sender = || {
            let plivo = call.in_force.plivo_of(&call.app);
            unfit(&message.sender, message.kind(), &call.app, plivo, "/from")
        };
        let faults: Faults = text.into_iter().chain(media()).chain(sender()).collect();
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let asked_start = message.not_before;
        let found = (found.unknown_fields, found.probes);
        let (mut candidate, told) = send::candidate(call, Door::Native, message, found, None)?;
        let at = now.after(ahead);
        candidate.now = at;
        let explained = call.in_force.chain.explain_ahead(candidate, ahead).await;
        let Explanation { stopped, message, facts, trail } = explained;
        let sent = match stopped {
            Some((policy, kind)) => {
                let policy = Refuser::of(&policy, &trail.decisions);
                Err(match kind {
                    NotClearedKind::Rejected(rejection) => Refusal::Rejected {
                        policy,
                        rejection: Box::new(rejection),
                        standings: limits::refusing(call, &trail.standings),
                    },
                    NotClearedKind::Failed(failure) => Refusal::PolicyFailed { policy, failure },
                })
            }
            // What the policies let pass may still have a sender that cannot, or come too late.
            None => {
                match send::unsendable(call, &message, (trail.sender_by.as_ref(), &trail.decisions))
                {
                    Some(refusal) => Err(refusal),
                    None => {
                        let standings = &trail.standings;
                        let (account, when) = (&call.app.account, (at, ahead));
                        let sent =
                            self.delivery.foresee(account, &message, asked_start, standings, when);
                        sent.map_err(|refusal| refusal.behind(|| limits::bounding(call, standings)))
                    }
                }
            }
        };
        Ok(Foreseen { message, facts, trail, warning: told.warning, sent })
    }
}
