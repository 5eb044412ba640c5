//! `Prefer` (RFC 7240): how long an answer may wait for Plivo's.

use std::time::Duration;

use crate::whole::whole;
use http::HeaderMap;

/// What a request prefers, as far as it is known here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Preferred {
    /// How long the answer may wait.
    pub(super) wait: Duration,
    /// What of it holds as it was asked for: for `Preference-Applied` (section 3), empty where nothing does.
    pub(super) applied: String,
}

impl Preferred {
    /// `Prefer: wait=N` and `respond-async`: how long the answer may wait, at most `most`. Together they ask for an
    /// answer after N seconds at the latest (section 4.3). Of a preference that stands twice the first counts (section
    /// 2), and one that cannot be read is passed over.
    pub(super) fn of(headers: &HeaderMap, most: Duration) -> Self {
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let (mut wait, mut at_once) = (None, false);
        for (name, value) in values.flat_map(|value| parts(value, ',')).map(preference) {
            at_once |= name.eq_ignore_ascii_case("respond-async");
            if name.eq_ignore_ascii_case("wait") {
                wait = wait.or_else(|| whole(value).map(Duration::from_secs));
            }
        }
        let kept = wait.filter(|wait| *wait <= most).map(|wait| format!("wait={}", wait.as_secs()));
        let applied: Vec<_> =
            at_once.then(|| "respond-async".to_owned()).into_iter().chain(kept).collect();
        let wait = wait.unwrap_or(if at_once { Duration::ZERO } else { most }).min(most);
        Self { wait, applied: applied.join(", ") }
    }
}

/// Name and value, bare or quoted; what follows after a semicolon are parameters, of which none is known here.
fn preference(text: &str) -> (&str, &str) {
    let text = parts(text, ';').next().unwrap_or_default();
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    (name.trim(), bare.unwrap_or(value))
}

/// What stands between `separator`s, as far as these are in no quoted string (RFC 9110 section 5.6.4).
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let apart = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        apart
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};

    use super::Preferred;

    #[test]
    fn an_app_may_wait_less_than_the_most_but_not_longer() {
        for (values, seconds, applied) in [
            (&["wait=3"][..], 3, "wait=3"),
            (&["wait=60"], 10, ""),
            (&["respond-async"], 0, "respond-async"),
            (&["respond-async, wait=5"], 5, "respond-async, wait=5"),
            (&["wait=60, respond-async"], 10, "respond-async"),
            (&["wait=x"], 10, ""),
            (&[""], 10, ""),
            (&[], 10, ""),
            // In the words of RFC 7240: quoted, with spaces, with parameters, and in several headers.
            (&["wait=\"1\""], 1, "wait=1"),
            (&["Wait = 2"], 2, "wait=2"),
            (&["wait=4; strict"], 4, "wait=4"),
            (&["wait=\"4\" ; strict=\"yes\""], 4, "wait=4"),
            (&["respond-async; q"], 0, "respond-async"),
            (&["respond-async=\"\""], 0, "respond-async"),
            (&["return=minimal", "wait=6"], 6, "wait=6"),
            (&["wait=6, wait=1"], 6, "wait=6"),
            (&["wait=x, wait=1"], 1, "wait=1"),
            // What stands in a quoted string is no preference.
            (&["foo=\"a, respond-async\", wait=7"], 7, "wait=7"),
            (&["foo=\"a\\\", respond-async\", wait=7"], 7, "wait=7"),
            (&["foo=\"a\\\\\", wait=7"], 7, "wait=7"),
            (&["foo; bar=\"; wait=1, respond-async\", wait=7"], 7, "wait=7"),
            (&["foo=\"never closed, wait=1"], 10, ""),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("prefer", HeaderValue::from_static(value));
            }
            let found = Preferred::of(&headers, Duration::from_secs(10));
            let wanted = (seconds, applied);
            assert_eq!((found.wait.as_secs(), &*found.applied), wanted, "{values:?}");
        }
    }
}
