//! The crash suite: a real `sendgate` is killed at every durable write and every socket step of a send, started again,
//! and asked again by an app that had no answer. The simulated Plivo counts what was really sent.
//!
//! Built only with the feature `fail-points`. `cargo xtask crash` runs as much of it as is wanted, and any one run
//! again.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test, and says where")]

mod app;
mod count;
#[path = "../it/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the whole-process tests need more of it")]
mod harness;
mod limits;
mod listener;
mod load;
mod place;
mod plan;
mod play;
mod proxy;
mod runs;
mod shared;
mod table;
mod victim;
mod wire;
