//! Which sidecar is asked, and as whom.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use http::{HeaderValue, Uri};

use super::Failure;
use crate::cli::Reach;
use crate::config::{Address, Admin, Environment};

/// The variable with the admin token.
const VARIABLE: &str = "SENDGATE_ADMIN_TOKEN";
/// Most bytes of a token's file.
const TOKEN_BYTES: u64 = 4_096;

/// An admin listener, and the token for it.
pub(super) struct Target {
    pub(super) place: Place,
    /// What the Host header says.
    pub(super) host: HeaderValue,
    /// `Bearer TOKEN`, marked as not to be shown.
    pub(super) authorization: Option<HeaderValue>,
}

/// As whom an admin listener is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// What it tells everyone on this machine.
    Anyone,
    /// What takes the token.
    Operator,
}

/// Where an admin listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `HOST:PORT`.
    Tcp(String),
    Unix(PathBuf),
}

impl Target {
    /// The listener at an address of this machine, without a token; none where the system chooses its port.
    pub(super) fn local(admin: &Address) -> Option<Self> {
        let host = HeaderValue::from_static("localhost");
        Some(Self { place: Place::of(admin)?, host, authorization: None })
    }

    /// Who only looks up (`as_whom` is [`Whom::Anyone`]) is kept from nothing by a token that cannot be read here.
    ///
    /// # Errors
    ///
    /// What was typed, or the configuration, does not say where and as whom.
    pub(super) fn of(
        reach: &Reach,
        as_whom: Whom,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        // A listener at an address of this machine takes any of its names.
        let local = HeaderValue::from_static("localhost");
        let told = environment.get(VARIABLE).filter(|token| !token.is_empty());
        let (place, host, configured) = match &reach.admin {
            Some(url) => {
                let place = Place::parse(url).map_err(Failure::Admin)?;
                let host = match &place {
                    Place::Tcp(authority) => HeaderValue::from_str(authority)
                        .map_err(|_| Failure::Admin("holds what no host's name holds"))?,
                    Place::Unix(_) => local,
                };
                (place, host, None)
            }
            None => {
                let needs_token =
                    as_whom == Whom::Operator && reach.token_file.is_none() && told.is_none();
                let admin = Admin::load(&reach.config, needs_token, environment);
                let admin = admin.map_err(Failure::Config)?;
                let place = Place::of(&admin.address).ok_or(Failure::NoPort)?;
                (place, local, admin.token.map(|token| token.expose().to_owned()))
            }
        };
        let token = match (&reach.token_file, told) {
            (Some(path), _) => Some(read_token(path)?),
            (None, Some(token)) => Some(token.to_owned()),
            (None, None) => configured,
        };
        let authorization = token.map(|token| bearer(&token)).transpose()?;
        Ok(Self { place, host, authorization })
    }
}

impl Place {
    fn of(address: &Address) -> Option<Self> {
        match address {
            Address::Tcp(address) if address.port() == 0 => None,
            Address::Tcp(address) => Some(Self::Tcp(address.to_string())),
            Address::Unix(path) => Some(Self::Unix(path.clone())),
        }
    }

    fn parse(url: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "is not the address of a listener";
        if let Some(path) = url.strip_prefix("unix:") {
            return if path.is_empty() { Err(SHAPE) } else { Ok(Self::Unix(path.into())) };
        }
        let uri: Uri = url.parse().map_err(|_| SHAPE)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err("asks for https, which the admin listener does not speak"),
            _ => return Err(SHAPE),
        }
        let authority = uri.authority().ok_or(SHAPE)?;
        if authority.as_str().contains('@') {
            return Err("holds a user or password");
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err("has a path");
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self::Tcp(format!("{}:{port}", authority.host())))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let wrong = |detail: String| Failure::TokenFile { path: path.to_owned(), detail };
    let mut text = String::new();
    let file = File::open(path).map_err(|err| wrong(err.to_string()))?;
    file.take(TOKEN_BYTES).read_to_string(&mut text).map_err(|err| wrong(err.to_string()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong("is empty; put the token there".into())),
        token => Ok(token.to_owned()),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Token);
    }
    let mut value =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Failure::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listeners_address_is_taken_and_nothing_else() {
        let tcp = |text: &str| Ok(Place::Tcp(text.to_owned()));
        for (url, wanted) in [
            ("http://127.0.0.1:8788", tcp("127.0.0.1:8788")),
            ("http://[::1]:8788/", tcp("[::1]:8788")),
            ("http://sms.internal", tcp("sms.internal:80")),
            ("unix:run/admin.sock", Ok(Place::Unix("run/admin.sock".into()))),
            ("unix:", Err("is not the address of a listener")),
            ("127.0.0.1:8788", Err("is not the address of a listener")),
            (
                "https://127.0.0.1:8788",
                Err("asks for https, which the admin listener does not speak"),
            ),
            ("http://u:p@127.0.0.1:8788", Err("holds a user or password")),
            ("http://127.0.0.1:8788/messages", Err("has a path")),
        ] {
            assert_eq!(Place::parse(url), wanted, "{url}");
        }
    }

    #[test]
    fn a_token_that_would_break_the_header_is_refused_and_none_is_shown() {
        assert!(matches!(bearer("a\r\nb"), Err(Failure::Token)));
        assert!(matches!(bearer("a b"), Err(Failure::Token)));
        assert!(!format!("{:?}", bearer("hush").unwrap()).contains("hush"));
    }
}
