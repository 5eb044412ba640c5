//! What became of an event, until that is written down.

use std::time::Duration;

use store::{Relayed, Store};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two tries to write to a store that cannot be written: at first, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What became of an event. Until it is written down the event is still due in the store, and is called for no more.
pub(super) struct Outcome {
    pub(super) number: u64,
    relayed: Relayed,
    called: bool,
    /// How often it could not be written.
    failures: u32,
}

impl Outcome {
    /// Of a call.
    pub(super) fn of_call(number: u64, relayed: Relayed) -> Self {
        Self { number, relayed, called: true, failures: 0 }
    }

    /// Of what the app was not called about.
    pub(super) fn without_call(number: u64, relayed: Relayed) -> Self {
        Self { number, relayed, called: false, failures: 0 }
    }

    /// Tries once; itself where the store cannot be written.
    pub(super) async fn write(self, store: &Store) -> Option<Self> {
        let relayed = self.relayed.clone();
        let commit = match self.called {
            true => store.relayed(self.number, relayed),
            false => store.not_called(self.number, relayed),
        };
        let err = commit.await.err()?;
        tracing::warn!(event = self.number, error = %err, "what became of an event could not be written down yet");
        Some(Self { failures: self.failures + 1, ..self })
    }

    /// The same after a wait, which ends with the process.
    pub(super) async fn write_later(self, store: &Store, stop: &CancellationToken) -> Option<Self> {
        tokio::select! {
            () = sleep(self.wait()) => {}
            () = stop.cancelled() => {}
        }
        self.write(store).await
    }

    fn wait(&self) -> Duration {
        FIRST.saturating_mul(2_u32.saturating_pow(self.failures.saturating_sub(1))).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_tried_again_at_growing_intervals() {
        let wait =
            |failures| Outcome { failures, ..Outcome::of_call(1, Relayed::Done) }.wait().as_secs();
        assert_eq!([1, 2, 3, 6, 7, u32::MAX].map(wait), [1, 2, 4, 32, 60, 60]);
    }
}
