//! What the head of an answer says of a medium.

use http::{HeaderMap, StatusCode, header};
use message::MediaUrl;
use message::facts::Probed;
use url::Url;

/// Where a look goes on.
pub(crate) enum Next {
    Found,
    Refused(u16),
    To(String),
    Nowhere,
}

/// What the answer to a look at `url` says of that.
pub(crate) fn next(url: &MediaUrl, status: StatusCode, headers: &HeaderMap) -> Next {
    if status.is_success() {
        return Next::Found;
    }
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Next::Refused(status.as_u16());
    }
    let location = headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
    let to = location.and_then(|to| Url::parse(url.as_str()).ok()?.join(to).ok());
    to.map_or(Next::Nowhere, |to| Next::To(to.into()))
}

/// What was found, by the head of a 2xx answer. Of a part the whole is told beside it.
pub(crate) fn found(headers: &HeaderMap) -> Probed {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let essence = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    let whole = text(header::CONTENT_RANGE).and_then(|value| value.rsplit_once('/'));
    let bytes = match whole {
        Some((_, total)) => total.parse().ok(),
        None => text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
    };
    let content_type = essence.unwrap_or_default().trim().to_ascii_lowercase();
    Probed::Found { content_type, bytes }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use message::facts::Probed;

    use super::found;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn type_and_length_are_read_and_a_part_tells_of_the_whole() {
        for (given, content_type, bytes) in [
            (
                &[("content-type", "image/PNG; charset=x"), ("content-length", "900")][..],
                "image/png",
                Some(900),
            ),
            (
                &[
                    ("content-type", "image/gif"),
                    ("content-length", "1"),
                    ("content-range", "bytes 0-0/1900000"),
                ][..],
                "image/gif",
                Some(1_900_000),
            ),
            (&[("content-range", "bytes 0-0/*"), ("content-length", "1")][..], "", None),
            (&[("content-length", "-1")][..], "", None),
        ] {
            let expected = Probed::Found { content_type: content_type.into(), bytes };
            assert_eq!(found(&headers(given)), expected, "{given:?}");
        }
    }
}
