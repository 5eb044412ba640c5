use std::error::Error;
use std::fmt;

/// What is wrong with a file of cases, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseError {
    /// Counted from 1; the line on which the case begins where nothing closer is known.
    pub line: usize,
    /// The case's name; empty where none is meant.
    pub case: String,
    /// What is wrong and what to do.
    pub detail: String,
}

impl CaseError {
    pub(crate) fn new(line: usize, case: &str, detail: impl Into<String>) -> Self {
        Self { line, case: case.to_owned(), detail: detail.into() }
    }
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.case.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.detail),
            case => write!(f, "line {}: case `{case}`: {}", self.line, self.detail),
        }
    }
}

impl Error for CaseError {}
