//! Why a module was not to be had.

use hyper_util::client::proxy::matcher::Matcher;
use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::Digest;

/// Why a module could not be pulled or pushed. Each says what is wrong, and what to do; whoever shows it says of which
/// reference.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nothing answered, or nothing useful, in time.
    #[error("{host} does not answer: {why}")]
    Away {
        /// The registry.
        host: String,
        /// What was seen instead of an answer.
        why: String,
    },
    /// It answers, and has no such thing.
    #[error("{0} has no such module; push it, or correct the reference")]
    Missing(String),
    /// It answers, and wants to know who asks.
    #[error(
        "{0} refuses access; give a user and a password that may, under [registry] credentials"
    )]
    Denied(String),
    /// It answers something else than the protocol has.
    #[error("{host} refuses: {why}")]
    Refused {
        /// The registry.
        host: String,
        /// Its own words.
        why: String,
    },
    /// More than may be pulled.
    #[error("is larger than the {most} bytes that [registry] max_module_mb allows")]
    TooLarge {
        /// The bound.
        most: usize,
    },
    /// Something else than a module was pushed there.
    #[error("is no module: {0}")]
    NotAModule(String),
    /// What came is not what its digest says.
    #[error(
        "what came is not what its digest says ({0}); it was changed on its way or in the registry"
    )]
    Tampered(String),
    /// Keys are given, and there is no signature.
    #[error("is not signed; sign {0} with a key of [registry] keys, or take `keys` out")]
    Unsigned(Digest),
    /// Keys are given, and none of them made any of the signatures.
    #[error(
        "is signed by none of [registry] keys ({0}); sign it with one of them, or add the key that signed it"
    )]
    OtherKey(Digest),
    /// One of the keys signed it as something else.
    #[error(
        "is signed as {signed}, not as {asked}; pull it by that name, or sign it as {asked} with a key of [registry] keys"
    )]
    OtherName {
        /// What the signature names.
        signed: String,
        /// The repository that it is pulled from.
        asked: String,
    },
    /// A key that is none.
    #[error("{0}")]
    Key(&'static str),
    /// One of several blocks of a file with keys, counted from 1, and what it is.
    #[error("has no key in its block {nth}, which {what}")]
    Block {
        /// Which block.
        nth: usize,
        /// What it is instead.
        what: &'static str,
    },
    /// A push without a tag.
    #[error("is not to be pushed to; write oci://REGISTRY/NAME:TAG, without a digest")]
    NoTag,
}

impl RegistryError {
    /// What the client says of `host`, in words that somebody can act on.
    pub(crate) fn of(host: &str, err: OciDistributionError) -> Self {
        use OciDistributionError as Oci;
        let host = host.to_owned();
        match err {
            Oci::RequestError(err) => match err.status() {
                Some(status) => Self::status(host, status.as_u16()),
                None => Self::Away { host, why: seen(&err) },
            },
            Oci::ServerError { code, .. } => Self::status(host, code),
            Oci::ImageManifestNotFoundError(_) => Self::Missing(host),
            Oci::UnauthorizedError { .. } | Oci::AuthenticationFailure(_) => Self::Denied(host),
            Oci::RegistryError { envelope, .. } => {
                let first = envelope.errors.first();
                match first.map(|error| &error.code) {
                    Some(
                        OciErrorCode::ManifestUnknown
                        | OciErrorCode::NameUnknown
                        | OciErrorCode::BlobUnknown
                        | OciErrorCode::NotFound,
                    ) => Self::Missing(host),
                    Some(OciErrorCode::Denied | OciErrorCode::Unauthorized) => Self::Denied(host),
                    _ => Self::Refused { host, why: envelope.to_string() },
                }
            }
            Oci::DigestError(err) => Self::Tampered(err.to_string()),
            err => Self::Refused { host, why: err.to_string() },
        }
    }

    /// What `host` answered instead of giving what it was asked for.
    pub(crate) fn answered(host: &str, code: u16, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(envelope) if (400..500).contains(&code) && code != 401 => {
                Self::of(host, OciDistributionError::RegistryError { envelope, url: String::new() })
            }
            _ => Self::status(host.to_owned(), code),
        }
    }

    fn status(host: String, code: u16) -> Self {
        match code {
            404 => Self::Missing(host),
            401 | 403 => Self::Denied(host),
            code => Self::Refused { host, why: format!("status {code}") },
        }
    }
}

/// What was seen instead of an answer, for one line.
fn seen(err: &reqwest::Error) -> String {
    let through = proxy(err).map(|proxy| format!("through the proxy {proxy}: "));
    let mut told = through.unwrap_or_default() + &err.to_string();
    let mut source = std::error::Error::source(err);
    while let Some(err) = source {
        told.push_str(&format!(": {err}"));
        source = err.source();
    }
    // rustls's words for an answer in clear text.
    if told.contains("InvalidContentType") {
        return "it speaks no TLS; where that is meant, name it in [registry] plain_http, or give --plain-http to a `policy` command".into();
    }
    told
}

/// The proxy that was to be gone through, by its host and port alone: its user and password are nobody's to read.
fn proxy(err: &reqwest::Error) -> Option<String> {
    let asked: http::Uri = err.url()?.as_str().parse().ok()?;
    let proxy = Matcher::from_env().intercept(&asked)?;
    let named = proxy.uri().authority()?.as_str();
    Some(named.rsplit_once('@').map_or(named, |(_, host)| host).to_owned())
}
