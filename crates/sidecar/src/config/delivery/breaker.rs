//! `[delivery] breaker`: when sends are held back.

use std::time::Duration;

use crate::config::cursor::Section;

const WINDOW_S: u32 = 30;
const OPEN_S: u32 = 15;
const OPEN_MAX_S: u32 = 300;

/// When a breaker opens, and for how long. The defaults are messaging.md 3.5's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Opens at so many failures in a row. Default 5.
    pub failures: u32,
    /// What the share of failures is counted over. Default 30 s.
    pub window: Duration,
    /// Fewer calls have no share. Default 20.
    pub min_calls: u32,
    /// Opens at this share of failures. Default 50.
    pub ratio_percent: u32,
    /// How long it stays open at first, less up to a quarter by chance. Default 15 s.
    pub open: Duration,
    /// The longest, after some doublings. Default 5 min.
    pub open_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Self {
            failures: 5,
            window: seconds(WINDOW_S),
            min_calls: 20,
            ratio_percent: 50,
            open: seconds(OPEN_S),
            open_max: seconds(OPEN_MAX_S),
        }
    }
}

impl BreakerSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let usual = Self::default();
        let before = section.reading().faults_so_far();
        let open = section.seconds("open_s", OPEN_S, 1..=3_600);
        let open_max = section.seconds("open_max_s", OPEN_MAX_S, 1..=86_400);
        // In the place of a faulty one stands a default that nobody wrote.
        if open > open_max && section.reading().faults_so_far() == before {
            let detail = format!(
                "is longer than the longest ({} s); lower it, or raise open_max_s",
                open_max.as_secs()
            );
            section.reading().fault(&section.spot_of("open_s"), detail);
        }
        let breaker = Self {
            failures: section.number("failures", usual.failures, 1..=1_000),
            window: section.seconds("window_s", WINDOW_S, 1..=3_600),
            min_calls: section.number("min_calls", usual.min_calls, 1..=100_000),
            ratio_percent: section.number("ratio_percent", usual.ratio_percent, 1..=100),
            open,
            open_max,
        };
        section.finish();
        breaker
    }
}
