//! One call to Plivo and what it meant.
//!
//! A send ends as one of four [`Outcome`]s, told apart by where it failed: Plivo took it, Plivo refused it, it was not
//! sent, or nobody can tell. The difference between the last two decides whether a message may be sent again, so it
//! rests on one observation only: whether the request's body had been handed to the connection. Until then Plivo cannot
//! have seen the message; from then on it may have.
//!
//! Nothing here retries, follows a redirect, or uses a proxy. One case looks like a retry and is none: where a pooled
//! connection turns out to be closed before the request was begun, the same request goes out on another connection.

mod answer;
mod client;
mod clock;
mod config;
mod credentials;
mod failure;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handed;
mod hidden;
mod lookup;
mod member;
mod outcome;
mod outgoing;
pub mod signature;
mod spans;
mod tls;

pub use client::PlivoClient;
pub use config::{ClientConfig, ClientError};
pub use credentials::{AuthId, AuthToken, Credentials, CredentialsError};
pub use lookup::{Found, LookupError, MessageFilter};
pub use outcome::{
    InDoubt, InDoubtKind, NotSent, NotSentKind, Outcome, Receipt, Refused, RefusedKind,
};
pub use outgoing::{Dlt, Log, Outgoing};
