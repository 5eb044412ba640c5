//! What a policy may remember between messages. Needs the grant `state`.
//!
//! Each policy has a name space of its own, which outlives a reload. Keys are at most 256 bytes and values at most
//! 4,096; more than 64 calls in one decision is a failure of the policy. Make keys with [`mark`](crate::mark()) where
//! they would name a person.

pub use crate::bindings::sendgate::policy::state::{
    Calendar, Charge, Gcra, Holder, LimitKind, Period, Refusal, Standing, StateError, Taken, Window,
};
#[cfg(target_arch = "wasm32")]
pub use crate::bindings::sendgate::policy::state::{get, increment, put, reserve, take};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::state::{get, increment, put, reserve, take};
