//! Where the server is, and how long it is waited for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use thiserror::Error;

/// Most bytes of the prefix.
const PREFIX_BYTES: usize = 64;

/// How to reach what replicas share. Replicas share what they name alike.
#[derive(Clone, Debug)]
pub struct SharedOptions {
    /// The server.
    pub url: ServerUrl,
    /// What every key on the server begins with; at most 64 bytes.
    pub prefix: String,
    /// Longest that a call is waited for.
    pub timeout: Duration,
    /// Longest that connecting may take, in the background.
    pub connect_timeout: Duration,
}

/// The address of a server: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, `redis+unix:///path`.
///
/// Neither `Debug` nor `Display` shows the user or the password.
#[derive(Clone)]
pub struct ServerUrl(ConnectionInfo);

/// Why options cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// No address of a server. The text is not repeated: it may hold a password.
    #[error("not the address of a Redis; write redis://HOST:PORT, or rediss://HOST:PORT for TLS")]
    Url,
    /// The prefix of keys is too long.
    #[error("the prefix of keys is above {PREFIX_BYTES} bytes")]
    Prefix,
    /// A timeout of nothing.
    #[error("a timeout is zero, so that no call could ever be answered")]
    Timeout,
}

impl SharedOptions {
    /// The defaults: prefix `sendgate:`, 250 ms for a call and 2 s to connect.
    pub fn new(url: ServerUrl) -> Self {
        Self {
            url,
            prefix: "sendgate:".into(),
            timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(2),
        }
    }

    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        if self.prefix.len() > PREFIX_BYTES {
            return Err(OptionsError::Prefix);
        }
        if self.timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(OptionsError::Timeout);
        }
        Ok(())
    }
}

impl ServerUrl {
    pub(crate) fn info(&self) -> &ConnectionInfo {
        &self.0
    }
}

impl FromStr for ServerUrl {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        text.into_connection_info().map(Self).map_err(|_| OptionsError::Url)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.addr() {
            ConnectionAddr::Tcp(host, port) => write!(f, "redis://{host}:{port}"),
            ConnectionAddr::TcpTls { host, port, .. } => write!(f, "rediss://{host}:{port}"),
            ConnectionAddr::Unix(path) => write!(f, "redis+unix://{}", path.display()),
            _ => f.write_str("redis"),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<SharedOptions, OptionsError> {
        url.parse().map(SharedOptions::new)
    }

    #[test]
    fn an_address_shows_neither_user_nor_password() {
        for (text, shown) in [
            ("redis://cache.internal", "redis://cache.internal:6379"),
            ("redis://us3r:s3cret@cache:7000/2", "redis://cache:7000"),
            ("rediss://:s3cret@cache:7000", "rediss://cache:7000"),
            ("redis+unix:///run/redis.sock?pass=s3cret", "redis+unix:///run/redis.sock"),
        ] {
            let url: ServerUrl = text.parse().expect(text);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
            let all = format!("{:?}", SharedOptions::new(url));
            assert!(!all.contains("s3cret") && !all.contains("us3r"), "{all}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for text in ["", "cache:6379", "http://cache", "redis://", "redis://cache:99999/s3cret"] {
            let refused = options(text).expect_err(text);
            assert_eq!(refused, OptionsError::Url, "{text}");
            assert!(!refused.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn long_prefixes_and_timeouts_of_nothing_are_refused() {
        let good = options("redis://cache").expect("an address");
        assert_eq!(good.check(), Ok(()));
        let prefix = |bytes| SharedOptions { prefix: "p".repeat(bytes), ..good.clone() }.check();
        assert_eq!((prefix(64), prefix(65)), (Ok(()), Err(OptionsError::Prefix)));
        let none = SharedOptions { timeout: Duration::ZERO, ..good.clone() };
        assert_eq!(none.check(), Err(OptionsError::Timeout));
        let none = SharedOptions { connect_timeout: Duration::ZERO, ..good };
        assert_eq!(none.check(), Err(OptionsError::Timeout));
    }
}
