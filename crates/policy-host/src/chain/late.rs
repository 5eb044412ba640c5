//! The second look: policies that want it are asked again before a call that comes late.
//!
//! A dry run, in which nothing is charged, reserved or kept, and no candidate is asked. Of a policy's changes only the
//! instant that it puts the message off to is heeded: all else was cleared once, and is sent as it was cleared.

use std::sync::Arc;
use std::time::Duration;

use message::{Message, Rejection, Timestamp};

use super::passage::{Passage, Weight, warn_of_skip, weigh};
use super::{Candidate, PolicyChain};
use crate::cleared::NotClearedKind;
use crate::{Decision, PolicyFailure, PolicyName};

/// What the policies that are asked again make of a message that was cleared a while ago.
#[derive(Debug)]
pub enum SecondLook {
    /// None has anything against it.
    Goes,
    /// This one refuses it now.
    Rejected {
        /// The policy.
        policy: PolicyName,
        /// The version it gives itself.
        version: Arc<str>,
        /// Why.
        rejection: Rejection,
    },
    /// Not before this instant, the latest where several put it off.
    PutOff {
        /// Later than now.
        until: Timestamp,
        /// Of the change.
        code: String,
        /// The policy that put it off to then.
        policy: PolicyName,
    },
    /// This one could not decide, and its operator wants nothing to be sent then.
    Failed {
        /// The policy.
        policy: PolicyName,
        /// Why.
        failure: PolicyFailure,
    },
}

impl SecondLook {
    /// A stable word: `accept`, `reject`, `amend` or `failure`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Goes => "accept",
            Self::Rejected { .. } => "reject",
            Self::PutOff { .. } => "amend",
            Self::Failed { .. } => "failure",
        }
    }
}

impl PolicyChain {
    /// Whether any policy for messages of `app` is asked again before a late call.
    pub fn asks_late(&self, app: &str) -> bool {
        self.policies_for(app).any(|policy| policy.is_asked_late())
    }

    /// Asks those that are, in order, about a message that was cleared a while ago and would be called for at the
    /// candidate's instant. Each is asked about the message as it was cleared, without `not_before` and `ttl_s`: how
    /// long it may wait is the caller's to say. One that puts it off does not keep those behind it from refusing it.
    ///
    /// With it come the decisions that it rests on, in order, for a record.
    pub async fn ask_late(&self, candidate: Candidate) -> (SecondLook, Vec<Decision>) {
        let message = Message { not_before: None, ttl_s: None, ..candidate.message };
        let candidate = Candidate { message, ..candidate };
        let (app, now) = (Arc::clone(&candidate.app), candidate.now);
        let passage = Passage::new(self, candidate, Some(Duration::ZERO));
        let mut put_off: Option<(Timestamp, String, PolicyName)> = None;
        let mut decisions = Vec::new();
        for policy in self.policies_for(&app).filter(|policy| policy.is_asked_late()) {
            let opinion = policy.ask_in_force(&passage.question_late()).await;
            decisions.extend(opinion.decisions);
            let name = || policy.name().clone();
            match weigh(opinion.said, policy.on_failure) {
                Weight::Accepted => {}
                Weight::Amended(amended) => {
                    let until = amended.message.not_before.filter(|until| *until > now);
                    if let Some((until, code)) = until.zip(amended.put_off_by) {
                        put_off = put_off.max(Some((until, code, name())));
                    }
                }
                Weight::Skipped(failure) => warn_of_skip(policy, &failure),
                Weight::Ends(NotClearedKind::Rejected(rejection)) => {
                    let version = Arc::clone(&policy.manifest().version);
                    let look = SecondLook::Rejected { policy: name(), version, rejection };
                    return (look, decisions);
                }
                Weight::Ends(NotClearedKind::Failed(failure)) => {
                    return (SecondLook::Failed { policy: name(), failure }, decisions);
                }
            }
        }
        let look = put_off.map_or(SecondLook::Goes, |(until, code, policy)| SecondLook::PutOff {
            until,
            code,
            policy,
        });
        (look, decisions)
    }
}
