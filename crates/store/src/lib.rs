//! What is kept: messages, idempotency keys, and the policies' memory.
//!
//! Everything is in one SQLite database, in a file or in memory; enter at [`Store`]. No clock: every call takes the
//! instant it is about.

mod content;
mod database;
mod error;
mod events;
mod expiring;
pub mod fail;
#[cfg(test)]
mod fixtures;
mod holds;
mod idempotency;
mod inspect;
mod ledger;
mod messages;
mod options;
mod secret;
mod store;
mod sweep;

pub use database::Commit;
pub use error::{OpenError, StoreError};
pub use events::{Event, Relayed};
pub use idempotency::{
    Claim, ClaimGuard, DEFAULT_RETENTION, Fingerprint, FreedKey, InFlight, KeptAnswer, KeyRow,
    RETENTIONS, StoredAnswer,
};
pub use inspect::{Inspection, inspect};
pub use ledger::MemoryLedger;
pub use messages::{
    Attempt, AttemptOutcome, Backlog, Change, Decision, Filter, GivenUp, LONGEST_DOUBT, NewMessage,
    Page, Record, Report, ReportFacts, Reported, Settle, Simple, Status, Unfinished,
};
pub use options::{Durability, Keep, MinFree, Place, StoreOptions};
pub use secret::Secret;
pub use store::Store;

pub(crate) use content::Content;

/// Most keys of each kind that the policies' memory keeps, unless said otherwise.
pub const DEFAULT_KEYS: usize = 100_000;
/// Most values and counters among them, likewise; an opt-out takes some 200 bytes.
pub const DEFAULT_VALUES: usize = 1_000_000;
