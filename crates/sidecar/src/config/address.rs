//! Where to listen, and where to call.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;

use super::cursor::Item;

/// Longest path of a Unix socket, in bytes: `sun_path` holds 108 with its closing zero (unix(7)).
const SOCKET_PATH_BYTES: usize = 107;
/// Longest URL taken, in bytes.
const URL_BYTES: usize = 2_048;

/// Where to listen; prints as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// An absolute `http` or `https` URL without user, query or fragment, and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(Box<str>);

impl Address {
    /// Where the admin listener is unless the file says otherwise.
    pub(super) fn default_admin() -> Self {
        Self::Tcp(([127, 0, 0, 1], 8788).into())
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether not both can be listened on: the same, or the same port where one has all addresses. A port that the
    /// system chooses is nobody else's.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (Self::Tcp(one), Self::Tcp(two)) = (self, other) else { return self == other };
        let (a, b) = (one.ip().to_canonical(), two.ip().to_canonical());
        // A listener on all addresses of IPv6 has those of IPv4 too, unless the system is told otherwise.
        let takes_in =
            |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
        one.port() == two.port() && one.port() != 0 && (a == b || takes_in(a, b) || takes_in(b, a))
    }

    /// Reads `127.0.0.1:8787`, `[::1]:8787` or `unix:PATH`.
    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        let text = item.text()?;
        if let Some(path) = text.strip_prefix("unix:") {
            let full = item.reading.path(path);
            let is_none = path.is_empty() || path.contains('\0');
            if is_none || full.as_os_str().len() > SOCKET_PATH_BYTES {
                item.fault(format!("needs a path of 1 to {SOCKET_PATH_BYTES} bytes after `unix:`"));
                return None;
            }
            let folder = full.parent().unwrap_or(&full);
            if !folder.is_dir() {
                // Where it is checked may not be where it runs.
                let detail = format!(
                    "there is no folder {} here; it has to be there to run",
                    folder.display()
                );
                item.reading.warn(&item.spot, detail);
            }
            return Some(Self::Unix(full));
        }
        let address = text.parse().map(Self::Tcp).ok();
        if address.is_none() {
            item.fault("is not an address; write IP:PORT such as 127.0.0.1:8787, or unix:PATH");
        }
        address
    }
}

impl HttpUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Its host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let after = self.0.split_once("://").map_or("", |(_, after)| after);
        let authority = after.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Whether its host is this machine by name or number.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        // A URL may hold a password, so no message shows it.
        Self::parse(item.text()?).map_err(|detail| item.fault(detail)).ok()
    }

    /// Reads a URL; its scheme and host are written in lower case.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "is not an absolute http or https URL, such as https://sms.example.com";
        if text.len() > URL_BYTES {
            return Err("is too long for a URL; 2048 bytes are the most");
        }
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let authority = uri.authority().ok_or(SHAPE)?;
        let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https")).ok_or(SHAPE)?;
        if authority.as_str().contains('@') {
            return Err("holds a user or password; take it out, for a URL is shown in logs");
        }
        if text.contains(['?', '#']) {
            return Err("has a query or a fragment; take it out");
        }
        let rest = &authority.as_str()[authority.host().len()..];
        let port_fits = rest.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
        if authority.host().is_empty() || !port_fits {
            return Err(SHAPE);
        }
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self(format!("{scheme}://{authority}{}", uri.path()).trim_end_matches('/').into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, HttpUrl};

    #[test]
    fn addresses_overlap_where_not_both_can_be_listened_on() {
        for (one, two, overlap) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:0", "127.0.0.1:0", false),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("127.0.0.1:1", "[::]:1", true),
            ("127.0.0.1:1", "[::ffff:127.0.0.1]:1", true),
            ("[::1]:1", "[::]:1", true),
            ("[::1]:1", "127.0.0.1:1", false),
            ("[::1]:1", "0.0.0.0:1", false),
            ("[::]:1", "0.0.0.0:1", true),
        ] {
            let [a, b] = [one, two].map(|text| Address::Tcp(text.parse().unwrap()));
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (overlap, overlap), "{one} and {two}");
        }
        let socket = |path: &str| Address::Unix(path.into());
        assert!(socket("/run/a").overlaps(&socket("/run/a")));
        assert!(!socket("/run/a").overlaps(&socket("/run/b")));
        assert!(!socket("/run/a").overlaps(&Address::Tcp("0.0.0.0:1".parse().unwrap())));
    }

    #[test]
    fn a_url_is_taken_only_where_it_is_absolute_and_plain() {
        for (text, taken) in [
            ("https://api.plivo.com", Some("https://api.plivo.com")),
            ("HTTPS://API.Plivo.com/", Some("https://api.plivo.com")),
            ("http://127.0.0.1:8790/prefix/", Some("http://127.0.0.1:8790/prefix")),
            ("http://[::1]:8790", Some("http://[::1]:8790")),
            ("api.plivo.com", None),
            ("ftp://api.plivo.com", None),
            ("https://", None),
            ("https://:443", None),
            ("https://host:", None),
            ("https://host:0", None),
            ("https://host:99999", None),
            ("https://user:pass@host", None),
            ("https://host/?q=1", None),
            ("https://host/#part", None),
            ("https://ho st", None),
            ("", None),
        ] {
            let parsed = HttpUrl::parse(text);
            assert_eq!(parsed.as_ref().map(HttpUrl::as_str).ok(), taken, "for `{text}`");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_number() {
        for (text, loopback) in [
            ("http://localhost:1", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:8790/x", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]", false),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!(url.is_loopback(), loopback, "for {text}, host {}", url.host());
        }
    }
}
