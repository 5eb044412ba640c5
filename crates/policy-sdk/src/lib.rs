//! Write a Sendgate policy in Rust: a settings struct, one function and one line of export.
//!
//! ```
//! use policy_sdk::{Context, Decision, Facts, Message, Policy, PolicyError, Problem, export, reject};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! pub struct Words { words: Vec<String> }
//!
//! impl Policy for Words {
//!     type Settings = Self;
//!     const SUMMARY: &'static str = "Refuses texts that hold a listed word";
//!     fn configure(settings: Self) -> Result<Self, Vec<Problem>> { Ok(settings) }
//!     fn check(&self, message: &Message, _: &Facts, _: &Context) -> Result<Decision, PolicyError> {
//!         let listed = self.words.iter().any(|word| message.text.contains(word.as_str()));
//!         Ok(if listed { reject("words.listed", "the text holds a listed word").into() } else { Decision::accept() })
//!     }
//! }
//!
//! export!(Words);
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-unknown-unknown` that is a policy; built for any other target the same crate runs in plain unit
//! tests, with [`testing`] in the place of the host. What a policy may do to the world outside it are free functions
//! ([`state`], [`log`], [`metrics`], [`telecom`], [`zones`], [`media`]); only those it calls are left in its module, so
//! that the module's import list is the list of grants it needs. There is no clock but [`Context::now_ms`], and no
//! randomness, file or socket at all.
//!
//! The global allocator is set here. It fills the memory that a module begins with before it asks for more, which a fresh
//! instance pays for in every call: link with `--initial-heap=262144`, as what `sendgate policy new` writes does
//! (`.cargo/config.toml`), and a policy has 256 KiB at hand.

mod asked;
mod decision;
mod mark;
mod message;
mod policy;
mod settings;

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod guest;
pub mod known;
pub mod log;
pub mod media;
pub mod metrics;
pub mod state;
pub mod telecom;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod zones;

mod export;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

pub use asked::asked_at_ms;
pub use bindings::inbound::exports::sendgate::policy::inbound::InboundMessage;
pub use bindings::receipts::exports::sendgate::policy::receipts::Receipt;
pub use bindings::sendgate::policy::types::{
    Change, Context, Decision, Edit, Encoding, Facts, Fault, Kind, Manifest, MediaFacts, Note,
    NumberFacts, NumberType, PolicyError, Problem, Rejection, Sender, TextFacts, Verdict,
};
pub use decision::{name, problem, reject};
pub use mark::mark;
pub use message::Message;
pub use policy::{Inbound, Outcomes, Policy, Receipts, Reports};
