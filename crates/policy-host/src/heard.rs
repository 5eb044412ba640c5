//! What guests write, and what reports cost them, while their author rehearses them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most lines of one rehearsal; each visit has its own bound besides.
const LINES: usize = 1_000;

/// The lines that guests wrote during a rehearsal, whether they may log in production or not, and how they took what
/// they were told.
#[derive(Debug, Default)]
pub struct Heard {
    lines: Mutex<Vec<Line>>,
    taken: Mutex<Vec<Taken>>,
}

/// A line that a guest logged, or printed: `info` is stdout, `warn` stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// Numbers in it are masked, as in the log.
    pub text: String,
}

/// How a guest took an outcome, a report, or what a handset said. In production its own failure is in the log alone.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Time in the guest and its imports; like what follows zero where no instance was free.
    pub guest: Duration,
    /// Bytes of its memories.
    pub memory: usize,
    /// Calls of the host.
    pub host_calls: u32,
    /// Why it could not, in one sentence.
    pub failure: Option<String>,
}

impl Heard {
    /// The lines so far, which are forgotten.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How what was told so far was taken, which is forgotten.
    pub fn taken(&self) -> Vec<Taken> {
        std::mem::take(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn push(&self, level: &'static str, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(Line { level, text: text.to_owned() });
        }
    }

    pub(crate) fn note(&self, taken: Taken) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
    }
}
