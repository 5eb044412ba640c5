//! Reading a media URL: what can never be right as written.
//!
//! URL parsers repair much of what they are given (missing slashes, backslashes, line breaks), each in its own way, and
//! Plivo's fetcher may repair it differently. So the raw text is judged first, and only then parsed.

use url::{Host, Url};

use super::{MediaUrl, host};
use crate::facts::{HostClass, MediaFacts};
use crate::{Fault, limits};

/// Longest label and name of a host, in bytes. Source: RFC 1035, 2.3.4 (255 octets on the wire).
const LABEL_BYTES: usize = 63;
const NAME_BYTES: usize = 253;
/// Longest file extension taken for one.
const EXTENSION_BYTES: usize = 16;

impl MediaUrl {
    /// Reads an absolute `http://` or `https://` URL, normalises it, and says what it names.
    ///
    /// Which hosts, ports and extensions are allowed is not judged here but by [`crate::facts::media_faults`].
    ///
    /// # Errors
    ///
    /// A fault at `pointer`, without the URL in it: `url.control_char` (controls, white space, invisible characters),
    /// `url.backslash`, `url.scheme`, `url.too_long`, `url.userinfo`, or `url.malformed`.
    pub fn parse(raw: &str, pointer: &str) -> Result<(Self, MediaFacts), Fault> {
        let fault = |(code, detail): (&str, &str)| Fault::new(pointer, code, detail);
        check_raw(raw).map_err(fault)?;
        let mut url = Url::parse(raw).map_err(|_| fault(MALFORMED))?;
        url.set_fragment(None);
        let class = settle_host(&mut url).map_err(fault)?;
        if url.as_str().len() > limits::URL_BYTES {
            return Err(fault(TOO_LONG));
        }
        let facts = MediaFacts {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
            extension: extension(&url),
            host_class: class,
            probe: None,
        };
        Ok((Self(String::from(url).into()), facts))
    }
}

type Finding = (&'static str, &'static str);

const EMPTY: Finding =
    ("url.malformed", "is empty; give a public http or https URL, or leave the entry out");
const MALFORMED: Finding = (
    "url.malformed",
    "is not an absolute URL of the form https://host/path that every parser reads alike",
);
const CONTROL: Finding = (
    "url.control_char",
    "has white space, a control or an invisible character in it; percent-encode or remove it",
);
const BACKSLASH: Finding =
    ("url.backslash", "has a backslash in it, which parsers read differently; use slashes");
const SCHEME: Finding = ("url.scheme", "is neither http nor https; Plivo fetches nothing else");
const TOO_LONG: Finding = ("url.too_long", "is longer than 2,048 bytes");
const USERINFO: Finding = (
    "url.userinfo",
    "has a user name or password before its host, which Plivo would store; use a signed URL",
);

/// What is wrong with the text itself, before any parser repairs it.
fn check_raw(raw: &str) -> Result<(), Finding> {
    if raw.is_empty() {
        return Err(EMPTY);
    }
    if raw.chars().any(is_hidden) {
        return Err(CONTROL);
    }
    if raw.contains('\\') {
        return Err(BACKSLASH);
    }
    let (scheme, rest) = raw.split_once(':').ok_or(MALFORMED)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        // A dot before the colon is a host and port whose scheme was forgotten.
        let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b));
        return Err(if well_formed { SCHEME } else { MALFORMED });
    }
    if raw.len() > limits::URL_BYTES {
        return Err(TOO_LONG);
    }
    let after = rest.strip_prefix("//").ok_or(MALFORMED)?;
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(USERINFO);
    }
    if authority.is_empty() { Err(MALFORMED) } else { Ok(()) }
}

/// Whether parsers may drop `c` without a word, or a reader may overlook it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || c == '\u{feff}'
}

/// Drops the root dot and classes the host.
fn settle_host(url: &mut Url) -> Result<HostClass, Finding> {
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(host::class_of_v4(address)),
        Some(Host::Ipv6(address)) => return Ok(host::class_of_v6(address)),
        Some(Host::Domain(name)) => name.to_owned(),
        None => return Err(MALFORMED),
    };
    let rootless = name.strip_suffix('.').unwrap_or(&name);
    let label_fits = |label: &str| (1..=LABEL_BYTES).contains(&label.len());
    if rootless.len() > NAME_BYTES || !rootless.split('.').all(label_fits) {
        return Err(MALFORMED);
    }
    if rootless.len() < name.len() {
        url.set_host(Some(rootless)).map_err(|_| MALFORMED)?;
    }
    Ok(host::class_of_name(rootless))
}

/// The extension of the last path segment, percent-decoded, without path parameters, in lower case.
fn extension(url: &Url) -> String {
    let segment = url.path().rsplit('/').next().unwrap_or_default();
    let decoded = percent_decoded(segment);
    let file = decoded.split(';').next().unwrap_or_default();
    let Some((_, extension)) = file.trim_end_matches(['.', ' ']).rsplit_once('.') else {
        return String::new();
    };
    let fits =
        extension.len() <= EXTENSION_BYTES && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { extension.to_ascii_lowercase() } else { String::new() }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => {
                let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
