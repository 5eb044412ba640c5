use std::time::Duration;

use crate::{Fault, MessageId};

/// A policy's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable dotted code, such as `country.not_allowed`; it decides the status of the answer.
    pub code: String,
    /// A sentence for people, without numbers or the text of the message.
    pub detail: String,
    /// Every fault found, where the refusal has parts.
    pub faults: Vec<Fault>,
    /// When asking again can help, counted from the decision.
    pub retry_after: Option<Duration>,
    /// The earlier message that this one repeats.
    pub earlier: Option<MessageId>,
}

/// A change that a policy made, as the app is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The policy's name.
    pub policy: String,
    /// Stable dotted code, such as `mms.downgraded`.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// A policy's remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The policy's name.
    pub policy: String,
    /// Dotted lower-case key.
    pub key: String,
    /// What it says; no numbers, no text of the message.
    pub value: String,
    /// Whether the app sees it, as a warning.
    pub shown: bool,
}
