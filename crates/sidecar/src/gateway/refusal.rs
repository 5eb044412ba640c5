//! Every ending without a send.

mod plain;
mod table;

use std::time::Duration;

use http::StatusCode;
use message::{Fault, MessageId, Rejection};
use policy_host::{Decision, PolicyFailure, PolicyName};

pub(crate) use self::table::{failure_code, is_reserved};

use super::faults::Faults;
use super::limits::{self, Bound};

pub(crate) use self::plain::{DOOR, Plain};
pub(crate) use self::table::status_of;

/// When asking again may help where nobody knows better.
const SOON: Duration = Duration::from_secs(5);

/// Why a request ended without a new send.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It can never be right as written, or the app may not ask for it; every fault.
    Malformed(Faults),
    /// A policy said no.
    Rejected { policy: Refuser, rejection: Box<Rejection>, standings: Vec<Bound> },
    /// A policy that was asked again before a late call said no to an accepted message, by the code that its record has;
    /// with what it said, where that was heard and not read in the record.
    RejectedLate { id: MessageId, code: Box<str>, said: Option<(Refuser, Box<Rejection>)> },
    /// A policy could not say, and the operator fails closed.
    PolicyFailed { policy: Refuser, failure: PolicyFailure },
    /// Plivo said a definite no to an accepted message, or its time was over; how long Plivo wants to be left alone.
    Upstream { id: MessageId, code: &'static str, wait: Option<Duration> },
    /// The limits that are kept at sending let it go too late: in `wait`. Those that queue it, where these are known.
    TurnAfterDeadline { wait: Duration, standings: Vec<Bound> },
    /// One of the gateway's own reasons.
    Plain(Plain),
}

/// The policy that ended a message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refuser {
    pub(crate) name: String,
    /// Of its manifest; none where it was never asked.
    pub(crate) version: Option<String>,
}

impl Refusal {
    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Malformed(faults) => {
                faults.told().first().map_or("body.bad_json", |fault| fault.code.as_str())
            }
            Self::Rejected { rejection, .. } => &rejection.code,
            Self::RejectedLate { code, .. } => code,
            Self::PolicyFailed { failure, .. } => failure_code(failure),
            Self::Upstream { code, .. } => code,
            Self::TurnAfterDeadline { .. } => "throttle.would_expire",
            Self::Plain(plain) => plain.code(),
        }
    }

    /// The status of the native doors. The Plivo-compatible door has a table of its own.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            // Words of the gateway's own in a policy's mouth must not look like the gateway's.
            Self::Rejected { rejection, .. } if is_reserved(&rejection.code) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            other => status_of(other.code()),
        }
    }

    /// Its parts, where it has any.
    pub(crate) fn faults(&self) -> &[Fault] {
        match self {
            Self::Malformed(faults) => faults.told(),
            Self::Rejected { rejection, .. }
            | Self::RejectedLate { said: Some((_, rejection)), .. } => &rejection.faults,
            _ => &[],
        }
    }

    /// How many more there are than those.
    pub(crate) fn more_faults(&self) -> usize {
        match self {
            Self::Malformed(faults) => faults.more(),
            _ => 0,
        }
    }

    /// A sentence for people.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Malformed(faults) => match (faults.told(), faults.more()) {
                ([fault], _) => said(fault),
                (told, 0) => format!("{} faults in the request; see `errors`", told.len()),
                (told, more) => {
                    let (first, all) = (told.len(), told.len() + more);
                    format!("{all} faults in the request; `errors` has the first {first}")
                }
            },
            Self::Rejected { rejection, .. }
            | Self::RejectedLate { said: Some((_, rejection)), .. } => rejection.detail.clone(),
            Self::RejectedLate { said: None, .. } => {
                "a policy that was asked again refused the message; nothing was sent".into()
            }
            Self::PolicyFailed { policy, .. } => {
                format!(
                    "the policy `{}` could not decide, so nothing was sent; try again later",
                    policy.name
                )
            }
            Self::Upstream { code: "spool.draining", .. } => {
                "the sidecar shut down before the message could be sent; nothing was sent".into()
            }
            Self::Upstream { code: "send.canceled", .. } => {
                "the message was taken back before it was sent".into()
            }
            Self::Upstream { code: "send.expired", wait: Some(_), .. } => {
                "Plivo takes no more for longer than the message has; nothing was sent".into()
            }
            Self::Upstream { code: "send.expired", .. } => {
                "the message could not be sent within its lifetime; nothing was sent".into()
            }
            Self::Upstream { code: "idem.elsewhere", .. } => {
                "another replica answers for this Idempotency-Key; ask again for its answer".into()
            }
            Self::Upstream { code: "send.unresolved" | "send.canceled_in_doubt", .. } => {
                "nobody can tell whether Plivo took the message; its record has what is known"
                    .into()
            }
            Self::Upstream { id, .. } => {
                format!(
                    "Plivo did not take the message; `attempts` of GET /v1/messages/{} say how",
                    id.0
                )
            }
            Self::TurnAfterDeadline { .. } => {
                "its turn would come when less than five seconds of its time are left, which Plivo takes no message for; \
                 send less, or give it a longer `ttl_s`"
                    .into()
            }
            Self::Plain(plain) => plain.detail(),
        }
    }

    /// When asking again can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { rejection, .. }
            | Self::RejectedLate { said: Some((_, rejection)), .. } => rejection.retry_after,
            Self::PolicyFailed { .. }
            | Self::Plain(
                Plain::Full
                | Plain::LowSpace
                | Plain::LowMemory
                | Plain::StoreAway
                | Plain::KeysAway
                | Plain::NotAsked
                | Plain::Draining,
            ) => Some(SOON),
            Self::Upstream {
                code: "upstream.unavailable" | "spool.draining" | "send.expired",
                wait,
                ..
            } => Some(wait.map_or(SOON, |wait| wait.max(SOON))),
            Self::TurnAfterDeadline { wait, .. }
            | Self::Plain(Plain::PlivoAway(wait) | Plain::KeysFull(wait)) => Some(*wait),
            Self::Plain(Plain::KeyInProgress) | Self::Upstream { code: "idem.elsewhere", .. } => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }
}

impl Refusal {
    /// Too much waits already.
    pub(crate) fn full() -> Self {
        Self::Plain(Plain::Full)
    }

    /// The limits that are kept at sending let it go too late: in `wait`.
    pub(crate) fn turn_after_deadline(wait: Duration) -> Self {
        Self::TurnAfterDeadline { wait, standings: Vec::new() }
    }

    /// With those of the limits that bound the message that queue it, where it is their turns that come too late.
    pub(crate) fn behind(mut self, bounding: impl FnOnce() -> Vec<Bound>) -> Self {
        if let Self::TurnAfterDeadline { standings, .. } = &mut self {
            *standings = limits::queueing(bounding());
        }
        self
    }

    /// Plivo is left alone for `wait`, and its time is over by then.
    pub(crate) fn plivo_away(wait: Duration) -> Self {
        Self::Plain(Plain::PlivoAway(wait))
    }

    /// Put off for longer than it may wait.
    pub(crate) fn would_expire() -> Self {
        Self::Plain(Plain::WouldExpire)
    }
}

impl Refuser {
    /// The policy called `name`, as those who decided have it.
    pub(crate) fn of(name: &PolicyName, decisions: &[Decision]) -> Self {
        let own = decisions.iter().rfind(|decision| decision.policy == *name);
        Self { name: name.to_string(), version: own.map(|decision| decision.version.to_string()) }
    }
}

impl From<Plain> for Refusal {
    fn from(plain: Plain) -> Self {
        Self::Plain(plain)
    }
}

impl From<Faults> for Refusal {
    /// The first fault decides the status: what can never be right as written stands before what is not allowed here.
    fn from(faults: Faults) -> Self {
        let never_right = |fault: &Fault| status_of(&fault.code) == StatusCode::BAD_REQUEST;
        Self::Malformed(faults.with_first(never_right))
    }
}

impl From<Vec<Fault>> for Refusal {
    fn from(faults: Vec<Fault>) -> Self {
        Faults::from(faults).into()
    }
}

fn said(fault: &Fault) -> String {
    match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("`{pointer}` {}", fault.detail),
    }
}
