//! What an outcome means for the message (messaging.md 3.4).

use std::borrow::Cow;
use std::time::Duration;

use message::{Rejection, Settlement};
use plivo_client::{Outcome, RefusedKind};
use store::Status;

use super::News;
use crate::config::Treat503;
use crate::gateway::Refuser;
use crate::record;

/// How a message's way to Plivo ended.
pub(super) struct End {
    pub(super) status: Status,
    pub(super) told: policy_host::Outcome,
    pub(super) news: News,
    pub(super) settlement: Settlement,
    pub(super) code: Option<Cow<'static, str>>,
}

/// What is to be done after a call.
pub(super) enum Next {
    End(End),
    /// Tried again, after at least so long.
    Later {
        least: Option<Duration>,
    },
    /// Tried again, unless Plivo has turned it away often enough.
    TurnedAway {
        least: Option<Duration>,
    },
    /// Tried again as soon as the breaker lets it: the account is what is wrong.
    Account,
    /// Nobody knows.
    Doubt,
}

impl Next {
    /// How long Plivo wants to be left in peace, where it said so.
    pub(super) fn least(&self) -> Option<Duration> {
        match self {
            Self::Later { least } | Self::TurnedAway { least } => *least,
            Self::End(_) | Self::Account | Self::Doubt => None,
        }
    }
}

/// What `outcome` means.
pub(super) fn judge(outcome: &Outcome, treat_503: Treat503) -> Next {
    match outcome {
        Outcome::Accepted(receipt) => Next::End(End::submitted(&receipt.message_uuid)),
        Outcome::InDoubt(_) => Next::Doubt,
        // Nothing was written, so nothing is risked by trying until the deadline.
        Outcome::NotSent(not_sent) if not_sent.kind.may_retry() => Next::Later { least: None },
        Outcome::NotSent(_) => Next::End(End {
            told: policy_host::Outcome::NotSent,
            ..End::failed("upstream.untrusted")
        }),
        Outcome::Rejected(refused) => match refused.kind {
            RefusedKind::Shed { .. } if treat_503 == Treat503::InDoubt => Next::Doubt,
            RefusedKind::Credentials | RefusedKind::Credit => Next::Account,
            RefusedKind::RateLimited { retry_after } | RefusedKind::Shed { retry_after } => {
                Next::TurnedAway { least: retry_after }
            }
            RefusedKind::Geo => Next::End(End::failed("upstream.geo_denied")),
            _ => Next::End(End::failed("upstream.rejected")),
        },
    }
}

impl End {
    pub(super) fn submitted(uuid: &str) -> Self {
        Self {
            status: Status::Submitted,
            told: policy_host::Outcome::Accepted,
            news: News::Submitted(uuid.to_owned()),
            settlement: Settlement::Keep,
            code: None,
        }
    }

    /// A delivery report has told more than a call could.
    pub(super) fn reported(status: Status) -> Self {
        Self {
            status,
            told: policy_host::Outcome::Accepted,
            news: News::Ended(status, None),
            settlement: Settlement::Keep,
            code: None,
        }
    }

    /// Nothing was sent: Plivo said no.
    pub(super) fn failed(code: &'static str) -> Self {
        Self {
            status: Status::Failed,
            told: policy_host::Outcome::Rejected,
            news: News::Refused { code, wait: None },
            settlement: Settlement::GiveBack,
            code: Some(code.into()),
        }
    }

    /// Nothing was sent: the time for it is over, or the app took it back.
    pub(super) fn not_sent(status: Status, code: &'static str) -> Self {
        Self {
            status,
            told: policy_host::Outcome::NotSent,
            news: News::Refused { code, wait: None },
            settlement: Settlement::GiveBack,
            code: Some(code.into()),
        }
    }

    /// Nothing was sent: a policy that was asked again refuses it now.
    pub(super) fn refused(by: Refuser, rejection: Rejection) -> Self {
        Self {
            status: Status::Failed,
            told: policy_host::Outcome::NotSent,
            code: Some(Cow::Owned(record::code_of(&rejection).to_owned())),
            news: News::Rejected(by, Box::new(rejection)),
            settlement: Settlement::GiveBack,
        }
    }

    /// The same end, where Plivo said that it will take nothing for so long.
    pub(super) fn for_now(mut self, for_so_long: Option<Duration>) -> Self {
        if let News::Refused { wait, .. } = &mut self.news {
            *wait = for_so_long;
        }
        self
    }

    /// The same end of a message that an earlier call may have sent: that it was not sent cannot be said of it any
    /// more.
    pub(super) fn at_least_once(self) -> Self {
        match (self.settlement, self.status) {
            (Settlement::Keep, _) => self,
            (Settlement::GiveBack, Status::Canceled) => {
                Self::unknown(Status::Canceled, "send.canceled_in_doubt")
            }
            (Settlement::GiveBack, _) => Self::unknown(Status::Failed, "send.unresolved"),
        }
    }

    /// Nobody knows whether it was sent, and nobody here will find out.
    pub(super) fn unknown(status: Status, code: &'static str) -> Self {
        Self {
            status,
            told: policy_host::Outcome::InDoubt,
            news: News::Ended(status, None),
            settlement: Settlement::Keep,
            code: Some(code.into()),
        }
    }
}
