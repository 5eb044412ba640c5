//! What the collector was told of generations, and how long that holds.

use std::time::{Duration, Instant};

/// How long, and for how many records, a collector is trusted to have a generation's line: it may have begun since.
const SAID_FOR: Duration = Duration::from_secs(300);
const SAID_FOR_RECORDS: u64 = 1_000;

/// The line of a generation, on its way to the collector or there.
pub(super) struct Said {
    generation: u64,
    at: Instant,
    /// Records that were sent after it.
    records: u64,
    /// Records that the collector had not taken when it was sent. One more may be this line.
    undelivered: u64,
}

impl Said {
    pub(super) fn now(generation: u64, undelivered: u64) -> Self {
        Self { generation, at: Instant::now(), records: 0, undelivered }
    }

    /// Whether the next record can be understood by it.
    pub(super) fn holds(&self, generation: u64, undelivered: u64) -> bool {
        self.generation == generation
            && self.undelivered == undelivered
            && self.records < SAID_FOR_RECORDS
            && self.at.elapsed() < SAID_FOR
    }

    /// A record was sent after it.
    pub(super) fn goes_before_one_more(&mut self) {
        self.records += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{SAID_FOR, SAID_FOR_RECORDS, Said};

    #[test]
    fn policies_are_said_again_after_a_loss_with_another_generation_and_every_so_often() {
        let said = |records, ago| {
            let now = Said::now(1, 7);
            Said { records, at: now.at.checked_sub(ago).unwrap(), ..now }
        };
        let fresh = said(SAID_FOR_RECORDS - 1, SAID_FOR / 2);
        assert!(fresh.holds(1, 7));
        assert!(!fresh.holds(2, 7), "another generation");
        assert!(!fresh.holds(1, 8), "what was lost may have been the line");
        assert!(!said(SAID_FOR_RECORDS, SAID_FOR / 2).holds(1, 7), "so many records");
        assert!(!said(0, SAID_FOR).holds(1, 7), "so long ago");
    }
}
