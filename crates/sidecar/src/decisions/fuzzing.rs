//! The reader of decision logs, fed with any bytes.

use super::form::Line;
use super::read;

/// A line of a decision log.
pub fn decision(line: &[u8]) {
    let Ok(Line::Decision(record) | Line::SecondLook(record)) = serde_json::from_slice(line) else {
        return;
    };
    drop(read::message(&record.id, &record.message));
    drop(read::facts(&record.facts));
    for call in record.visits.into_iter().flat_map(|visit| visit.calls) {
        drop(read::call(call));
    }
}
