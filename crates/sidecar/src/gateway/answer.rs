//! Answers as each door's clients know them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use message::{Change, E164, Fault, Kind, MessageId, Note, Segments};
use policy_host::LimitReport;
use serde_json::{Value, json};
use store::Status;
use uuid::Uuid;

use super::json;
use super::order::Order;
use super::refusal::{Plain, Refusal};

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
    pub(crate) standings: Vec<LimitReport>,
}

/// What became of one recipient's message.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The recipient, as far as it could be read.
    pub(crate) to: Option<E164>,
    pub(crate) outcome: Result<Owned, Refusal>,
}

/// A whole answer, fit to be kept and given again.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Verdict {
    /// The message that is ours, whatever Plivo said of it.
    pub(crate) fn message_id(&self) -> Option<&MessageId> {
        match &self.outcome {
            Ok(owned) => Some(&owned.id),
            Err(Refusal::Upstream { id, .. }) => Some(id),
            Err(_) => None,
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

    /// What a body in this door's form asks for.
    ///
    /// # Errors
    ///
    /// Where it is not JSON, or not an object; faults of its members stay in the order.
    pub(crate) fn read(self, bytes: &[u8]) -> Result<Order, Vec<Fault>> {
        let body = json::read(bytes)?;
        match self {
            Self::Native => Order::native(body),
            Self::Seed => Order::seed(body),
            Self::Plivo => Order::plivo(body),
        }
    }

    /// The answer to a request whose every recipient has a verdict.
    pub(crate) fn answer(self, mut verdicts: Vec<Verdict>, many: bool) -> Answer {
        let single = !many && verdicts.len() == 1;
        match (self, verdicts.pop()) {
            (_, Some(Verdict { outcome: Err(refusal), .. })) if single => self.refuse(&refusal),
            (Self::Native, Some(Verdict { outcome: Ok(owned), .. })) if single => native(&owned),
            (Self::Seed, Some(Verdict { outcome: Ok(owned), .. })) if single => seed(&owned),
            (_, last) => {
                verdicts.extend(last);
                if self == Self::Plivo { plivo(&verdicts) } else { list(&verdicts) }
            }
        }
    }

    /// The answer to a request that was refused whole.
    pub(crate) fn refuse(self, refusal: &Refusal) -> Answer {
        let mut answer = match self {
            Self::Native => Answer::problem(refusal),
            Self::Seed => Answer::json(refusal.status(), &seed_error(refusal)),
            Self::Plivo => Answer::json(plivo_status(refusal), &plivo_error(refusal)),
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

    /// A problem of RFC 9457.
    fn problem(refusal: &Refusal) -> Self {
        let mut answer = Self::json(refusal.status(), &problem(refusal));
        answer.set(header::CONTENT_TYPE, "application/problem+json");
        answer
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: impl TryInto<HeaderValue>) {
        if let Ok(value) = value.try_into() {
            self.headers.retain(|(known, _)| *known != name);
            self.headers.push((name, value));
        }
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
            Refusal::Rejected { standings, .. } => self.limits(standings),
            Refusal::Plain(Plain::AuthMissing | Plain::AuthInvalid) => {
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
    fn limits(&mut self, standings: &[LimitReport]) {
        if standings.is_empty() {
            return;
        }
        let name = |limit: &str| limit.replace(['"', '\\'], "");
        let policy = |s: &LimitReport| {
            let period =
                s.period().map(|per| format!(";w={}", whole_seconds(per))).unwrap_or_default();
            format!("\"{}\";q={}{period}", name(&s.limit), s.quota())
        };
        let rate = |s: &LimitReport| {
            format!("\"{}\";r={};t={}", name(&s.limit), s.remaining, whole_seconds(s.reset))
        };
        let join = |form: &dyn Fn(&LimitReport) -> String| {
            standings.iter().map(form).collect::<Vec<_>>().join(", ")
        };
        self.set(HeaderName::from_static("ratelimit-policy"), join(&policy));
        self.set(HeaderName::from_static("ratelimit"), join(&rate));
    }
}

fn native(owned: &Owned) -> Answer {
    let mut answer = Answer::json(StatusCode::ACCEPTED, &owned_json(owned));
    answer.set(header::LOCATION, format!("/v1/messages/{}", owned.id));
    answer.limits(&owned.standings);
    answer
}

fn owned_json(owned: &Owned) -> Value {
    let warnings =
        owned.warnings.iter().map(|note| json!({"code": note.key, "detail": note.value}));
    json!({
        "id": owned.id.0,
        "status": owned.status.as_str(),
        "message_uuid": owned.message_uuid,
        "type": owned.kind.as_str(),
        "segments": segments_json(&owned.segments),
        "warnings": warnings.collect::<Vec<_>>(),
        "transformations": owned.changes.iter().map(change_json).collect::<Vec<_>>(),
    })
}

pub(crate) fn segments_json(segments: &Segments) -> Value {
    json!({
        "count": segments.count,
        "encoding": segments.encoding.as_str(),
        "units": segments.units,
        "ucs2_offsets": segments.ucs2_offsets,
    })
}

pub(crate) fn change_json(change: &Change) -> Value {
    json!({"code": change.code, "policy": change.policy, "detail": change.detail})
}

/// Several recipients: 202 as soon as one message is owned, else the first refusal's status.
fn list(verdicts: &[Verdict]) -> Answer {
    let messages = verdicts.iter().map(|verdict| {
        let mut entry = match &verdict.outcome {
            Ok(owned) => owned_json(owned),
            Err(refusal) => json!({"status": "refused", "problem": problem(refusal)}),
        };
        entry["to"] = verdict.to.as_ref().map_or(Value::Null, |to| to.as_str().into());
        entry
    });
    let body = json!({"messages": messages.collect::<Vec<_>>()});
    let refused = verdicts.iter().find_map(|verdict| verdict.outcome.as_ref().err());
    let status = match refused {
        Some(refusal) if verdicts.iter().all(|verdict| verdict.outcome.is_err()) => {
            refusal.status()
        }
        _ => StatusCode::ACCEPTED,
    };
    let mut answer = Answer::json(status, &body);
    if let Some(Ok(owned)) =
        verdicts.iter().map(|verdict| verdict.outcome.as_ref()).rfind(Result::is_ok)
    {
        answer.limits(&owned.standings);
    }
    answer
}

fn seed(owned: &Owned) -> Answer {
    let uuid = owned.message_uuid.as_deref().unwrap_or(&owned.id.0);
    let body = json!({
        "statusCode": 202,
        "message": "MMS queued",
        "messageUuid": uuid,
        "id": owned.id.0,
        "status": owned.status.as_str(),
    });
    let mut answer = Answer::json(StatusCode::ACCEPTED, &body);
    answer.limits(&owned.standings);
    answer
}

/// The form of the seed's framework: every message in one list.
fn seed_error(refusal: &Refusal) -> Value {
    let messages = match refusal {
        Refusal::Malformed(faults) => faults
            .iter()
            .map(|f| format!("{} {}", f.pointer.trim_start_matches('/'), f.detail))
            .collect(),
        other => vec![other.detail()],
    };
    json!({
        "statusCode": refusal.status().as_u16(),
        "message": messages,
        "error": refusal.status().canonical_reason().unwrap_or("Error"),
        "code": refusal.code(),
    })
}

/// Plivo's 202: one UUID a message taken, the others as `invalid_number`; a refusal where none was taken.
fn plivo(verdicts: &[Verdict]) -> Answer {
    let taken: Vec<&str> = verdicts
        .iter()
        .filter_map(|verdict| verdict.outcome.as_ref().ok())
        .map(uuid_or_id)
        .collect();
    if taken.is_empty() {
        let refused = verdicts.iter().find_map(|verdict| verdict.outcome.as_ref().err());
        return refused.map_or_else(
            || Door::Plivo.refuse(&Plain::Internal.into()),
            |refusal| Door::Plivo.refuse(refusal),
        );
    }
    let mut body =
        json!({"api_id": api_id(), "message": "message(s) queued", "message_uuid": taken});
    let refused: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| verdict.outcome.is_err())
        .map(|verdict| verdict.to.as_ref().map_or("", E164::digits))
        .collect();
    if !refused.is_empty() {
        body["invalid_number"] = refused.into();
    }
    Answer::json(StatusCode::ACCEPTED, &body)
}

fn uuid_or_id(owned: &Owned) -> &str {
    owned.message_uuid.as_deref().unwrap_or(&owned.id.0)
}

/// The statuses whose text every official SDK hands on: 400, 401, 404, 405, 409, 422 (plivo-api.md 7.4).
fn plivo_status(refusal: &Refusal) -> StatusCode {
    match refusal.status().as_u16() {
        status @ (400 | 401 | 404 | 405 | 409 | 422) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
        }
        403 => StatusCode::UNPROCESSABLE_ENTITY,
        429 | 503 => StatusCode::CONFLICT,
        500 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn plivo_error(refusal: &Refusal) -> Value {
    if matches!(refusal, Refusal::Plain(Plain::AuthMissing | Plain::AuthInvalid)) {
        return json!({"error": "authentication credentials were not provided"});
    }
    let error = match refusal {
        Refusal::Malformed(faults) => {
            let faults = faults.iter().map(|f| {
                format!("{} {} ({})", f.pointer.trim_start_matches('/'), f.detail, f.code)
            });
            faults.collect::<Vec<_>>().join("; ")
        }
        other => format!("{} ({})", other.detail(), other.code()),
    };
    let mut body = json!({"api_id": api_id(), "error": error});
    if let Some(wait) = refusal.retry_after() {
        body["retry_after"] = whole_seconds(wait).max(1).into();
    }
    body
}

/// The problem document; `type` is a stable URN made of the code, or the registered type of rate limits.
pub(crate) fn problem(refusal: &Refusal) -> Value {
    let code = refusal.code();
    let status = refusal.status();
    let mut body = json!({
        "type": problem_type(code, status),
        "title": title(refusal),
        "status": status.as_u16(),
        "detail": refusal.detail(),
        "code": code,
    });
    match refusal {
        Refusal::Malformed(faults) => body["errors"] = errors(faults),
        Refusal::Rejected { policy, rejection, .. } => {
            body["policy"] = json!({"name": policy, "code": code});
            body["errors"] = errors(&rejection.faults);
            if status == StatusCode::TOO_MANY_REQUESTS {
                let limits = rejection.faults.iter().map(|fault| fault.code.clone());
                body["violated-policies"] = limits.collect::<Vec<_>>().into();
            }
            if let Some(earlier) = &rejection.earlier {
                body["earlier"] = earlier.0.to_string().into();
            }
        }
        Refusal::PolicyFailed { policy, failure } => {
            body["policy"] = json!({"name": policy, "failure": failure.as_str()});
        }
        Refusal::Upstream { id, .. } => {
            body["instance"] = format!("/v1/messages/{id}").into();
            body["id"] = id.0.to_string().into();
        }
        Refusal::Plain(Plain::KeyMismatch(fields)) => {
            body["errors"] = fields
                .iter()
                .map(|field| json!({"pointer": format!("/{field}"), "code": code}))
                .collect();
        }
        Refusal::Plain(_) => {}
    }
    if let Some(wait) = refusal.retry_after() {
        body["retry_after_s"] = whole_seconds(wait).max(1).into();
    }
    body
}

fn errors(faults: &[Fault]) -> Value {
    faults
        .iter()
        .map(|f| json!({"pointer": f.pointer, "code": f.code, "detail": f.detail}))
        .collect()
}

fn problem_type(code: &str, status: StatusCode) -> String {
    match status {
        StatusCode::TOO_MANY_REQUESTS
            if code.starts_with("throttle.") || code.starts_with("budget.") =>
        {
            "https://iana.org/assignments/http-problem-types#quota-exceeded".into()
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "https://iana.org/assignments/http-problem-types#abnormal-usage-detected".into()
        }
        StatusCode::SERVICE_UNAVAILABLE if code.starts_with("spool.") => {
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".into()
        }
        _ => format!("urn:sendgate:problem:{code}"),
    }
}

fn title(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed(_) => "The request is malformed",
        Refusal::Rejected { .. } => "A policy refused the message",
        Refusal::PolicyFailed { .. } => "A policy could not decide",
        Refusal::Upstream { .. } => "Plivo refused the message",
        Refusal::Plain(plain) => match plain {
            Plain::AuthMissing | Plain::AuthInvalid => "The app is not known",
            Plain::BadHost | Plain::BadOrigin => "The request comes from the wrong place",
            Plain::KeyInProgress
            | Plain::KeyMismatch(_)
            | Plain::BadKey(_)
            | Plain::KeyRequired => "The Idempotency-Key does not fit",
            Plain::Full | Plain::Draining => "Nothing is accepted just now",
            _ => "The request cannot be served",
        },
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
