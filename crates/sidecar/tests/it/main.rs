//! Whole-process tests: a real `sendgate`, a simulated Plivo behind it, HTTP in front.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test, and says where")]

mod accept;
mod accounts;
mod bad_input;
mod config;
mod corpus;
#[cfg(feature = "dashboard")]
mod dashboard;
mod decisions;
mod doctor;
mod doubt;
mod drain;
mod durable;
mod examples;
mod explain;
mod harness;
mod idempotency;
mod identity;
mod labelled;
mod life_cycle;
mod machine;
mod metrics;
mod openapi;
mod operators;
mod optouts;
mod order;
mod outage;
mod pacing;
mod plivo_door;
mod plivo_faults;
mod policy_faults;
mod readme;
mod refuse;
#[cfg(feature = "oci")]
mod registry;
mod relay;
mod reload;
mod replicas;
mod reports;
mod second_look;
mod secrets;
mod told_log;
mod tools;
mod trace;
