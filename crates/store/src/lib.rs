//! What is kept: messages, idempotency keys, and the policies' memory.
//!
//! Everything here is in memory and gone with the process. The interfaces are asynchronous all the same, so that a
//! durable store and a shared one can stand behind them. No clock: every call takes the instant it is about.

mod error;
mod expiring;
mod idempotency;
mod ledger;
mod messages;

pub use error::StoreError;
pub use idempotency::{
    Claim, ClaimGuard, DEFAULT_RETENTION, Fingerprint, IdempotencyKeys, InFlight, RETENTIONS,
    StoredAnswer,
};
pub use ledger::MemoryLedger;
pub use messages::{
    Attempt, AttemptOutcome, Decision, Filter, Messages, Page, Record, Simple, Status,
};

/// Most keys of each kind that are kept in memory, unless said otherwise.
pub const DEFAULT_KEYS: usize = 100_000;
