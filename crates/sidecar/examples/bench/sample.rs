//! Messages of which no two are alike.

use std::sync::Arc;
use std::time::Duration;

use message::facts::{self, Facts};
use message::{E164, Message, MessageId, Sender, Timestamp};
use policy_host::Candidate;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::Result;
use crate::connection::Heard;

/// What an app asks, request by request, and how each must be answered.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) token: &'static str,
    /// The body of the request of this number.
    pub(crate) body: fn(u64) -> Vec<u8>,
    pub(crate) is_well: fn(&Heard<'_>) -> bool,
}

/// The app of every program.
pub(crate) const APP: &str = "bench";
/// What it asks: sends, each of which must be answered with a 202 and a UUID of Plivo's.
pub(crate) const SENDS: Asking = Asking {
    token: "bench-token",
    body,
    is_well: |heard| {
        let uuid = ["\"message_uuid\":\"", "\"message_uuid\":["];
        heard.is("202") && uuid.iter().any(|named| heard.says(named))
    },
};
/// What every message comes from. It is in no area of [`AREAS`].
pub(crate) const SENDER: &str = "+16135550123";

/// What stands before a message's number, of ten digits.
const NUMBERED: &str = "Your order ";

/// Area codes of the United States.
const AREAS: [u64; 10] = [212, 310, 312, 415, 617, 702, 206, 303, 404, 512];

/// A request of the native door, as an app sends it.
#[derive(Deserialize)]
pub(crate) struct Request {
    to: String,
    text: String,
}

/// The body of the `nth` request: 160 bytes. The recipient repeats after 80 million, the text never.
fn body(nth: u64) -> Vec<u8> {
    addressed(nth, &text(nth))
}

/// The body of a request for `text` to the `nth` recipient.
pub(crate) fn addressed(nth: u64, text: &str) -> Vec<u8> {
    json!({ "to": recipient(nth), "text": text }).to_string().into_bytes()
}

/// The number of a message that [`SENDS`] asked for, found in the body of whatever request carries it.
pub(crate) fn number(body: &[u8]) -> Option<u64> {
    let at = body.windows(NUMBERED.len()).position(|words| words == NUMBERED.as_bytes())?;
    let digits = body.get(at + NUMBERED.len()..)?.get(..10)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// The `nth` message with its facts, asked about at one millisecond after the one before.
pub(crate) fn candidate(nth: u64) -> Result<Candidate> {
    let (message, facts) = Request { to: recipient(nth), text: text(nth) }.read()?;
    let now = Timestamp(1_780_000_000_000).after(Duration::from_millis(nth));
    let (app, account) = (Arc::from(APP), message::DEFAULT_ACCOUNT.into());
    Ok(Candidate { message, facts, app, account, door: "messages", now })
}

impl Request {
    /// The message asked for, and what can be found out about it.
    pub(crate) fn read(self) -> Result<(Message, Facts)> {
        let fault = |fault: message::Fault| fault.detail;
        let message = Message::plain(
            MessageId(Uuid::now_v7().to_string().into()),
            E164::parse(&self.to, "/to").map_err(fault)?,
            Sender::parse(SENDER, "/from").map_err(fault)?,
            self.text,
        );
        let facts = facts::survey(&message, Vec::new())
            .map_err(|faults| faults.into_iter().map(fault).collect::<Vec<_>>().join(", "))?;
        Ok((message, facts))
    }
}

fn recipient(nth: u64) -> String {
    let (area, rest) = (AREAS[(nth % 10) as usize], nth / 10);
    format!("+1{area}{}{:04}", 200 + rest / 10_000 % 800, rest % 10_000)
}

fn text(nth: u64) -> String {
    format!(
        "{NUMBERED}{nth:010} has left our store; it arrives tomorrow between nine and noon. Reply STOP to end."
    )
}
