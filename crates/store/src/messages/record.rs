use std::fmt;
use std::time::Duration;

use message::{
    DEFAULT_ACCOUNT, E164, Kind, MediaUrl, Message, MessageId, Note, Pace, Segments, Sender,
    Timestamp,
};

use super::Status;

/// What is known of one accepted message.
///
/// `Debug` shows neither text nor whole numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Sendgate's own id.
    pub id: MessageId,
    /// The app that asked.
    pub app: String,
    /// The name of the account at Plivo that it was accepted under, and is sent with.
    pub account: String,
    /// The door it came through: `messages`, `mms-send` or `plivo`.
    pub door: String,
    /// The handset; none once it is kept as a hash, or not at all.
    pub to: Option<E164>,
    /// A keyed hash of the handset's number, where the operator has it kept so.
    pub to_hash: Option<String>,
    /// Who it comes from.
    pub sender: Sender,
    /// SMS or MMS, as it was cleared.
    pub kind: Kind,
    /// The text, where the operator has it kept.
    pub text: Option<String>,
    /// A keyed hash of the text, where the operator has it kept so.
    pub text_hash: Option<String>,
    /// Bytes of the text in UTF-8.
    pub text_bytes: usize,
    /// What the text costs.
    pub segments: Segments,
    /// Media by URL.
    pub media_urls: Vec<MediaUrl>,
    /// Media uploaded to Plivo before.
    pub media_ids: Vec<String>,
    /// The app's word for what it is.
    pub intent: String,
    /// The app's own labels.
    pub tags: Vec<(String, String)>,
    /// What the app asked Plivo to keep, in Plivo's word.
    pub plivo_log: Option<String>,
    /// Whether conversion feedback will follow.
    pub trackable: bool,
    /// What the app gave for India's regulator, as JSON of Plivo's members.
    pub plivo_dlt: Option<String>,
    /// The trace of the request that brought it.
    pub traceparent: Option<String>,
    /// Where its events go, where somebody is to be called.
    pub relay: Option<String>,
    /// The idempotency key of the request that brought it.
    pub idempotency_key: Option<String>,
    /// Where it is on its way.
    pub status: Status,
    /// Plivo's id of it, once known.
    pub message_uuid: Option<String>,
    /// The app was answered our id in the place of Plivo's, which was not known yet.
    pub own_id_told: bool,
    /// Why it failed: Sendgate's stable code, or Plivo's number from its delivery report.
    pub error_code: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When this record last changed.
    pub updated: Timestamp,
    /// Not to be sent before this instant.
    pub not_before: Option<Timestamp>,
    /// Not worth sending after this instant.
    pub deadline: Timestamp,
    /// The limits that are kept when it is sent.
    pub paces: Vec<Pace>,
    /// What the latest delivery report said of units and money.
    pub report: Option<ReportFacts>,
    /// Times that Plivo was asked what became of it.
    pub looks: u32,
    /// When Plivo is asked again.
    pub next_look: Option<Timestamp>,
    /// When it is tried again, while it waits for that.
    pub next_try: Option<Timestamp>,
    /// Every call to Plivo for it, in order.
    pub attempts: Vec<Attempt>,
    /// What each policy said, in order.
    pub decisions: Vec<Decision>,
}

/// What a delivery report says besides the state, in Plivo's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFacts {
    /// Plivo's word for the state.
    pub status: String,
    /// Parts it was sent in.
    pub units: Option<u32>,
    /// Price of one part, in US dollars.
    pub total_rate: Option<String>,
    /// Price of all parts.
    pub total_amount: Option<String>,
    /// Mobile country code.
    pub mcc: Option<String>,
    /// Mobile network code.
    pub mnc: Option<String>,
}

/// One call to Plivo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From one.
    pub number: u32,
    /// When it began.
    pub started: Timestamp,
    /// When its outcome was known; none while it is under way.
    pub ended: Option<Timestamp>,
    /// What it meant.
    pub outcome: Option<AttemptOutcome>,
    /// Plivo's HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// Stable code of what went wrong, where something did.
    pub code: Option<String>,
    /// A mark of the account at Plivo that was called: only there can the message be.
    pub account: Option<String>,
    /// What Plivo's own clock showed when it began, or a little less; none where that was not known.
    pub plivo_time: Option<Timestamp>,
    /// When the message was sent on its way again although this call may have sent it. [`Change::given_up`] alone
    /// writes it.
    ///
    /// [`Change::given_up`]: super::Change::given_up
    pub given_up: Option<Timestamp>,
}

/// What one call to Plivo meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// Plivo took the message.
    Accepted,
    /// Plivo refused it.
    Rejected,
    /// It certainly did not get there.
    NotSent,
    /// Nobody knows.
    InDoubt,
}

/// What one policy said of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The policy's name.
    pub policy: String,
    /// Its own version.
    pub version: String,
    /// Digest of its module.
    pub digest: String,
    /// `accept`, `amend`, `reject` or `failed`.
    pub verdict: String,
    /// Whether the verdict counted, or the policy only ran in the shadow.
    pub enforced: bool,
    /// Codes of its changes, its rejection or its failure.
    pub codes: Vec<String>,
    /// Its remarks.
    pub notes: Vec<Note>,
    /// How long it took.
    pub took: Duration,
}

impl Record {
    /// The record of a message accepted `now` under the default account; the text is left out, and there are no attempts or decisions yet.
    pub fn of(
        message: &Message,
        segments: Segments,
        app: &str,
        door: &str,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Self {
        Self {
            id: message.id.clone(),
            app: app.to_owned(),
            account: DEFAULT_ACCOUNT.to_owned(),
            door: door.to_owned(),
            to: Some(message.to.clone()),
            to_hash: None,
            sender: message.sender.clone(),
            kind: message.kind(),
            text: None,
            text_hash: None,
            text_bytes: message.text.len(),
            segments,
            media_urls: message.media_urls.clone(),
            media_ids: message.media_ids.clone(),
            intent: message.intent.clone(),
            tags: message.tags.clone(),
            plivo_log: None,
            trackable: false,
            plivo_dlt: None,
            traceparent: None,
            relay: None,
            idempotency_key: None,
            status: Status::Accepted,
            message_uuid: None,
            own_id_told: false,
            error_code: None,
            created: now,
            updated: now,
            not_before: message.not_before,
            deadline,
            paces: Vec::new(),
            report: None,
            looks: 0,
            next_look: None,
            next_try: None,
            attempts: Vec::new(),
            decisions: Vec::new(),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("app", &self.app)
            .field("to", &self.to)
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Rejected, Self::NotSent, Self::InDoubt];

    /// The outcome that `word` names; `None` where it names none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == word)
    }

    /// `accepted`, `rejected`, `not-sent` or `in-doubt`, as the policies' contract has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::NotSent => "not-sent",
            Self::InDoubt => "in-doubt",
        }
    }
}
