//! Every request that came, kept for whoever asks afterwards.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use serde_json::{Value, json};

/// Most requests kept; the oldest go first.
const MOST_REQUESTS: usize = 100_000;
/// Most bytes of bodies kept; the oldest requests go first.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// One request as it came. `Debug` shows neither the body nor the query.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path and query as they were sent.
    pub path: String,
    /// Its headers in the order sent, names in lower case, without `authorization`.
    pub headers: Vec<(String, String)>,
    /// What came of its `authorization`.
    pub authorization: Authorization,
    /// Its whole body.
    pub body: Bytes,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
}

/// What came of a request's `authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// There was none.
    Absent,
    /// The account's own.
    Valid,
    /// Another one.
    Wrong,
}

/// The requests kept.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    kept: VecDeque<Seen>,
    bytes: usize,
}

impl Seen {
    /// The value of the first header named `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or null where it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "authorization": self.authorization.as_str(),
            "body": self.text(),
            "connection": self.connection,
        })
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        f.debug_struct("Seen")
            .field("method", &self.method)
            .field("path", &path)
            .field("authorization", &self.authorization)
            .field("body_bytes", &self.body.len())
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Authorization {
    /// `absent`, `valid` or `wrong`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Valid => "valid",
            Self::Wrong => "wrong",
        }
    }
}

impl Requests {
    pub(crate) fn push(&mut self, seen: Seen) {
        self.bytes += seen.body.len();
        self.kept.push_back(seen);
        while self.kept.len() > MOST_REQUESTS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.body.len();
        }
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.kept.iter().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str, bytes: usize) -> Seen {
        Seen {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: vec![("x-y".to_owned(), "1".to_owned())],
            authorization: Authorization::Valid,
            body: Bytes::from(vec![b'x'; bytes]),
            connection: 1,
        }
    }

    #[test]
    fn the_oldest_requests_go_when_their_bodies_pass_the_bound() {
        let mut requests = Requests::default();
        for n in 0..3 {
            requests.push(seen(&format!("/{n}"), MOST_BYTES / 2));
        }
        let paths: Vec<String> = requests.all().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, ["/1", "/2"]);
        assert_eq!(requests.bytes, MOST_BYTES);
    }

    #[test]
    fn the_oldest_requests_go_when_there_are_too_many() {
        let mut requests = Requests::default();
        for n in 0..=MOST_REQUESTS {
            requests.push(seen(&format!("/{n}"), 0));
        }
        assert_eq!(requests.len(), MOST_REQUESTS);
        assert_eq!(requests.kept[0].path, "/1");
    }

    #[test]
    fn debug_shows_no_query_and_no_body() {
        let shown = format!("{:?}", seen("/list?to_number=14155550123", 3));
        assert!(!shown.contains("14155550123") && !shown.contains("xxx"), "{shown}");
    }
}
