//! The program: configuration, gateway, delivery, reload, admin, life cycle.
//!
//! A library only so that `main` stays a list and the bench can name the parts; nothing outside this workspace relies
//! on its names.

pub mod check;
pub mod cli;
pub mod config;
pub mod doctor;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod messages;
pub mod policy;
pub mod replay;
pub mod run;
pub mod terminal;

mod admin;
mod decisions;
mod delivery;
mod failure;
mod files;
mod gateway;
mod generations;
mod history;
mod in_force;
mod inbound;
mod listen;
mod memory;
mod metrics;
mod modules;
mod openapi;
mod policies;
mod promotions;
mod query;
mod reasons;
mod record;
mod relay;
mod reload;
mod reports;
mod service_manager;
mod shared;
mod spans;
mod sweep;
mod whole;

pub use failure::Failure;
