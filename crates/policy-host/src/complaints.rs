//! How often it is said why a policy fails: each message that a policy fails on is one, and a flood of them is one reason.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most lines in [`WINDOW`].
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// What one revision has said of its failures.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    since: Option<Instant>,
    lines: u32,
    /// Lines that were not written since one was.
    unsaid: u64,
}

impl Complaints {
    /// Whether one more line is written; how many were not, since the last that was.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (said.since, said.lines) = (Some(now), 0);
        }
        if said.lines >= LINES {
            said.unsaid += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Complaints, LINES, WINDOW};

    #[test]
    fn a_flood_is_said_so_often_in_a_window_and_the_next_line_tells_how_many_were_not() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let said = (0..1_000).filter_map(|_| complaints.admit(start)).collect::<Vec<_>>();
        assert_eq!(said, vec![0; LINES as usize]);
        assert_eq!(complaints.admit(start + WINDOW), Some(1_000 - u64::from(LINES)));
        assert_eq!(complaints.admit(start + WINDOW), Some(0));
    }
}
