//! What one visit has used up.

use std::sync::Arc;
use std::time::Duration;

use message::Ledger;

use crate::LimitReport;
use crate::basis::StateCall;
use crate::holds::Holds;

/// What one visit has used up, and what it holds.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) holds: Holds,
    pub(crate) reports: Vec<LimitReport>,
    /// The calls of `state`, where they are remembered.
    pub(crate) calls: Vec<StateCall>,
    pub(crate) host_calls: u32,
    pub(crate) log_bytes: usize,
    /// Log lines that did not fit.
    pub(crate) log_dropped: u32,
    /// The first lines that warned, and the latest where it is not among them: should this be all that is left of it.
    pub(super) first_words: String,
    pub(super) latest_words: String,
    /// It printed, and has not the grant `log`.
    pub(crate) unheard: bool,
    /// The ledger could not answer a call.
    pub(crate) unavailable: bool,
    /// Time waited for the ledger.
    pub(crate) waited: Duration,
    /// Time in the guest and its imports, without what it waited for the ledger or for its thread.
    pub(crate) guest: Duration,
    /// What its memories hold.
    pub(crate) memory: usize,
    /// Ticks of the engine's epoch that the guest has run through.
    pub(super) ticks: u128,
}

impl Spent {
    pub(super) fn nothing(ledger: &Arc<dyn Ledger>) -> Self {
        Self {
            holds: Holds::none(ledger),
            reports: Vec::new(),
            calls: Vec::new(),
            host_calls: 0,
            log_bytes: 0,
            log_dropped: 0,
            first_words: String::new(),
            latest_words: String::new(),
            unheard: false,
            unavailable: false,
            waited: Duration::ZERO,
            guest: Duration::ZERO,
            memory: 0,
            ticks: 0,
        }
    }
}
