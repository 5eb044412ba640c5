//! What the sidecar answered.

use http::HeaderMap;
use serde_json::Value;

/// One answer, read whole.
#[derive(Clone)]
pub(crate) struct Answer {
    /// The request it answers, for failures.
    pub(crate) to: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err} in {self}"))
    }

    /// The body, where the status is `status`.
    ///
    /// # Panics
    ///
    /// If it is another.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "the status of {self}");
        self.json()
    }

    /// The body of a problem with this status and `code`.
    ///
    /// # Panics
    ///
    /// If it is another.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "the code of {self}");
        body
    }

    /// Every code in it: its own, and those of `errors`.
    pub(crate) fn codes(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().into_iter().flatten().map(|error| &error["code"]);
        std::iter::once(&body["code"])
            .chain(errors)
            .filter_map(|code| code.as_str().map(str::to_owned))
            .collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "the answer to {}:\n{}", self.to, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", self.text)
    }
}
