//! What becomes of a message that a policy stopped.

use std::time::Duration;

use message::{Change, Message, MessageId, Rejection};
use policy_host::{NotCleared, NotClearedKind, PolicyFailure, Trail};
use store::Record;
use tokio::time::{Instant, sleep};

use super::super::super::answer::{Owned, Verdict};
use super::super::super::lookup::CATCH_UP;
use super::super::super::refusal::{Refusal, Refuser};
use super::super::super::submission::Recipient;
use super::super::super::{Call, Gateway, limits};
use super::super::sending::Span;
use super::Decided;
use crate::record;

/// Code of a policy that has an earlier message stand for this one.
const COALESCED: &str = "dup.coalesced";

impl Gateway {
    /// A refusal, unless the policy says that an earlier message stands for this one.
    pub(super) async fn stopped(&self, call: &Call, to: Recipient, stopped: NotCleared) -> Decided {
        let NotCleared { kind, policy, message, trail } = stopped;
        let policy = Refuser::of(&policy, &trail.decisions);
        let refusal = match kind {
            NotClearedKind::Failed(failure) => {
                could_not_decide(&policy, &failure);
                Refusal::PolicyFailed { policy, failure }
            }
            NotClearedKind::Rejected(mut rejection) => {
                to.place(&mut rejection.faults);
                if let Some((owned, span)) =
                    self.coalesced(call, (&policy.name, &rejection), &message, &trail).await
                {
                    return Decided::Earlier(Verdict { to, outcome: Ok(owned) }, span);
                }
                Refusal::Rejected {
                    policy,
                    rejection: Box::new(rejection),
                    // What others had charged was given back, and they stand as if nobody had asked.
                    standings: limits::refusing(call, &trail.standings),
                }
            }
        };
        Decided::refused(to, refusal)
    }

    /// The record of a message that another request may be about to make: its reservation comes before its record.
    async fn record_of(&self, call: &Call, id: &MessageId) -> Option<Record> {
        let most = Instant::now() + call.in_force.delivery.join;
        self.store.caught_up(CATCH_UP).await;
        loop {
            let found = self.store.get(Some(&call.app.name), id).await.ok().flatten();
            if found.is_some() || Instant::now() >= most {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The earlier message that would stand for one that is refused so.
    pub(in crate::gateway) async fn stands_for(
        &self,
        call: &Call,
        no: &Rejection,
    ) -> Option<Record> {
        let earlier = no.earlier.as_ref().filter(|_| no.code == COALESCED)?;
        let found = self.store.get(Some(&call.app.name), earlier).await.ok().flatten();
        found.filter(record::may_have_gone)
    }

    /// The earlier message that stands for this one, where the policy coalesces and the record is still there.
    async fn coalesced(
        &self,
        call: &Call,
        (policy, no): (&str, &Rejection),
        message: &Message,
        trail: &Trail,
    ) -> Option<(Owned, Span)> {
        let earlier = no.earlier.as_ref().filter(|_| no.code == COALESCED)?;
        // One that was never sent stands for nothing; its reservation is about to be given back.
        let record = self.record_of(call, earlier).await.filter(record::may_have_gone)?;
        let mut changes = trail.changes.clone();
        changes.push(coalesced(policy));
        let span = Span {
            first: record.id.clone(),
            start: record.not_before.unwrap_or(call.now),
            last: record.deadline,
        };
        let owned = Owned {
            id: record.id.clone(),
            to: message.to.clone(),
            kind: message.kind(),
            status: record.status,
            message_uuid: record.message_uuid.clone(),
            segments: record.segments.clone(),
            warnings: trail.warnings.clone(),
            changes,
            standings: limits::bounding(call, &trail.standings),
        };
        Some((owned, span))
    }
}

/// That an earlier message stands for this one, by the word of `policy`.
pub(in crate::gateway) fn coalesced(policy: &str) -> Change {
    Change {
        policy: policy.into(),
        code: COALESCED.into(),
        detail: "an equal message went out a moment ago; this is its record".into(),
    }
}

pub(super) fn could_not_decide(policy: &Refuser, failure: &PolicyFailure) {
    let kind = failure.as_str();
    tracing::error!(policy = policy.name, failure = %failure, kind, "a policy could not decide");
}
