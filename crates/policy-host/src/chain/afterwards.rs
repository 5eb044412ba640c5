//! Telling policies what became of a message.

use message::{MessageId, Settlement, Timestamp};
use tracing::Instrument;

use super::PolicyChain;
use crate::bindings::types;
use crate::instance::Report;
use crate::revision::Revision;
use crate::visit::Asking;
use crate::{Mode, Policy, spans};

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
        self.tell(about, Report::Outcome { outcome: outcome.as_str() }).await;
    }

    /// Tells every policy that wants to know of a delivery report: Plivo's state, such as `delivered`, and its error
    /// code, or nothing. Otherwise as [`PolicyChain::tell_outcome`].
    pub async fn tell_delivery_report(&self, about: Afterwards<'_>, state: &str, error_code: &str) {
        self.tell(about, Report::Delivery { state, error_code }).await;
    }

    async fn tell(&self, about: Afterwards<'_>, report: Report<'_>) {
        for policy in self.policies_for(about.app) {
            if policy.revision.wants(report) {
                let span = spans::report(&policy.revision, self.generation);
                tell_one(policy, &policy.revision, about, report).instrument(span).await;
            }
        }
    }
}

async fn tell_one(policy: &Policy, revision: &Revision, about: Afterwards<'_>, report: Report<'_>) {
    let dry_run = policy.mode == Mode::Shadow;
    let asking = Asking { by: about.id.clone(), now: about.now, dry_run };
    let (app, door, now_ms) = (about.app, about.door, about.now.0);
    let context = types::Context { app, door, now_ms, dry_run };
    let visited = revision.tell(report, context, asking).await;
    if let Err(failure) = &visited.returned {
        let kind = failure.as_str();
        tracing::warn!(policy.name = %policy.name(), error.type = kind, "a policy failed to take a report");
    }
    let Some(spent) = visited.spent else { return };
    // No request is left that they could belong to.
    let kept = match visited.returned {
        Ok(()) => spent.holds.settle(Settlement::Keep).await,
        Err(_) => spent.holds.settle(Settlement::GiveBack).await,
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "holds taken in a report could not be settled; they will expire");
    }
}
