//! What one check has seen, and what is to be done.

use std::fmt;

use serde_json::{Value, json};

use crate::terminal::plain;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
    /// There was nothing to check.
    Skipped,
}

/// One check.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    check: &'static str,
    pub(super) verdict: Verdict,
    seen: String,
    to_do: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, seen: seen.into(), to_do: None }
    }

    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::ok(check, why) }
    }

    pub(super) fn warn(
        check: &'static str,
        seen: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self { check, verdict: Verdict::Warn, seen: seen.into(), to_do: Some(to_do.into()) }
    }

    pub(super) fn fail(
        check: &'static str,
        seen: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(check, seen, to_do) }
    }

    /// Whether it is about an account, and not about the way to Plivo.
    pub(super) fn is_of_account(&self) -> bool {
        matches!(self.check, "credentials" | "sender")
    }

    /// The same, saying of what.
    pub(super) fn about(self, what: &str) -> Self {
        Self { seen: format!("{what}: {}", self.seen), ..self }
    }

    pub(super) fn to_json(&self) -> Value {
        let verdict = self.verdict.as_str();
        json!({"check": self.check, "verdict": verdict, "seen": self.seen, "to_do": self.to_do})
    }
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<8} {:<16} {}", self.verdict.as_str(), self.check, plain(&self.seen))?;
        match &self.to_do {
            Some(to_do) => writeln!(f, "{:26}-> {to_do}", ""),
            None => Ok(()),
        }
    }
}
