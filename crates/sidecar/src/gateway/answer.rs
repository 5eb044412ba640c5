//! Answers as each door's clients know them.

mod native;
mod plivo;
mod problem;
mod seed;
mod words;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use message::{Change, E164, Kind, MessageId, Note, Segments};
use serde_json::Value;
use store::Status;
use uuid::Uuid;

use self::words::Words;
use super::faults::Faults;
use super::limits::Bound;
use super::order::Order;
use super::refusal::{Plain, Refusal};
use super::submission::Recipient;
use super::{json, problems};

pub(crate) use self::native::{change_json, segments_json, warning_json};
pub(super) use self::plivo::told as said_as_plivo;
pub(crate) use self::problem::{document as problem, problem_type};

/// The largest integer of a structured field (RFC 9651 section 3.3.1).
const MOST: u64 = 999_999_999_999_999;

/// Which form a request came in, and so which form its answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `POST /v1/messages` and everything beside it.
    Native,
    /// `POST /mms/send`, the seed's form.
    Seed,
    /// `/v1/Account/{auth_id}/Message/`, Plivo's form.
    Plivo,
}

/// A message that is owned now.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) id: MessageId,
    pub(crate) to: E164,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) message_uuid: Option<String>,
    pub(crate) segments: Segments,
    pub(crate) warnings: Vec<Note>,
    pub(crate) changes: Vec<Change>,
    pub(crate) standings: Vec<Bound>,
}

/// What became of one recipient's message.
pub(crate) struct Verdict {
    pub(crate) to: Recipient,
    pub(crate) outcome: Result<Owned, Refusal>,
}

/// A whole answer, fit to be kept and given again.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Owned {
    /// What the app is told of it where a form has no place for changes apart: remarks, then what was changed; each by
    /// its code, with a sentence.
    fn remarks(&self) -> impl Iterator<Item = (&str, &str)> {
        let remarked = self.warnings.iter().map(|note| (&*note.key, &*note.value));
        remarked.chain(self.changes.iter().map(|change| (&*change.code, &*change.detail)))
    }

    /// The answer's word for its status: until Plivo has spoken every state of ours is `queued`; the record tells more.
    pub(crate) fn word(&self) -> &'static str {
        match self.status {
            Status::Accepted | Status::Waiting | Status::Sending | Status::RetryWait => "queued",
            known => known.as_str(),
        }
    }
}

impl Verdict {
    /// Whether a repetition is to be told the same: a message is ours, or Plivo's no to it is for good. Where nothing
    /// was sent and asking again may help, it is asked afresh.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        match &self.outcome {
            Ok(_) => true,
            Err(refusal @ Refusal::Upstream { .. }) => refusal.retry_after().is_none(),
            Err(_) => false,
        }
    }
}

impl Door {
    /// The contract's word for this door.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Native => "messages",
            Self::Seed => "mms-send",
            Self::Plivo => "plivo",
        }
    }

    /// The door of this word; where it is none's, that of most.
    pub(crate) fn from_word(word: &str) -> Self {
        let all = [Self::Native, Self::Seed, Self::Plivo];
        all.into_iter().find(|door| door.as_str() == word).unwrap_or(Self::Native)
    }

    /// What a body in this door's form asks for.
    ///
    /// # Errors
    ///
    /// Where it is not JSON, or not an object; faults of its members stay in the order.
    pub(crate) fn read(self, bytes: &[u8]) -> Result<Order, Faults> {
        let body = json::read(bytes)?;
        match self {
            Self::Native => Order::native(body),
            Self::Seed => Order::seed(body),
            Self::Plivo => Order::plivo(body),
        }
    }

    /// The answer to a request whose every recipient has a verdict.
    pub(crate) fn answer(self, verdicts: &[Verdict], many: bool) -> Answer {
        match (self, verdicts) {
            (_, [Verdict { outcome: Err(refusal), .. }]) if !many => self.refuse(refusal),
            (Self::Native, [Verdict { outcome: Ok(owned), .. }]) if !many => native::native(owned),
            (Self::Seed, [Verdict { outcome: Ok(owned), .. }]) if !many => seed::accepted(owned),
            (Self::Plivo, _) => plivo::answer(verdicts, many),
            _ => native::list(verdicts),
        }
    }

    /// The answer to a request that was refused whole.
    pub(crate) fn refuse(self, refusal: &Refusal) -> Answer {
        let mut answer = match self {
            Self::Native => Answer::problem(refusal),
            Self::Seed => Answer::json(refusal.status(), &seed::error(refusal)),
            Self::Plivo => Answer::json(plivo::status(refusal), &plivo::error(refusal)),
        };
        answer.describe(refusal);
        answer
    }
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers: vec![content_type], body: body.to_string().into() }
    }

    /// A document of JSON that never changes.
    pub(crate) fn document(text: &'static str) -> Self {
        let mut answer = Self::json(StatusCode::OK, &Value::Null);
        answer.body = Bytes::from_static(text.as_bytes());
        answer
    }

    /// The native door's answer to a request that was refused whole, with when it could go.
    pub(crate) fn refused_until(refusal: &Refusal, when: Value) -> Self {
        let mut body = problem::document(refusal);
        body["when"] = when;
        let mut answer = Self::of_problem(refusal, &body);
        answer.describe(refusal);
        answer
    }

    /// A problem of RFC 9457.
    fn problem(refusal: &Refusal) -> Self {
        Self::of_problem(refusal, &problem::document(refusal))
    }

    fn of_problem(refusal: &Refusal, document: &Value) -> Self {
        let mut answer = Self::json(refusal.status(), document);
        answer.set(header::CONTENT_TYPE, "application/problem+json");
        if problems::is_told(refusal.code()) {
            answer.set(header::LINK, format!("</problems/{}>; rel=\"help\"", refusal.code()));
        }
        answer
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: impl TryInto<HeaderValue>) {
        if let Ok(value) = value.try_into() {
            self.headers.retain(|(known, _)| *known != name);
            self.headers.push((name, value));
        }
    }

    /// Says which preferences were kept (RFC 7240 section 3), where any were.
    pub(crate) fn with_applied(mut self, preferences: String) -> Self {
        if !preferences.is_empty() {
            self.set(HeaderName::from_static("preference-applied"), preferences);
        }
        self
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }

    /// Headers that a refusal's status asks for.
    fn describe(&mut self, refusal: &Refusal) {
        if let Some(wait) = refusal.retry_after() {
            // Rounded up, and never 0: some clients send again at once on 0.
            self.set(header::RETRY_AFTER, whole_seconds(wait).max(1).to_string());
        }
        match refusal {
            Refusal::Rejected { standings, .. } | Refusal::TurnAfterDeadline { standings, .. } => {
                self.limits(standings);
            }
            Refusal::Plain(
                Plain::AuthMissing | Plain::AuthInvalid | Plain::AuthTwice | Plain::OtherAccount,
            ) => {
                self.set(header::WWW_AUTHENTICATE, "Bearer, Basic realm=\"sendgate\"");
            }
            Refusal::Plain(Plain::MethodNotAllowed(allow)) => self.set(header::ALLOW, *allow),
            Refusal::Plain(Plain::TooLarge(_) | Plain::TooSlow | Plain::Incomplete) => {
                self.set(header::CONNECTION, "close");
            }
            _ => {}
        }
    }

    /// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.
    fn limits(&mut self, standings: &[Bound]) {
        if standings.is_empty() {
            return;
        }
        let name = |bound: &Bound| bound.report.limit.replace(['"', '\\'], "");
        let policy = |bound: &Bound| {
            let report = &bound.report;
            let unit = bound.unit.map(|unit| format!(";qu=\"{unit}\"")).unwrap_or_default();
            let period = report
                .period()
                .map(|per| format!(";w={}", whole_seconds(per).min(MOST)))
                .unwrap_or_default();
            format!("\"{}\";q={}{unit}{period}", name(bound), report.quota())
        };
        // Of what is not known nothing can be said there: the draft has no limit without `r`.
        let rate = |bound: &Bound| {
            let left = bound.report.remaining?;
            let reset = whole_seconds(bound.report.reset);
            Some(format!("\"{}\";r={left};t={reset}", name(bound)))
        };
        let policies: Vec<String> = standings.iter().map(policy).collect();
        let rates: Vec<String> = standings.iter().filter_map(rate).collect();
        self.set(HeaderName::from_static("ratelimit-policy"), policies.join(", "));
        if !rates.is_empty() {
            self.set(HeaderName::from_static("ratelimit"), rates.join(", "));
        }
    }
}

/// An id of the answer itself, as each of Plivo's has one.
pub(crate) fn api_id() -> String {
    Uuid::new_v4().to_string()
}

/// Whole seconds, rounded up, so that nobody comes too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
