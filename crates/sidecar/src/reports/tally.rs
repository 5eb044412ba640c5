//! How many reports came to what.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

/// What a call of the callback listener came to, here or at another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Written down.
    Taken,
    /// A message from a handset, which the policies were told of.
    Heard,
    /// It says what an earlier one said.
    Again,
    /// Its nonce was seen before.
    Replayed,
    /// Its message is not here: handed on to the replica that has it.
    HandedOn,
    /// Handed on by another replica, and no longer kept where all look before this one did: whose it was nobody knows.
    Missed,
    /// Ours, but its message is not kept any more.
    Forgotten,
    /// No path of ours, or the wrong method.
    Astray,
    /// Its token or its signature does not hold.
    Forged,
    /// It cannot be read.
    Unreadable,
    /// It could not be written down, or not in time; Plivo sends it again.
    Unwritten,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Came::KINDS]);

impl Came {
    pub(super) const KINDS: usize = Self::ALL.len();

    const ALL: [Self; 11] = [
        Self::Taken,
        Self::Heard,
        Self::Again,
        Self::Replayed,
        Self::HandedOn,
        Self::Missed,
        Self::Forgotten,
        Self::Astray,
        Self::Forged,
        Self::Unreadable,
        Self::Unwritten,
    ];

    /// The word in counts and spans.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Heard => "heard",
            Self::Again => "again",
            Self::Replayed => "replayed",
            Self::HandedOn => "handed_on",
            Self::Missed => "missed",
            Self::Forgotten => "forgotten",
            Self::Astray => "astray",
            Self::Forged => "forged",
            Self::Unreadable => "unreadable",
            Self::Unwritten => "unwritten",
        }
    }
}

impl Tally {
    pub(super) fn add(&self, came: Came) {
        self.add_many(came, 1);
    }

    pub(super) fn add_many(&self, came: Came, count: u64) {
        self.0[came as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Tells each count by its word.
    pub(crate) fn tell(&self, mut tell: impl FnMut(&'static str, u64)) {
        for came in Came::ALL {
            tell(came.as_str(), self.0[came as usize].load(Ordering::Relaxed));
        }
    }

    /// The counts by their words.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = Map::new();
        self.tell(|word, count| drop(shown.insert(word.to_owned(), count.into())));
        Value::Object(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_for_itself() {
        let tally = Tally::default();
        for (nth, came) in Came::ALL.into_iter().enumerate() {
            (0..=nth).for_each(|_| tally.add(came));
        }
        let shown = tally.shown();
        let counts: Vec<u64> =
            Came::ALL.iter().filter_map(|came| shown[came.as_str()].as_u64()).collect();
        assert_eq!(counts, (1..=Came::ALL.len() as u64).collect::<Vec<_>>());
    }
}
