//! What a client is made from, and why it cannot be made.

use std::time::Duration;

/// The settings of one client.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where Plivo is: `http` or `https`, without query; a path is kept as a prefix.
    pub base_url: String,
    /// Longest time for DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest time for a whole call.
    pub call_timeout: Duration,
    /// Most idle connections kept.
    pub max_idle: usize,
    /// Certificates in PEM that are trusted beside the system's.
    pub extra_root_pem: Option<Vec<u8>>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL cannot be used.
    #[error("Plivo's base URL {reason}; give one such as https://api.plivo.com")]
    BaseUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing to trust.
    #[error(
        "no trusted certificates were found on this system; install its ca-certificates or give a root certificate"
    )]
    NoRoots,
    /// The extra certificates cannot be used.
    #[error("the extra root certificate is not a certificate in PEM")]
    ExtraRoot,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

impl Default for ClientConfig {
    /// Plivo itself; 3 s to connect, 15 s a call, 100 idle connections.
    fn default() -> Self {
        Self {
            base_url: "https://api.plivo.com".to_owned(),
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(15),
            max_idle: 100,
            extra_root_pem: None,
        }
    }
}
