use message::facts::Facts;
use message::{E164, Fault, Message, Note, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Expect, Noted};

/// One case, with everything that it leaves out filled in.
#[derive(Clone, Debug)]
pub struct Case {
    /// A sentence.
    pub name: String,
    /// The line of the file on which it begins, counted from 1.
    pub line: usize,
    /// The policy's settings.
    pub settings: Value,
    /// The words of its grants; all where absent.
    pub grants: Option<Vec<String>>,
    /// What the state holds before the first step.
    pub state: Vec<State>,
    /// The clock before the first step.
    pub now: Timestamp,
    /// Where the settings do not fit, as JSON pointers; there are no steps then.
    pub problems: Option<Vec<String>>,
    /// In order.
    pub steps: Vec<Step>,
}

/// One question, or one thing that the policy is told.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands in its case, counted from 1; steps that one `times` made have one number.
    pub number: usize,
    /// The clock.
    pub now: Timestamp,
    /// The app that asked.
    pub app: String,
    /// The door it came through.
    pub door: &'static str,
    /// Settings that hold from this step on.
    pub settings: Option<Value>,
    /// What happens.
    pub act: Act,
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub enum Act {
    /// The policy is asked.
    Ask {
        /// About this message.
        message: Box<Message>,
        /// With these facts.
        facts: Box<Facts>,
        /// Whether the state is only looked at.
        dry_run: bool,
        /// Whether the message was sent, where it passed; what was taken for it is given back otherwise.
        sent: bool,
        /// What it should say.
        expect: Box<Expect>,
    },
    /// The policy is told what became of a send.
    Outcome {
        /// The message.
        id: String,
        /// The contract's word.
        outcome: String,
    },
    /// The policy is told of a delivery report.
    Report {
        /// The message.
        id: String,
        /// Plivo's word, such as `delivered`.
        state: String,
        /// Plivo's code, or nothing.
        error_code: String,
    },
    /// The policy is told in full what became of a message.
    Receipt(Box<Receipt>),
    /// The policy is told of a message from a handset.
    Inbound(Box<Inbound>),
}

/// What became of a message, in full.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The message, as it was asked about.
    pub message: Message,
    /// Plivo's word, such as `delivered`; or `converted`.
    pub state: String,
    /// Plivo's code, or nothing.
    pub error_code: String,
    /// Parts that it was sent in.
    pub units: Option<u32>,
    /// Price of one part, in Plivo's words.
    pub total_rate: String,
}

/// A message from a handset.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Its id.
    pub id: String,
    /// The handset.
    pub sender: E164,
    /// What it was sent to, or nothing.
    pub to: String,
    /// What it says.
    pub text: String,
    /// What the policy should make of it.
    pub expect: Noted,
}

/// One entry of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its key.
    pub key: String,
    /// What is kept under it.
    pub kept: Kept,
    /// How long, in milliseconds from the case's `now`.
    pub ttl_ms: u64,
}

/// What is kept under a key of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Bytes.
    Value(Vec<u8>),
    /// A counter.
    Sum(i64),
    /// A reservation of this message.
    HeldBy(String),
}

/// A verdict's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The message may go on as it is.
    Accept,
    /// It may go on with changes.
    Amend,
    /// It is refused.
    Reject,
    /// The policy could not decide, or was found not to.
    Failure,
}

/// What a policy said, however it was asked.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its verdict.
    pub verdict: Verdict,
    /// A refusal's code, or a failure's kind, such as `undecided` or `deadline`.
    pub code: Option<String>,
    /// The sentence with it.
    pub detail: Option<String>,
    /// When asking again can help.
    pub retry_after_ms: Option<u64>,
    /// The earlier message that this one repeats.
    pub earlier: Option<String>,
    /// Every fault found.
    pub faults: Vec<Fault>,
    /// The codes of its changes.
    pub changes: Vec<String>,
    /// The message as it goes on.
    pub message: Message,
    /// Its remarks; whose they are does not count.
    pub notes: Vec<Note>,
}

impl Case {
    /// Whether some step expects what only the host can find: that the policy ran out of a limit, or trapped.
    pub fn needs_host(&self) -> bool {
        const NATIVE: [&str; 3] = ["undecided", "bad_answer", "illegal_amend"];
        self.steps.iter().any(|step| match &step.act {
            Act::Ask { expect, .. } => {
                let code = expect.code.as_deref().unwrap_or_default();
                expect.verdict == Verdict::Failure && !NATIVE.contains(&code)
            }
            _ => false,
        })
    }

    /// Whether some step expects a change of the message, and whether one expects another recipient.
    pub fn amends(&self) -> (bool, bool) {
        let expected = self.steps.iter().filter_map(|step| match &step.act {
            Act::Ask { expect, .. } if expect.verdict == Verdict::Amend => Some(expect),
            _ => None,
        });
        expected.fold((false, false), |(_, recipient), expect| {
            (true, recipient || expect.message.contains_key("to"))
        })
    }
}

impl Verdict {
    /// The format's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Amend => "amend",
            Self::Reject => "reject",
            Self::Failure => "failure",
        }
    }
}
