//! Loads policies from bytes, asks them, and replaces them.
//!
//! A policy is a WebAssembly component that speaks `sendgate:policy`. [`PolicyRuntime::build`] makes a [`PolicyChain`]
//! of [`PolicySource`]s; [`PolicyChain::clear`] turns a [`Candidate`] into a [`Cleared`], the only thing that may be
//! sent. Which chain is in force is its caller's to say; [`PolicyChain::take_place_of`] tells the policies.
//!
//! What a policy cannot do: run longer than its time, take more memory or host calls than its limits, reach anything
//! but the imports it was granted, survive its own failure in a warm instance, or end more than its own request. Every
//! failure is a [`PolicyFailure`], and what follows is the operator's [`OnFailure`].
//!
//! This crate is the only one that names wasmtime. It knows nothing of HTTP, Plivo, files or the configuration file.
//! The spans it makes are listed in `spans.rs`.

mod amend;
mod answer;
mod basis;
mod bindings;
mod budget;
mod chain;
mod cleared;
mod complaints;
mod component;
mod contract;
mod convert;
mod counters;
mod decision;
mod digest;
mod error;
mod failure;
mod foresight;
mod heard;
mod holds;
mod imports;
mod instance;
mod load;
mod memory;
mod module;
mod policy;
mod redact;
mod revision;
mod runtime;
mod sections;
mod settings;
mod source;
mod spans;
mod trial;
mod visit;

pub use basis::{Basis, NOT_TAKEN, StateAnswer, StateCall, StateQuestion};
pub use budget::{BudgetReport, ErrorBudget};
pub use chain::{
    Afterwards, Candidate, Inbound, NotPromoted, Outcome, PolicyChain, Receipt, SecondLook,
};
pub use cleared::{Cleared, Explanation, NotCleared, NotClearedKind, Trail};
pub use component::{CASES_BYTES, MODULE_BYTES, with_cases};
pub use counters::Counter;
pub use decision::{Decision, Generation, LimitReport, Verdict};
pub use digest::Digest;
pub use error::{LoadError, LoadFault, MissingGrant, Problem};
pub use failure::{PolicyFailure, Trapped};
pub use foresight::Foresight;
pub use heard::{Heard, Line, Taken};
pub use memory::Refused;
pub use module::Module;
pub use policy::{Manifest, Policy};
pub use runtime::{PolicyRuntime, RuntimeError, RuntimeOptions};
pub use source::{
    CandidateSource, Grant, Grants, Isolation, Mode, OnFailure, PolicyName, PolicySource,
    VisitLimits,
};
pub use trial::{Difference, DifferenceKind, TrialReport, TrialRules, TrialStanding, Word};
