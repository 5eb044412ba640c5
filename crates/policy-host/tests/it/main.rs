//! The host with real modules: what policies can and cannot do to it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod host;
mod watched;

mod afterwards;
mod amended;
mod budget;
mod chains;
mod contract;
mod failures;
mod foreseen;
mod holds;
mod imports;
mod instances;
mod late;
mod loading;
mod rehearsal;
mod reload;
mod shadow;
mod spans;
mod trial;
