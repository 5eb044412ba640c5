//! When Plivo is asked what became of a message that it took.

use std::sync::Arc;
use std::time::Duration;

use super::schedule;
use crate::config::cursor::Section;

/// Most steps.
const MOST_STEPS: usize = 16;
/// The default steps: messaging.md 3.10.
const STEPS_S: [u32; 5] = [5, 30, 120, 600, 3_600];

/// When Plivo is asked what became of a message that it took, where no report told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looks {
    /// The time from its submission to the first look, then from each look to the next; the last repeats. 1 to 16.
    /// Default 5 s, 30 s, 2 min, 10 min, 1 h.
    pub steps: Arc<[Duration]>,
    /// No look is later than this after the submission. Default 24 h.
    pub until: Duration,
    /// Most of the requests that Plivo allows an account which are such questions, of a hundred; they have what sends
    /// leave. Default 50.
    pub percent: u32,
}

impl Looks {
    /// Reads `poll_s`, `poll_until_s` and `poll_percent`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let steps = schedule::read(section, "poll_s", &STEPS_S, MOST_STEPS, 1..=86_400);
        let until = section.seconds("poll_until_s", 86_400, 1..=604_800);
        if steps.first().is_some_and(|first| *first > until) {
            let detail =
                "is over before the first time of poll_s, so Plivo would never be asked; raise it";
            section.reading().fault(&section.spot_of("poll_until_s"), detail);
        }
        Self { steps, until, percent: section.number("poll_percent", 50, 1..=100) }
    }
}
