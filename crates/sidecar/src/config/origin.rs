//! URLs that an app is called at, and their origins.

use std::net::IpAddr;

use url::{Host, Origin, Url};

use super::cursor::Item;

/// Longest URL taken, in bytes.
const URL_BYTES: usize = 2_048;

/// Reads an origin: scheme, host and port (RFC 6454), and nothing after them.
pub(super) fn read_origin(item: &Item<'_>) -> Option<Origin> {
    let url = read_url(item)?;
    if url.path() != "/" || url.query().is_some() {
        item.fault("has a path or a query; write scheme, host and port only, such as http://127.0.0.1:3000");
        return None;
    }
    Some(url.origin())
}

/// Reads an absolute `http` or `https` URL without user and fragment, whose host is plain where it is another
/// machine's.
///
/// A URL may hold a token, so no message shows it.
pub(super) fn read_url(item: &Item<'_>) -> Option<Url> {
    let url = parse(item.text()?).map_err(|detail| item.fault(detail)).ok()?;
    if url.scheme() == "http" && !is_loopback(&url) {
        let detail = "is plain http to another machine: reports hold phone numbers; use https";
        item.reading.warn(&item.spot, detail);
    }
    Some(url)
}

/// Whether the URL's host is this machine by name or number.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // Hosts of schemes that are not the web's are not parsed as numbers.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        None => false,
    }
}

fn parse(text: &str) -> Result<Url, &'static str> {
    const SHAPE: &str =
        "is not an absolute http or https URL, such as http://127.0.0.1:3000/reports";
    if text.len() > URL_BYTES {
        return Err("is too long for a URL; 2048 bytes are the most");
    }
    // What a parser would mend in silence is not what was meant.
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("holds a space, a backslash or a control character; take it out");
    }
    if !text.contains("://") {
        return Err(SHAPE);
    }
    let url = Url::parse(text).map_err(|_| SHAPE)?;
    if !matches!(url.scheme(), "http" | "https") || url.port() == Some(0) {
        return Err(SHAPE);
    }
    if url.fragment().is_some() {
        return Err("has a fragment, which is never sent; take it out");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or password; take it out, since what is sent there is signed");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, parse};

    #[test]
    fn origins_are_the_same_where_what_was_parsed_is() {
        for (one, other, same) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/reports?a=b", true),
            ("http://127.0.0.1:3000", "http://0x7f.1:3000", true),
            ("https://a.example", "HTTPS://A.Example:443/", true),
            ("http://[::1]:1", "http://[0:0:0:0:0:0:0:1]:1", true),
            ("http://a.example", "https://a.example", false),
            ("http://a.example", "http://a.example:81", false),
            ("http://a.example", "http://a.example.evil.example", false),
            ("http://127.0.0.1:3000", "http://localhost:3000", false),
            ("http://127.0.0.1:3000", "http://127.0.0.1:30000", false),
        ] {
            let [one_of, other_of] = [one, other].map(|text| parse(text).unwrap().origin());
            assert_eq!(one_of == other_of, same, "{one} and {other}");
        }
    }

    #[test]
    fn a_url_is_taken_only_where_it_is_absolute_plain_and_as_it_was_written() {
        for text in [
            "",
            "127.0.0.1:3000",
            "ftp://127.0.0.1",
            "http:127.0.0.1",
            "http://",
            "http://127.0.0.1:0",
            "http://127.0.0.1:99999",
            "http://user@127.0.0.1",
            "http://:word@127.0.0.1",
            "http://127.0.0.1/#part",
            "http://127.0.0.1\\@evil.example",
            " http://127.0.0.1",
            "http://127.0.\t0.1",
        ] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
        assert!(parse(&format!("http://a/{}", "x".repeat(2_040))).is_err(), "a long one was taken");
    }

    #[test]
    fn loopback_is_known_by_name_and_by_number() {
        for (text, loopback) in [
            ("http://localhost:1", true),
            ("http://127.8.0.1", true),
            ("http://[::1]", true),
            ("redis://127.0.0.1", true),
            ("redis://localhost/0", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("redis://cache", false),
        ] {
            assert_eq!(is_loopback(&text.parse().unwrap()), loopback, "for {text}");
        }
    }
}
