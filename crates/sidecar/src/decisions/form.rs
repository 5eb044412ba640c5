//! The lines of a decision log: what is written, and what is read again. README, "Decision log", tells it to people.

use message::DEFAULT_ACCOUNT;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The form of the lines; another number is another form.
pub(crate) const FORM: u32 = 1;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The policies that the decisions below were made by. Stands before the first of them in every file, and may stand
    /// there again.
    Generation(Generation),
    Decision(Box<Record>),
    /// What was decided at a second look, before a late call, where that kept the message from it.
    SecondLook(Box<Record>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Generation {
    pub(crate) form: u32,
    /// Who wrote it.
    pub(crate) sendgate: String,
    pub(crate) generation: u64,
    /// `shape` or `full`, and `hash` or `full`, as configured.
    pub(crate) text: String,
    pub(crate) numbers: String,
    /// Tells the key of its hashes from others; absent where nothing is hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    pub(crate) policies: Vec<Policy>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    /// What its module calls itself.
    pub(crate) policy: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) mode: String,
    pub(crate) on_failure: String,
    pub(crate) grants: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) apps: Option<Vec<String>>,
    pub(crate) memory_bytes: u64,
    pub(crate) host_calls: u32,
    pub(crate) settings: Value,
    /// The candidate beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) candidate: Option<Candidate>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) digest: String,
    pub(crate) settings: Value,
}

/// One message's way through the policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) at_ms: u64,
    pub(crate) app: String,
    /// The account at Plivo, where it is not that of whoever names none.
    #[serde(default = "default_account", skip_serializing_if = "is_default_account")]
    pub(crate) account: String,
    pub(crate) door: String,
    pub(crate) generation: u64,
    pub(crate) end: End,
    /// Which inputs are not as the policies had them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_whole: Vec<String>,
    pub(crate) message: Message,
    pub(crate) facts: Facts,
    pub(crate) visits: Vec<Visit>,
    /// Whether its line is a second look's.
    #[serde(skip)]
    pub(crate) is_second_look: bool,
}

fn default_account() -> String {
    DEFAULT_ACCOUNT.to_owned()
}

fn is_default_account(account: &str) -> bool {
    account == DEFAULT_ACCOUNT
}

/// What became of the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    /// `accept`, `reject` or `failure`; at a second look also `amend`, where the message was put off.
    pub(crate) verdict: String,
    /// The policy that ended its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The instant that it was put off to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) from: String,
    /// `number`, `short-code`, `alphanumeric` or `pool`.
    pub(crate) from_kind: String,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) media_urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) media_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) intent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before_ms: Option<u64>,
    /// `off`, or the app's own key behind a `=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dedup: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) valid: bool,
    pub(crate) region: String,
    pub(crate) calling_code: u16,
    pub(crate) number_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zones: Vec<String>,
    pub(crate) encoding: String,
    pub(crate) units: u32,
    pub(crate) segments: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ucs2_offsets: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) media: Vec<Media>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown_fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) extension: String,
    pub(crate) host_class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probe: Option<Probe>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) content_type: String,
    #[serde(default)]
    pub(crate) bytes: Option<u64>,
}

/// One policy's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) policy: String,
    pub(crate) digest: String,
    pub(crate) mode: String,
    pub(crate) verdict: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) codes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<(String, String)>,
    /// Asked again, since a later policy had amended the message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) again: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<Call>,
    /// What it made of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amended: Option<(Message, Facts)>,
}

/// A call of `state` and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked {
    Get { key: String },
    Put { key: String, value: Bytes, ttl_ms: u64, if_absent: bool },
    Increment { key: String, delta: i64, ttl_ms: u64 },
    Reserve { key: String, ttl_ms: u64 },
    Take(Vec<Charge>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Value(Option<Bytes>),
    Put(bool),
    Sum(i64),
    Reserved,
    Held { by: String, until_ms: u64 },
    Taken(Vec<Standing>),
    Refused(Vec<Refusal>),
    Full,
    Invalid(String),
    Unavailable(String),
}

/// What stands under a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bytes {
    Text(String),
    Base64(String),
    /// A keyed hash: it may have held what this log must not.
    Hash(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) limit: String,
    pub(crate) key: String,
    pub(crate) kind: LimitKind,
    pub(crate) cost: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) queue: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitKind {
    Window { quota: u32, per_ms: u64 },
    Gcra { quota: u32, per_ms: u64, burst: u32 },
    Calendar { quota: u32, period: Period, zone: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Period {
    Day,
    Week,
    Month,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) limit: String,
    pub(crate) remaining: u32,
    pub(crate) reset_ms: u64,
    #[serde(default)]
    pub(crate) delay_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) limit: String,
    pub(crate) wait_ms: u64,
    #[serde(default)]
    pub(crate) never: bool,
}
