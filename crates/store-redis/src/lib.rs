//! What replicas share, on a plain Redis or Valkey: the policies' memory and idempotency keys.
//!
//! Enter at [`Connection::open`], then [`RedisLedger`], [`SharedKeys`] and, for limits that may go on without the
//! server, [`WithFallback`].
//!
//! Needs Redis 7 or Valkey, one server or one with replicas that take over; no modules. Redis Cluster is out of scope:
//! one call charges limits whose keys lie in different slots. Every call is one round trip, a script by its hash;
//! [`Ledger::foretell`](message::Ledger::foretell) and [`SharedKeys::claim_and_foretell`] ask several things in one.
//! Every key ends by itself. The server should have `maxmemory-policy noeviction`, since a limit that it drops begins
//! afresh.
//!
//! Time is the server's: replicas' clocks may differ, so no decision takes theirs, and the instant that
//! [`Ledger`](message::Ledger)'s calls carry is used for one thing, to work out which days, weeks and months lie near.

mod connection;
mod examine;
mod fallback;
mod fault;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod keys;
mod ledger;
mod options;
mod reports;
#[cfg(test)]
mod testing;
mod trial;
mod trouble;

pub use connection::{Connection, Status};
pub use examine::{Examined, Said, examine};
pub use fallback::{LocalLimits, WithFallback};
pub use keys::{Bound, Lease, SharedClaim, SharedError, SharedKeys};
pub use ledger::RedisLedger;
pub use options::{OptionsError, ServerUrl, SharedOptions};
pub use reports::{HandedOn, Page, Place, SharedReports};
pub use trouble::{Trouble, Unusable};
