//! What the machine below does to a sidecar, whatever it does: nothing that was accepted is lost or sent twice.

mod clock;
mod connections;
mod descriptors;
mod disk;
mod faults;
mod guests;
mod late;
mod modules;
mod stopped;
mod upstream;

use std::collections::BTreeMap;

use plivo_sim::PlivoSim;

use self::faults::Faults;
use crate::harness::texts;

/// What Plivo was sent is `wanted`, in any order and each once.
fn sent_once(plivo: &PlivoSim, wanted: impl IntoIterator<Item = impl Into<String>>) {
    let mut times = BTreeMap::<String, i32>::new();
    for text in wanted {
        *times.entry(text.into()).or_default() += 1;
    }
    for text in texts(plivo) {
        *times.entry(text).or_default() -= 1;
    }
    times.retain(|_, times| *times != 0);
    assert!(times.is_empty(), "accepted more often than sent (or, below zero, less): {times:?}");
}
