//! Where a breaker stands, and why.

use tokio::time::Instant;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Plivo could not be reached.
    Unreachable,
    /// Plivo failed, or did not answer.
    Failing,
    /// The account has no credit.
    Credit,
    /// Plivo refused the credentials.
    Credentials,
    /// Plivo's certificate is not trusted.
    Certificate,
}

/// Where a breaker stands, for people and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// When the trouble began; none while it is closed.
    pub(crate) since: Option<Instant>,
    /// When it will be probed, where that is known.
    pub(crate) until: Option<Instant>,
    /// None while it is closed.
    pub(crate) reason: Option<Reason>,
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Messages go.
    Closed,
    /// None goes.
    Open,
    /// One caller asks Plivo whether it is well.
    Probing,
    /// Few messages go at once, and more each time.
    Ramping,
    /// None goes before somebody has mended what is wrong.
    Latched,
}

impl Standing {
    pub(super) fn log(self, account: &str) {
        let reason = self.reason.map(Reason::as_str);
        match self.state {
            State::Open => tracing::warn!(account, reason, "sends to Plivo are held back"),
            State::Latched => {
                tracing::error!(
                    account,
                    reason,
                    "sends to Plivo are held back until this is mended"
                );
            }
            State::Closed => tracing::info!(account, "sends to Plivo go on as usual"),
            State::Probing | State::Ramping => {}
        }
    }
}

impl Reason {
    const ALL: [Self; 5] =
        [Self::Unreachable, Self::Failing, Self::Credit, Self::Credentials, Self::Certificate];

    /// The one of this word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// A stable word, for records and probes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
            Self::Credit => "credit",
            Self::Credentials => "credentials",
            Self::Certificate => "certificate",
        }
    }
}

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Closed, Self::Open, Self::Probing, Self::Ramping, Self::Latched];

    /// A stable word, for probes and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
            Self::Ramping => "ramping",
            Self::Latched => "latched",
        }
    }
}
