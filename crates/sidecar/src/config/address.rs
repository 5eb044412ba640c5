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

    /// Whether the system chooses its port.
    pub(crate) fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.port() == 0)
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

    /// The URL, also where there is too much in it, which is a fault then: what is wrong with the rest is told with it.
    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        // A URL may hold a password, so no message shows it.
        let (url, too_much) =
            Self::parse(item.text()?).map_err(|detail| item.fault(detail)).ok()?;
        too_much.into_iter().for_each(|detail| item.fault(detail));
        Some(url)
    }

    /// Reads a URL; its scheme and host are written in lower case. Beside it, what is to be taken out of it.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub(super) fn parse(text: &str) -> Result<(Self, Vec<&'static str>), &'static str> {
        const SHAPE: &str = "is not an absolute http or https URL, such as https://sms.example.com";
        if text.len() > URL_BYTES {
            return Err("is too long for a URL; 2048 bytes are the most");
        }
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let authority = uri.authority().ok_or(SHAPE)?;
        let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https")).ok_or(SHAPE)?;
        let mut too_much = Vec::new();
        let place = authority.as_str();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| {
            too_much.push("holds a user or password; take it out, for a URL is shown in logs");
            place
        });
        if text.contains(['?', '#']) {
            too_much.push("has a query or a fragment; take it out");
        }
        let rest = &place[authority.host().len()..];
        let port_fits = rest.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
        if authority.host().is_empty() || !port_fits {
            return Err(SHAPE);
        }
        let place = place.to_ascii_lowercase();
        let url = format!("{scheme}://{place}{}", uri.path());
        Ok((Self(url.trim_end_matches('/').into()), too_much))
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
            ("https://ho st", None),
            ("", None),
        ] {
            let parsed = HttpUrl::parse(text);
            let url = parsed.as_ref().map(|(url, _)| url.as_str()).ok();
            assert_eq!(url, taken, "for `{text}`");
            assert!(parsed.is_err() || parsed.is_ok_and(|(_, too_much)| too_much.is_empty()));
        }
    }

    #[test]
    fn what_is_too_much_in_a_url_is_told_all_at_once_and_not_part_of_it() {
        for (text, told) in [
            ("https://user:pass@host/a", &["user"][..]),
            ("https://host/a?q=1", &["query"]),
            ("https://host/a#part", &["query"]),
            ("https://user@host/a?q=1", &["user", "query"]),
        ] {
            let (url, too_much) = HttpUrl::parse(text).unwrap();
            assert_eq!(url.as_str(), "https://host/a", "for {text}");
            let told_so = told.iter().zip(&too_much).all(|(word, said)| said.contains(word));
            assert!(told_so && told.len() == too_much.len(), "for {text}: {too_much:?}");
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
            let (url, _) = HttpUrl::parse(text).unwrap();
            assert_eq!(url.is_loopback(), loopback, "for {text}, host {}", url.host());
        }
    }
}
