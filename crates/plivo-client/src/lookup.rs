//! What Plivo knows of messages that were sent, and whether it answers at all.

use std::time::Duration;

use jiff::Timestamp as Instant;
use message::{E164, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::client::read;
use crate::{Credentials, NotSentKind, PlivoClient, answer, failure, hidden, member};

/// Entries of a page; also Plivo's most ("Messages").
const PAGE: u32 = 20;

/// One message as Plivo shows it. `Debug` hides the numbers. A member of another shape than Plivo documents is as one that
/// is missing; the id alone must be there.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Plivo's id.
    pub message_uuid: String,
    /// The recipient, as Plivo writes it: usually digits without a plus.
    #[serde(default, deserialize_with = "member::word")]
    pub to_number: String,
    /// The sender, likewise.
    #[serde(default, deserialize_with = "member::word")]
    pub from_number: String,
    /// Plivo's word, such as `queued`, `sent` or `delivered`.
    #[serde(default, deserialize_with = "member::word")]
    pub message_state: String,
    /// `sms`, `mms` or `whatsapp`.
    #[serde(default, deserialize_with = "member::word")]
    pub message_type: String,
    /// Segments.
    #[serde(default, deserialize_with = "member::count")]
    pub units: Option<u32>,
    /// Plivo's code as it is written (`000` is none); see "error codes" in Plivo's documentation.
    #[serde(default, deserialize_with = "member::code")]
    pub error_code: Option<String>,
    /// The pool, where one was used.
    #[serde(default, deserialize_with = "member::word")]
    pub powerpack_id: String,
}

/// Which messages to list. Everything that is given must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageFilter<'a> {
    /// The recipient.
    pub to: Option<&'a E164>,
    /// The sender's number, code or name.
    pub from: Option<&'a str>,
    /// The pool.
    pub pool: Option<&'a str>,
    /// Taken by Plivo at this instant or later.
    pub since: Option<Timestamp>,
    /// How many to skip, newest first.
    pub offset: u32,
}

/// Why Plivo could not be asked. Asking again harms nothing.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// There was no connection.
    #[error("Plivo could not be reached ({})", kind.as_str())]
    Unreachable {
        /// Where it failed.
        kind: NotSentKind,
        /// The failure.
        #[source]
        source: reqwest::Error,
    },
    /// There was no answer, or not in time.
    #[error("Plivo did not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The answer was another than 200.
    #[error("Plivo answered {status}")]
    Status {
        /// The status; 401 means wrong credentials.
        status: u16,
        /// Plivo's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The answer was not what Plivo documents.
    #[error("Plivo's answer cannot be read")]
    Unreadable,
}

#[derive(Deserialize)]
pub(crate) struct ListBody {
    pub(crate) objects: Vec<Found>,
}

impl PlivoClient {
    /// What Plivo knows of one message; `None` where it knows none of this id.
    ///
    /// # Errors
    ///
    /// If Plivo could not be asked.
    pub async fn get_message(
        &self,
        credentials: &Credentials,
        message_uuid: &str,
        timeout: Duration,
    ) -> Result<Option<Found>, LookupError> {
        let url = self.url(credentials, &["Message", message_uuid, ""]);
        match self.ask::<Found>(credentials, url, timeout).await {
            Err(LookupError::Status { status: 404, .. }) => Ok(None),
            found => found?.sound(credentials, None).map(Some),
        }
    }

    /// At most twenty of the messages that `filter` describes, newest first.
    ///
    /// # Errors
    ///
    /// If Plivo could not be asked.
    pub async fn list_messages(
        &self,
        credentials: &Credentials,
        filter: MessageFilter<'_>,
        timeout: Duration,
    ) -> Result<Vec<Found>, LookupError> {
        let mut url = self.url(credentials, &["Message", ""]);
        filter.write(&mut url);
        let body: ListBody = self.ask(credentials, url, timeout).await?;
        // All or none: one that is left out would seem not to be there.
        body.objects.into_iter().map(|found| found.sound(credentials, filter.to)).collect()
    }

    /// Whether Plivo answers and knows the credentials: reads the account, and changes nothing. Asked a second time where
    /// the connection ended without an answer: one that was kept may have been closed at the other end just then, which
    /// says nothing of Plivo.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn probe(
        &self,
        credentials: &Credentials,
        timeout: Duration,
    ) -> Result<(), LookupError> {
        let url = self.url(credentials, &[""]);
        let ask = || self.ask::<serde::de::IgnoredAny>(credentials, url.clone(), timeout);
        let answered = match ask().await {
            Err(LookupError::NoAnswer(err)) if !err.is_timeout() => ask().await,
            answered => answered,
        };
        answered.map(|_| ())
    }

    /// Whether the account has this number, rented or brought along (Plivo, "Account phone number"); changes nothing.
    ///
    /// # Errors
    ///
    /// If Plivo could not be asked.
    pub async fn has_number(
        &self,
        credentials: &Credentials,
        number: &E164,
        timeout: Duration,
    ) -> Result<bool, LookupError> {
        let url = self.url(credentials, &["Number", number.digits(), ""]);
        match self.ask::<serde::de::IgnoredAny>(credentials, url, timeout).await {
            Err(LookupError::Status { status: 404, .. }) => Ok(false),
            found => found.map(|_| true),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        url: Url,
        timeout: Duration,
    ) -> Result<T, LookupError> {
        let response = self.get(credentials, url, timeout).send().await.map_err(no_answer)?;
        self.clock.hear(response.headers());
        let status = response.status().as_u16();
        if status != 200 {
            let retry_after = answer::retry_after(response.headers());
            return Err(LookupError::Status { status, retry_after });
        }
        let body = read(response).await.ok_or(LookupError::Unreadable)?;
        serde_json::from_slice(&body).map_err(|_| LookupError::Unreadable)
    }
}

impl Found {
    /// The same, where it may be kept as it came: its id is one, and no word repeats what was said to Plivo.
    pub(crate) fn sound(
        self,
        credentials: &Credentials,
        to: Option<&E164>,
    ) -> Result<Self, LookupError> {
        let is_fit = |word: &String| is_plain(word) && !hidden::repeats(word, credentials, to);
        let words = [&self.message_uuid, &self.message_state, &self.message_type].into_iter();
        let are_fit = words.chain(&self.error_code).chain([&self.powerpack_id]).all(is_fit);
        match are_fit && answer::is_id(&self.message_uuid) {
            true => Ok(self),
            false => Err(LookupError::Unreadable),
        }
    }
}

/// Words are kept, shown and put in logs.
fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.'))
}

impl MessageFilter<'_> {
    fn write(&self, url: &mut Url) {
        let mut query = url.query_pairs_mut();
        query.append_pair("limit", &PAGE.to_string());
        query.append_pair("offset", &self.offset.to_string());
        if let Some(to) = self.to {
            query.append_pair("to_number", to.digits());
        }
        if let Some(from) = self.from {
            query.append_pair("from_number", from.trim_start_matches('+'));
        }
        if let Some(pool) = self.pool {
            query.append_pair("powerpack_id", pool);
        }
        if let Some(since) = self.since.and_then(shown) {
            query.append_pair("message_time__gte", &since);
        }
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found")
            .field("message_uuid", &self.message_uuid)
            .field("message_state", &self.message_state)
            .field("message_type", &self.message_type)
            .field("units", &self.units)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

/// Plivo's form of an instant in a filter, in UTC; `None` beyond the year 9999.
fn shown(instant: Timestamp) -> Option<String> {
    let instant = Instant::from_millisecond(i64::try_from(instant.0).ok()?).ok()?;
    Some(instant.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

fn no_answer(err: reqwest::Error) -> LookupError {
    let err = err.without_url();
    if err.is_connect() {
        return LookupError::Unreachable { kind: failure::not_sent(&err), source: err };
    }
    LookupError::NoAnswer(err)
}
