//! One message that the simulator took.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

/// A message really queued: what Plivo would send, and bill.
///
/// `Debug` hides the middle of numbers, and the text.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Its UUID, as the 202 gave it.
    pub message_uuid: String,
    /// The `api_id` of the request that queued it.
    pub api_id: String,
    /// The auth id of the account that sent it.
    pub auth_id: String,
    /// `src` without the characters that Plivo removes, or empty with a pool.
    pub src: String,
    /// `powerpack_uuid`, or empty.
    pub powerpack_uuid: String,
    /// One recipient: digits only, as Plivo reports it.
    pub dst: String,
    /// The text, or empty.
    pub text: String,
    /// `sms`, `mms` or `whatsapp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Media by URL.
    pub media_urls: Vec<String>,
    /// Media uploaded before.
    pub media_ids: Vec<String>,
    /// Where delivery reports go.
    pub url: Option<String>,
    /// `GET` or `POST`.
    pub method: String,
    /// Seconds, where they were given.
    pub message_expiry: Option<u32>,
    /// `true`, `false`, `content_only` or `number_only`.
    pub log: String,
    /// Whether conversion feedback will follow.
    pub trackable: bool,
    /// What India's regulator is told of the business.
    pub dlt_entity_id: Option<String>,
    /// And of the text.
    pub dlt_template_id: Option<String>,
    /// Plivo's word for its kind.
    pub dlt_template_category: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Plivo's code of the last report; `000` without an error.
    pub error_code: Option<String>,
    /// How many reports it has had.
    pub sequence: u32,
    /// Segments.
    pub units: usize,
    /// The connection that brought it.
    pub connection: u64,
    /// When it was queued.
    #[serde(skip)]
    pub queued_at: Timestamp,
    /// When it came to its state.
    #[serde(skip)]
    pub moved_at: Timestamp,
}

/// Plivo's states of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Plivo took it.
    Queued,
    /// The carrier has it.
    Sent,
    /// The carrier says that the handset has it.
    Delivered,
    /// The carrier says that it could not.
    Undelivered,
    /// Stopped at Plivo, before any carrier.
    Failed,
    /// An old word, which only lists are asked for.
    Rejected,
    /// The handset showed it; WhatsApp only.
    Read,
    /// It came from a handset.
    Received,
}

impl State {
    const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Rejected,
        Self::Read,
        Self::Received,
    ];

    /// Reads Plivo's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Plivo's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Read => "read",
            Self::Received => "received",
        }
    }
}

impl Queued {
    /// What `GET …/Message/{uuid}/` shows, but for `api_id`.
    pub(crate) fn details(&self) -> Value {
        let auth_id = &self.auth_id;
        let rate = self.rate();
        json!({
            "message_uuid": self.message_uuid,
            "resource_uri": format!("/v1/Account/{auth_id}/Message/{}/", self.message_uuid),
            "from_number": self.src,
            "to_number": self.dst,
            "message_direction": "outbound",
            "message_state": self.state.as_str(),
            "message_type": self.kind,
            "message_time": shown(self.queued_at),
            "units": self.units,
            "total_rate": amount(rate),
            "total_amount": amount(rate * self.units),
            "carrier_fees": amount(0),
            "carrier_fees_rate": amount(0),
            "error_code": self.error_code,
            "error_message": Value::Null,
            "powerpack_id": Some(&self.powerpack_uuid).filter(|id| !id.is_empty()),
            "requester_ip": "127.0.0.1",
            "is_domestic": Value::Null,
            "destination_country_iso2": Value::Null,
            "destination_network": Value::Null,
            "mcc": Value::Null,
            "mnc": Value::Null,
            "log": self.log,
            "dlt_entity_id": self.dlt_entity_id,
            "dlt_template_id": self.dlt_template_id,
            "dlt_template_category": self.dlt_template_category,
        })
    }

    /// The parameters of a delivery report on where it stands now (Plivo, "Message Status Callbacks").
    pub(crate) fn report(&self) -> Vec<(String, String)> {
        let rate = self.rate();
        let time = |known: bool| {
            let format = "%Y-%m-%d %H:%M:%S%.6f";
            if known { self.moved_at.strftime(format).to_string() } else { String::new() }
        };
        let sent = !matches!(self.state, State::Queued | State::Failed);
        [
            ("MessageUUID", self.message_uuid.clone()),
            ("ParentMessageUUID", self.message_uuid.clone()),
            ("PartInfo", "1 of 1".to_owned()),
            ("From", self.src.clone()),
            ("To", self.dst.clone()),
            ("Type", self.kind.clone()),
            ("Status", self.state.as_str().to_owned()),
            ("Sequence", self.sequence.to_string()),
            ("Units", self.units.to_string()),
            ("TotalRate", amount(rate)),
            ("TotalAmount", amount(rate * self.units)),
            ("MCC", "310".to_owned()),
            ("MNC", "260".to_owned()),
            ("ErrorCode", self.error_code.clone().unwrap_or_default()),
            ("MessageTime", self.queued_at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()),
            ("QueuedTime", self.queued_at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()),
            ("SentTime", time(sent)),
            ("DeliveryReportTime", time(sent && self.state != State::Sent)),
            ("requester_ip", "127.0.0.1".to_owned()),
            ("PowerpackUUID", self.powerpack_uuid.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// A made-up price a unit, in hundred-thousandths of a dollar.
    fn rate(&self) -> usize {
        if self.kind == "mms" { 1_800 } else { 500 }
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued")
            .field("message_uuid", &self.message_uuid)
            .field("src", &masked(&self.src))
            .field("dst", &masked(&self.dst))
            .field("text_bytes", &self.text.len())
            .field("kind", &self.kind)
            .field("media", &(self.media_urls.len() + self.media_ids.len()))
            .field("state", &self.state)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// Plivo's form of an instant in answers.
pub(crate) fn shown(instant: Timestamp) -> String {
    instant.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S%.6f%:z").to_string()
}

/// Five decimals.
fn amount(hundred_thousandths: usize) -> String {
    format!("{}.{:05}", hundred_thousandths / 100_000, hundred_thousandths % 100_000)
}

fn masked(number: &str) -> String {
    let shown: Vec<char> = number.chars().collect();
    if shown.len() < 8 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return number.to_owned();
    }
    let (head, tail) = (&shown[..3], &shown[shown.len() - 2..]);
    format!("{}•••{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}
