//! Lines that need what is not built yet, each with the reason.

/// Areas that are run, and how many lines each has at least, so that a truncated file does not pass.
pub(super) const RUN: [(&str, usize); 11] = [
    ("phone", 41),
    ("country", 19),
    ("url", 57),
    ("text", 34),
    ("dup", 24),
    ("throttle", 16),
    ("http", 10),
    ("upstream", 16),
    ("relay", 3),
    ("consent", 10),
    ("fraud", 6),
];

/// None at present.
const LINES: [(&str, &str); 0] = [];

/// Whether the area is run.
pub(super) fn is_run(area: &str) -> bool {
    RUN.iter().any(|(run, _)| *run == area)
}

/// Why the line `id` is not run yet.
pub(super) fn reason(id: &str) -> Option<&'static str> {
    LINES.iter().find(|(listed, _)| *listed == id).map(|(_, reason)| *reason)
}

/// Every listed line.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    LINES.iter().map(|(id, _)| *id)
}
