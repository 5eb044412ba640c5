//! What reads a media server's answers, by a name that `fuzz` can call.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use message::MediaUrl;
use message::facts::Probed;

use crate::answer::{Next, found, next};

/// The head of an answer of a server that may say anything: a line with its status, and lines `name: value`.
///
/// # Panics
///
/// Where what was read does not hold.
pub fn head(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let status = lines.next().unwrap_or_default();
    let Ok(status) = StatusCode::from_bytes(status) else { return };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let (url, _) = MediaUrl::parse("https://media.example.com/a.jpg", "").expect("it is one");
    match next(&url, status, &headers) {
        Next::Found => assert!(status.is_success(), "{status} is found"),
        Next::Refused(refused) => assert_eq!(refused, status.as_u16()),
        // Judged like the first.
        Next::To(location) => drop(MediaUrl::parse(&location, "")),
        Next::Nowhere => assert!(status.is_redirection(), "{status} leads nowhere"),
    }
    if let Probed::Found { content_type, .. } = found(&headers) {
        let is_plain = !content_type.contains(';') && content_type.trim() == content_type;
        assert!(is_plain && content_type.to_ascii_lowercase() == content_type, "{content_type}");
    }
}
