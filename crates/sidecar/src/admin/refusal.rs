//! What is not told and not done, and why.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use policy_host::NotPromoted;
use serde_json::{Value, json};
use store::{Status, StoreError};

use super::dashboard::Part;
use super::route::PATHS;
use crate::gateway::{Plain, status_of};

/// Why the admin listener says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSuchPath,
    /// The methods that the path takes.
    Method(&'static str),
    /// Host or Origin name another place, or none.
    OtherPlace(Plain),
    Form,
    /// The body is too slow, too large or broken off.
    Body(Plain),
    NoTokenConfigured,
    TokenMissing,
    TokenInvalid,
    TokenTwice,
    /// Every fault of the query.
    Query(Vec<String>),
    NoSuchMessage,
    NoSuchPolicy,
    /// Neither the configuration nor an event that was given up has it.
    NoSuchApp,
    /// The policy has none.
    NoCandidate,
    /// Nor has it in the policies that a rollback, from one generation to those of another, has put into force.
    NoCandidateSince {
        from: u64,
        to: u64,
    },
    /// The candidate failed too often.
    Dropped(&'static str),
    /// The generations whose policies are kept.
    NotKept(Vec<u64>),
    /// Only what is in doubt or held is released.
    NotHeld(Status),
    /// Its time is over, or nearly.
    TooLate,
    /// A call to Plivo is out for it.
    UnderWay,
    /// Plivo has it, or its way has ended.
    Gone(Status),
    Store(StoreError),
    /// This policy could not take what it was told.
    PolicyFailed(String),
    /// Plivo calls nowhere.
    NoCallbacks,
    /// So many watch the dashboard already.
    #[cfg_attr(not(feature = "dashboard"), expect(dead_code, reason = "nobody can watch"))]
    Watched(usize),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath
            | Self::NoSuchMessage
            | Self::NoSuchPolicy
            | Self::NoSuchApp
            | Self::NoCandidate
            | Self::NoCandidateSince { .. }
            | Self::NoCallbacks => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoTokenConfigured => StatusCode::FORBIDDEN,
            Self::Form => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::OtherPlace(plain) | Self::Body(plain) => status_of(plain.code()),
            Self::TokenMissing | Self::TokenInvalid | Self::TokenTwice => StatusCode::UNAUTHORIZED,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Dropped(_)
            | Self::NotKept(_)
            | Self::NotHeld(_)
            | Self::TooLate
            | Self::UnderWay
            | Self::Gone(_) => StatusCode::CONFLICT,
            Self::Store(_) | Self::PolicyFailed(_) | Self::Watched(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({"code": self.code(), "error": self.sentence()});
        match self {
            Self::NoSuchPath => {
                body["paths"] = PATHS.iter().chain(Part::PATHS).copied().collect();
            }
            Self::NotKept(kept) => body["kept"] = json!(kept),
            Self::NotHeld(status) | Self::Gone(status) => {
                body["message_status"] = status.as_str().into();
            }
            _ => {}
        }
        body
    }

    /// Adds the headers that the status asks for.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        match self {
            Self::Method(allow) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::TokenMissing | Self::TokenInvalid | Self::TokenTwice => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of it may still be on its way.
            Self::Body(_) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::NoSuchPath => "http.not_found",
            Self::Method(_) => "http.method_not_allowed",
            Self::Form => "body.content_type",
            Self::OtherPlace(plain) | Self::Body(plain) => plain.code(),
            Self::NoTokenConfigured => "auth.not_configured",
            Self::TokenMissing => "auth.missing",
            Self::TokenInvalid | Self::TokenTwice => "auth.invalid",
            Self::Query(_) => "query.invalid",
            Self::NoSuchMessage => "message.not_found",
            Self::NoSuchPolicy => "policy.not_found",
            Self::NoSuchApp => "app.not_found",
            Self::NoCandidate | Self::NoCandidateSince { .. } => "policy.no_candidate",
            Self::Dropped(_) => "policy.candidate_dropped",
            Self::NotKept(_) => "generation.not_kept",
            Self::NotHeld(_) => "message.not_held",
            Self::TooLate => "message.too_late",
            Self::UnderWay => "message.under_way",
            Self::Gone(_) => "message.gone",
            Self::Store(_) => "spool.unavailable",
            Self::PolicyFailed(_) => "policy.module_failed",
            Self::NoCallbacks => "callbacks.not_configured",
            Self::Watched(_) => "dashboard.full",
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::NoSuchPath => "there is nothing at this path".into(),
            Self::Method(allow) => format!("this path takes {allow} only"),
            Self::Form => "send no body, or one of content type application/json".into(),
            Self::OtherPlace(plain) | Self::Body(plain) => plain.detail(),
            Self::NoTokenConfigured => {
                "this needs a token, and none is configured; set [listen] admin_token".into()
            }
            Self::TokenMissing => {
                "send [listen] admin_token as `Authorization: Bearer TOKEN`".into()
            }
            Self::TokenInvalid => "the token is not [listen] admin_token".into(),
            Self::TokenTwice => "the Authorization header is there more than once".into(),
            Self::Query(faults) => faults.join("; "),
            Self::NoSuchMessage => "there is no message with this id".into(),
            Self::NoSuchPolicy => "there is no policy of this name; /policies lists them".into(),
            Self::NoSuchApp => {
                "no app of this name is configured, and no event of one was given up; /events/dead lists those of all"
                    .into()
            }
            Self::NoCandidate => {
                "the policy has no candidate: none is named as `candidate` in the configuration, or it came into force already, \
                 as `promoted` in /policies tells".into()
            }
            Self::NoCandidateSince { from, to } => {
                format!(
                    "a rollback from generation {from} is in force, and in the policies of generation {to}, to which it \
                     returned, this one has no candidate; if it has one in generation {from}, `sendgate rollback --to \
                     {from}` takes the rollback back while /policies lists that under `kept`, and other policies in the \
                     files end it, too"
                )
            }
            Self::Dropped(failure) => {
                format!(
                    "the candidate failed too often and was dropped, the last time of {failure}; mend it and deploy it \
                     again"
                )
            }
            Self::NotKept(kept) if kept.is_empty() => {
                "there is nothing to return to: no other policies were in force since the start"
                    .into()
            }
            Self::NotKept(kept) => {
                let kept: Vec<String> = kept.iter().map(u64::to_string).collect();
                format!(
                    "there is nothing to return to there; name one of these generations: {}",
                    kept.join(", ")
                )
            }
            Self::NotHeld(status) => {
                format!(
                    "the message is neither in doubt nor held: it is {}; only what is one of these is released",
                    status.as_str()
                )
            }
            Self::TooLate => {
                "the message's time is over, so it would not be sent; cancel it, and send it anew"
                    .into()
            }
            Self::UnderWay => {
                "a call to Plivo is under way for this message; ask again once it has ended".into()
            }
            Self::Gone(status) if status.is_final() => {
                format!("the message's way has ended: it is {}", status.as_str())
            }
            Self::Gone(status) => {
                format!("Plivo has the message already: it is {}", status.as_str())
            }
            Self::Store(err) => err.to_string(),
            Self::PolicyFailed(policy) => {
                format!("the policy `{policy}` could not take it; the sidecar's log has the reason")
            }
            Self::Watched(most) => {
                format!("{most} watch the dashboard already, which is the most; close one")
            }
            Self::NoCallbacks => {
                "Plivo cannot call this sidecar; set [listen] callbacks and callbacks_url".into()
            }
        }
    }
}

impl From<NotPromoted> for Refusal {
    fn from(why: NotPromoted) -> Self {
        match why {
            NotPromoted::NoSuchPolicy => Self::NoSuchPolicy,
            NotPromoted::NoCandidate => Self::NoCandidate,
            NotPromoted::Dropped(failure) => Self::Dropped(failure),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(err: StoreError) -> Self {
        Self::Store(err)
    }
}
