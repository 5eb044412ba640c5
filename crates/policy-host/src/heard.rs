//! What guests write while their author rehearses them.

use std::sync::{Mutex, PoisonError};

/// Most lines of one rehearsal; each visit has its own bound besides.
const LINES: usize = 1_000;

/// The lines that guests wrote during a rehearsal, whether they may log in production or not.
#[derive(Debug, Default)]
pub struct Heard(Mutex<Vec<Line>>);

/// A line that a guest logged, or printed: `info` is stdout, `warn` stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// Numbers in it are masked, as in the log.
    pub text: String,
}

impl Heard {
    /// The lines so far, which are forgotten.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn push(&self, level: &'static str, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(Line { level, text: text.to_owned() });
        }
    }
}
