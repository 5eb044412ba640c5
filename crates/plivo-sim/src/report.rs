//! What a delivery report says, and how it is sent.

use serde::Deserialize;

use crate::{Callbacks, State};

/// Most copies of one report.
pub(crate) const MOST_COPIES: u32 = 10;

/// One report on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it says of the message.
    pub state: State,
    /// Plivo's code; without one, `000` where it was delivered or read.
    pub error_code: Option<String>,
    /// Its `Sequence`; the message's next where there is none. A report that is not the message's newest comes late,
    /// and moves nothing.
    pub sequence: Option<u32>,
    /// How it is sent.
    pub posting: Posting,
}

/// The reports on every message that is queued from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports {
    /// When they are sent.
    pub callbacks: Callbacks,
    /// The last state of a message that moves by itself.
    pub end: State,
    /// Plivo's code of that state.
    pub error_code: Option<String>,
    /// Whether they are kept until the message has come to its end, and sent last first.
    pub reversed: bool,
    /// How they are sent.
    pub posting: Posting,
}

/// How a report is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// How often, 1 to 10; all but the first are sent once, whatever the answer.
    pub copies: u32,
    /// How it is signed.
    pub signatures: Signatures,
    /// The nonce of each copy; a fresh one each time where there is none.
    pub nonce: Option<String>,
}

/// How a report is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signatures {
    /// By V2 and V3, as Plivo does.
    #[default]
    Both,
    /// By V2 alone.
    V2,
    /// By V3 alone.
    V3,
    /// By V2 and V3, with another key.
    Bad,
    /// Not at all.
    Absent,
}

impl Report {
    /// The usual report on a message that comes to `state`.
    pub fn of(state: State) -> Self {
        Self { state, error_code: None, sequence: None, posting: Posting::default() }
    }
}

impl Default for Posting {
    fn default() -> Self {
        Self { copies: 1, signatures: Signatures::Both, nonce: None }
    }
}

impl From<Callbacks> for Reports {
    fn from(callbacks: Callbacks) -> Self {
        Self {
            callbacks,
            end: State::Delivered,
            error_code: None,
            reversed: false,
            posting: Posting::default(),
        }
    }
}
