//! The vocabulary of Sendgate: a message, its number, sender, text and media, what is known of it, why it may be
//! refused, and what policies may remember.
//!
//! No I/O and no clock. Everything but `facts::survey`, `facts::number` and `MediaUrl::parse` (feature `facts`: they
//! need the numbering and URL tables) also builds for wasm32.

mod digits;
mod fault;
mod ledger;
mod media;
mod message;
mod number;
mod rejection;
mod sender;
mod text;
mod timestamp;

pub mod answer;
pub mod facts;
pub mod limits;

/// The account at Plivo of whoever names none.
pub const DEFAULT_ACCOUNT: &str = "default";

pub use digits::{has_number, without_grouped_numbers, without_number, without_numbers};
pub use fault::Fault;
pub use ledger::{
    Calendar, Charge, Foreseen, Foretold, Gcra, Hold, Holder, Ledger, LedgerError, LedgerFuture,
    LimitKind, LimitRefusal, Pace, Period, Reserved, Settlement, Standing, StateAnswer,
    StateQuestion, Taken, Window,
};
pub use media::MediaUrl;
pub use message::{Dedup, Kind, Message, MessageId, is_intent};
pub use number::E164;
pub use rejection::{Change, Note, Rejection};
pub use sender::Sender;
pub use text::{Encoding, Segments, smart_encoding};
pub use timestamp::Timestamp;
