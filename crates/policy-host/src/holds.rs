//! What one request holds in the ledger, and never forgets to end.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::{fmt, mem};

use message::{Hold, Ledger, LedgerError, Settlement};
use tokio::runtime::Handle;

/// The holds of one request. Dropped unsettled, they are given back.
pub(crate) struct Holds {
    ledger: Arc<dyn Ledger>,
    held: Vec<Hold>,
    /// How they end when they are dropped: what was last asked for, so that a cut-off `Keep` stays a `Keep`.
    ending: Settlement,
}

impl Holds {
    pub(crate) fn none(ledger: &Arc<dyn Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), held: Vec::new(), ending: Settlement::GiveBack }
    }

    pub(crate) fn as_slice(&self) -> &[Hold] {
        &self.held
    }

    pub(crate) fn push(&mut self, hold: Hold) {
        self.held.push(hold);
    }

    pub(crate) fn extend(&mut self, holds: Vec<Hold>) {
        self.held.extend(holds);
    }

    /// Takes over all that `other` holds.
    pub(crate) fn take_over(&mut self, other: &mut Self) {
        self.held.append(&mut other.held);
    }

    /// Gives the holds into the hands of a caller, who settles them.
    pub(crate) fn entrust(mut self) -> Vec<Hold> {
        mem::take(&mut self.held)
    }

    /// Ends all the holds. Cut off, it goes on in the background.
    pub(crate) async fn settle(mut self, settlement: Settlement) -> Result<(), LedgerError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.ending = settlement;
        let settled = self.ledger.settle(self.held.clone(), settlement).await;
        self.held.clear();
        settled
    }

    /// Gives everything back; a ledger that is away is logged, and its entries expire by themselves.
    pub(crate) async fn give_back(self) {
        let count = self.held.len();
        if let Err(error) = self.settle(Settlement::GiveBack).await {
            tracing::warn!(holds = count, %error, "holds could not be given back; they will expire");
        }
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let (held, ledger, ending) =
            (mem::take(&mut self.held), Arc::clone(&self.ledger), self.ending);
        tracing::warn!(holds = held.len(), ending = ?ending, "a request ended without settling its holds");
        let settling = async move { ledger.settle(held, ending).await };
        settle_detached(settling);
    }
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys may be made of phone numbers.
        write!(f, "{} holds", self.held.len())
    }
}

/// Settles at once where the ledger answers at once, else in the background of the runtime, where there is one.
pub(crate) fn settle_detached(
    settling: impl Future<Output = Result<(), LedgerError>> + Send + 'static,
) {
    let mut settling = Box::pin(settling);
    let first = pin!(&mut settling).poll(&mut Context::from_waker(Waker::noop()));
    match (first, Handle::try_current()) {
        (Poll::Ready(settled), _) => log_unsettled(settled),
        (Poll::Pending, Ok(runtime)) => {
            runtime.spawn(async move { log_unsettled(settling.await) });
        }
        (Poll::Pending, Err(_)) => {
            tracing::warn!("holds could not be settled outside the runtime; they will expire");
        }
    }
}

fn log_unsettled(settled: Result<(), LedgerError>) {
    if let Err(error) = settled {
        tracing::warn!(%error, "holds could not be settled; they will expire");
    }
}
