//! What a call says of Plivo's health.

use plivo_client::{LookupError, NotSentKind, Outcome, RefusedKind};

/// What a call or a probe says of Plivo's health, whatever it says of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Plivo answered: it took the message, or refused it for what it is.
    Served,
    /// 429: Plivo is well, and asks for patience.
    Paced,
    /// It could not be reached.
    Unreached,
    /// It failed, or nobody can tell.
    Failed,
    /// The account has no credit.
    NoCredit,
    /// It refused the credentials.
    Credentials,
    /// Its certificate is not trusted.
    Untrusted,
}

impl Heard {
    /// From the outcome of a send.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted(_) => Self::Served,
            Outcome::InDoubt(_) => Self::Failed,
            Outcome::NotSent(not_sent) => Self::not_sent(not_sent.kind),
            Outcome::Rejected(refused) => match refused.kind {
                RefusedKind::Credentials => Self::Credentials,
                RefusedKind::Credit => Self::NoCredit,
                RefusedKind::RateLimited { .. } => Self::Paced,
                RefusedKind::Shed { .. } => Self::Failed,
                RefusedKind::Malformed
                | RefusedKind::Geo
                | RefusedKind::NotFound
                | RefusedKind::Redirect
                | RefusedKind::InvalidRecipient
                | RefusedKind::Other => Self::Served,
            },
        }
    }

    /// From the outcome of a GET.
    pub(crate) fn of_probe(probed: &Result<(), LookupError>) -> Self {
        match probed {
            Ok(()) => Self::Served,
            Err(LookupError::Unreachable { kind, .. }) => Self::not_sent(*kind),
            Err(LookupError::NoAnswer(_) | LookupError::Unreadable) => Self::Failed,
            Err(LookupError::Status { status, .. }) => match status {
                401 => Self::Credentials,
                429 => Self::Paced,
                500.. => Self::Failed,
                _ => Self::Served,
            },
        }
    }

    fn not_sent(kind: NotSentKind) -> Self {
        match kind {
            NotSentKind::Certificate => Self::Untrusted,
            NotSentKind::Dns
            | NotSentKind::Refused
            | NotSentKind::ConnectTimeout
            | NotSentKind::Connect
            | NotSentKind::Tls
            | NotSentKind::ClosedBeforeWrite
            | NotSentKind::TimedOutBeforeWrite => Self::Unreached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_is_refused_shows_that_plivo_is_there() {
        let status =
            |status| Heard::of_probe(&Err(LookupError::Status { status, retry_after: None }));
        let heard = [401, 404, 429, 500, 503].map(status);
        use Heard::{Credentials, Failed, Paced, Served};
        assert_eq!(heard, [Credentials, Served, Paced, Failed, Failed]);
        assert_eq!(Heard::of_probe(&Ok(())), Served);
        assert_eq!(Heard::of_probe(&Err(LookupError::Unreadable)), Failed);
    }
}
