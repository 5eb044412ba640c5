//! What a simulated Plivo is like.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use std::{fmt, iter};

/// How one simulated Plivo behaves from its start to its end.
///
/// The default suits a test: a port chosen by the system, no delivery reports, no rate limit. `Debug` hides the token.
#[derive(Clone)]
pub struct SimConfig {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where it answers `/_sim` too, and nothing else, even while it refuses connections.
    pub control: Option<SocketAddr>,
    /// The account's auth id, the user of Basic authentication.
    pub auth_id: String,
    /// The account's auth token: the password, and the key of the signatures.
    pub auth_token: String,
    /// Further accounts: auth id and auth token of each. Messages belong to the account that sent them.
    pub further: Vec<(String, String)>,
    /// When delivery reports are sent.
    pub callbacks: Callbacks,
    /// An unanswered report is sent again after this time, then after twice and four times this time. Plivo: 60 s
    /// ("Message Status Callbacks": 60, 120 and 240 seconds).
    pub callback_retry: Duration,
    /// Whether more than 300 requests in 5 s are answered with 429 (Plivo's "API overview").
    pub rate_limit: bool,
    /// How the length of a text outside GSM 03.38 is counted.
    pub text_length: TextLength,
}

/// When delivery reports are sent, to those messages that gave a `url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callbacks {
    /// Never, and messages stay queued.
    Off,
    /// Only when told so by `/_sim/callback` or [`PlivoSim::report`](crate::PlivoSim::report).
    Manual,
    /// `queued` at once, then `sent`, then `delivered`. Messages without a `url` move as well.
    Auto {
        /// From `queued` to `sent`.
        sent_after: Duration,
        /// From `sent` to `delivered`.
        delivered_after: Duration,
    },
}

/// How the length of a text outside GSM 03.38 is counted against 737.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextLength {
    /// By UTF-16 unit, as Plivo's documentation has it.
    Characters,
    /// By byte of UTF-8, as an account once observed (plivo-python issue 298).
    Utf8Bytes,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control: None,
            auth_id: "MAXXXXXXXXXXXXXXXXXX".to_owned(),
            auth_token: "TOKEN".to_owned(),
            further: Vec::new(),
            callbacks: Callbacks::Off,
            callback_retry: Duration::from_secs(60),
            rate_limit: false,
            text_length: TextLength::Characters,
        }
    }
}

impl SimConfig {
    /// The auth token of an account; none where there is no such account.
    pub(crate) fn token_of(&self, auth_id: &str) -> Option<&str> {
        self.accounts().find(|(id, _)| *id == auth_id).map(|(_, token)| token)
    }

    /// Every account, by auth id and auth token.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let further = self.further.iter().map(|(id, token)| (id.as_str(), token.as_str()));
        iter::once((self.auth_id.as_str(), self.auth_token.as_str())).chain(further)
    }
}

impl fmt::Debug for SimConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimConfig")
            .field("listen", &self.listen)
            .field("control", &self.control)
            .field("auth_id", &self.auth_id)
            .field("callbacks", &self.callbacks)
            .field("callback_retry", &self.callback_retry)
            .field("rate_limit", &self.rate_limit)
            .field("text_length", &self.text_length)
            .finish_non_exhaustive()
    }
}

impl Callbacks {
    /// Reports by themselves: `sent` after 50 ms, `delivered` 100 ms later.
    pub fn auto() -> Self {
        Self::Auto {
            sent_after: Duration::from_millis(50),
            delivered_after: Duration::from_millis(100),
        }
    }
}
