use std::fmt;
use std::time::Duration;

use message::{E164, Kind, MediaUrl, Message, MessageId, Note, Segments, Sender, Timestamp};

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
    /// The door it came through: `messages`, `mms-send` or `plivo`.
    pub door: String,
    /// The handset.
    pub to: E164,
    /// Who it comes from.
    pub sender: Sender,
    /// SMS or MMS, as it was cleared.
    pub kind: Kind,
    /// The text, where the operator has it kept.
    pub text: Option<String>,
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
    /// Where it is on its way.
    pub status: Status,
    /// Plivo's id of it, once known.
    pub message_uuid: Option<String>,
    /// Why it failed: Sendgate's stable code, or Plivo's number from its delivery report.
    pub error_code: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When this record last changed.
    pub updated: Timestamp,
    /// Not to be sent before this instant.
    pub not_before: Option<Timestamp>,
    /// Not worth sending after this instant.
    pub deadline: Option<Timestamp>,
    /// Every call to Plivo for it, in order.
    pub attempts: Vec<Attempt>,
    /// What each policy said, in order.
    pub decisions: Vec<Decision>,
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
    /// The record of a message accepted `now`; the text is left out, and there are no attempts or decisions yet.
    pub fn of(
        message: &Message,
        segments: Segments,
        app: &str,
        door: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            id: message.id.clone(),
            app: app.to_owned(),
            door: door.to_owned(),
            to: message.to.clone(),
            sender: message.sender.clone(),
            kind: message.kind(),
            text: None,
            text_bytes: message.text.len(),
            segments,
            media_urls: message.media_urls.clone(),
            media_ids: message.media_ids.clone(),
            intent: message.intent.clone(),
            tags: message.tags.clone(),
            status: Status::Accepted,
            message_uuid: None,
            error_code: None,
            created: now,
            updated: now,
            not_before: message.not_before,
            deadline: message.ttl_s.map(|ttl| now.after(Duration::from_secs(ttl.into()))),
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
