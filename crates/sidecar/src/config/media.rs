//! `[media]`: whether media URLs are looked at.

use std::time::Duration;

use super::cursor::Section;

/// How media URLs are looked at before policies are asked. Default: not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Whether they are.
    pub probe: bool,
    /// Longest that the look at one takes. Default 3 s.
    pub probe_time: Duration,
}

impl Media {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let media = Self {
            probe: section.flag("probe", false),
            probe_time: section.millis("probe_ms", 3_000, 100..=10_000),
        };
        section.finish();
        media
    }
}
