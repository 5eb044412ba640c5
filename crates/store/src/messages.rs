//! Accepted messages: recorded in one transaction with all that belongs to them, and followed to their end.

mod accept;
mod backlog;
mod change;
mod columns;
mod list;
mod look;
mod record;
mod report;
mod status;
mod unfinished;

pub use accept::NewMessage;
pub use backlog::Backlog;
pub use change::{Change, Settle};
pub use list::{Filter, Page};
pub use record::{Attempt, AttemptOutcome, Decision, Record, ReportFacts};
pub use report::{Report, Reported};
pub use status::{Simple, Status};
pub use unfinished::{GivenUp, LONGEST_DOUBT, Unfinished};

pub(crate) use change::Standing;
pub(crate) use columns::{from_db, to_db};
pub(crate) use list::delete;
pub(crate) use unfinished::forget_marks;

#[cfg(test)]
mod tests;
