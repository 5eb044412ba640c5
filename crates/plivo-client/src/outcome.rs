//! What a send came to.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a send came to, by where it failed.
#[derive(Debug)]
pub enum Outcome {
    /// Plivo queued it.
    Accepted(Receipt),
    /// Plivo answered that it does not take it. Nothing was queued.
    Rejected(Refused),
    /// Plivo cannot have seen it.
    NotSent(NotSent),
    /// It may have been queued, or not.
    InDoubt(InDoubt),
}

/// Plivo's receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The status of the answer, a 2xx.
    pub status: u16,
    /// Plivo's id of the request, where it gave one.
    pub api_id: Option<String>,
    /// Plivo's id of the message.
    pub message_uuid: String,
    /// Further ids. There should be none: one request has one recipient, so Plivo has split it.
    pub extra_uuids: Vec<String>,
}

/// Plivo's refusal. `Display` and `Debug` do not show Plivo's words; [`Refused::detail`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer.
    pub status: u16,
    /// What it means.
    pub kind: RefusedKind,
    pub(crate) detail: Option<String>,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// 400, 405, 406, 413, 415, 422: it can never be taken as it is.
    Malformed,
    /// 401: wrong credentials.
    Credentials,
    /// 402, or 400 with Plivo's "insufficient credit", for which it has no code.
    Credit,
    /// 403: Plivo does not send to this country for this account.
    Geo,
    /// 404: no such resource, so the base URL or the account is wrong.
    NotFound,
    /// 429: too many requests.
    RateLimited {
        /// Plivo's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 503: turned away before any work.
    Shed {
        /// Plivo's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 3xx, which is never followed.
    Redirect,
    /// 2xx that names the recipient in `invalid_number`.
    InvalidRecipient,
    /// Any other 4xx.
    Other,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{}", kind.sentence())]
pub struct NotSent {
    /// Where it failed.
    pub kind: NotSentKind,
    #[source]
    pub(crate) source: Option<reqwest::Error>,
}

/// Where a call failed that sent nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSentKind {
    /// Plivo's name has no address.
    Dns,
    /// Nobody listens there.
    Refused,
    /// No connection in time.
    ConnectTimeout,
    /// No connection, for another reason of the network.
    Connect,
    /// TLS failed.
    Tls,
    /// The certificate is not good. Trying again cannot help, and may meet somebody else.
    Certificate,
    /// The connection ended before the request's body was handed to it.
    ClosedBeforeWrite,
    /// The time of the call was over before the request's body was handed to a connection.
    TimedOutBeforeWrite,
}

/// Why nobody can tell.
#[derive(Debug, thiserror::Error)]
#[error("{}", kind.sentence())]
pub struct InDoubt {
    /// Where it failed.
    pub kind: InDoubtKind,
    #[source]
    pub(crate) source: Option<reqwest::Error>,
}

/// Where a call failed that may have sent the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubtKind {
    /// No answer in time.
    Timeout,
    /// The connection ended, or spoke no HTTP, before there was a status.
    ConnectionLost,
    /// A 2xx that is cut short, unreadable, too long, or has no UUID: taken, but as what?
    NoUuid {
        /// The status.
        status: u16,
    },
    /// 5xx but 503: it may have failed before or after queueing.
    Status {
        /// The status.
        status: u16,
    },
}

impl Outcome {
    /// The policy contract's word: `accepted`, `rejected`, `not-sent` or `in-doubt`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Rejected(_) => "rejected",
            Self::NotSent(_) => "not-sent",
            Self::InDoubt(_) => "in-doubt",
        }
    }

    /// Whether the message is, or may be, queued at Plivo. Then it must not be sent again.
    pub fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::Accepted(_) | Self::InDoubt(_))
    }

    /// Whether sending it again is safe and may help, and how long to wait at least.
    ///
    /// Zero leaves the wait to the caller's backoff. Wrong credentials, lack of credit and bad certificates return
    /// `None`: somebody has to mend them first.
    pub fn may_retry(&self) -> Option<Duration> {
        match self {
            Self::Accepted(_) | Self::InDoubt(_) => None,
            Self::NotSent(not_sent) => not_sent.kind.may_retry().then_some(Duration::ZERO),
            Self::Rejected(refused) => match refused.kind {
                RefusedKind::RateLimited { retry_after } | RefusedKind::Shed { retry_after } => {
                    Some(retry_after.unwrap_or_default())
                }
                _ => None,
            },
        }
    }

    /// The status of Plivo's answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Accepted(receipt) => Some(receipt.status),
            Self::Rejected(refused) => Some(refused.status),
            Self::InDoubt(in_doubt) => match in_doubt.kind {
                InDoubtKind::NoUuid { status } | InDoubtKind::Status { status } => Some(status),
                InDoubtKind::Timeout | InDoubtKind::ConnectionLost => None,
            },
            Self::NotSent(_) => None,
        }
    }

    /// A stable word for what went wrong: OpenTelemetry's `error.type`. None for a receipt.
    pub fn error_type(&self) -> Option<&'static str> {
        match self {
            Self::Accepted(_) => None,
            Self::Rejected(refused) => Some(refused.kind.as_str()),
            Self::NotSent(not_sent) => Some(not_sent.kind.as_str()),
            Self::InDoubt(in_doubt) => Some(in_doubt.kind.as_str()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(_) => f.write_str("Plivo queued the message"),
            Self::Rejected(refused) => refused.fmt(f),
            Self::NotSent(not_sent) => not_sent.fmt(f),
            Self::InDoubt(in_doubt) => in_doubt.fmt(f),
        }
    }
}

impl Refused {
    /// Plivo's own words, for an operator's eyes: bounded, on one line, with numbers masked.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plivo refused the message ({}): {}", self.status, self.kind.sentence())
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("status", &self.status)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Error for Refused {}

impl RefusedKind {
    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Credentials => "credentials",
            Self::Credit => "credit",
            Self::Geo => "geo",
            Self::NotFound => "not_found",
            Self::RateLimited { .. } => "rate_limited",
            Self::Shed { .. } => "shed",
            Self::Redirect => "redirect",
            Self::InvalidRecipient => "invalid_recipient",
            Self::Other => "refused",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "it does not take the message as it is",
            Self::Credentials => "it does not know these credentials",
            Self::Credit => "the account has no credit left",
            Self::Geo => "the account may not send to this country",
            Self::NotFound => "it has no such resource; check the base URL and the auth id",
            Self::RateLimited { .. } => "too many requests",
            Self::Shed { .. } => "it is overloaded or under maintenance",
            Self::Redirect => "it redirects, which is not followed; check the base URL",
            Self::InvalidRecipient => "the recipient's number is not valid",
            Self::Other => "no reason that is known",
        }
    }
}

impl NotSentKind {
    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "connection_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::ClosedBeforeWrite => "closed_before_write",
            Self::TimedOutBeforeWrite => "timeout_before_write",
        }
    }

    /// Whether another try may help.
    pub fn may_retry(self) -> bool {
        self != Self::Certificate
    }

    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Dns => "Plivo's name has no address",
            Self::Refused => "nobody listens at Plivo's address",
            Self::ConnectTimeout => "no connection to Plivo in time",
            Self::Connect => "no connection to Plivo",
            Self::Tls => "TLS with Plivo failed",
            Self::Certificate => "Plivo's certificate is not trusted",
            Self::ClosedBeforeWrite => {
                "the connection to Plivo ended before the request was written"
            }
            Self::TimedOutBeforeWrite => {
                "the time of the call was over before the request was written"
            }
        }
    }
}

impl InDoubtKind {
    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::NoUuid { .. } => "no_uuid",
            Self::Status { .. } => "status",
        }
    }

    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Timeout => {
                "no answer from Plivo in time; the message may have been sent".to_owned()
            }
            Self::ConnectionLost => {
                "the connection to Plivo ended without an answer; the message may have been sent"
                    .to_owned()
            }
            Self::NoUuid { status } => {
                format!("Plivo took the message ({status}), but its answer has no readable id")
            }
            Self::Status { status } => {
                format!("Plivo failed ({status}); the message may have been sent")
            }
        }
    }
}
