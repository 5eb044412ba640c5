//! The simulator over real sockets, spoken to byte by byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod callbacks;
mod control;
mod faults;
mod lookups;
mod outage;
mod program;
mod readme;
mod reports;
mod wire;

use std::time::Duration;

/// Longer than anything here takes, so that a test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(20);
