//! The gateway's own reasons, each in words.

use std::time::Duration;

use message::Fault;
use store::StoreError;

/// The name of what a request is compared by that is no member of it: the door that it came by.
pub(crate) const DOOR: &str = "operation";

/// The gateway's own reasons. Each has one code, and by that one status, and one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    MalformedHost(&'static str),
    BadHost,
    BadOrigin,
    NotFound,
    MethodNotAllowed(&'static str),
    AuthMissing,
    AuthInvalid,
    AuthTwice,
    OtherAccount,
    TooLarge(usize),
    TooSlow,
    Incomplete,
    ContentType,
    ContentEncoding,
    BadKey(&'static str),
    KeyRequired,
    KeyInProgress,
    KeysFull(Duration),
    KeysAway,
    WouldExpire,
    PlivoAway(Duration),
    NotAsked,
    KeyMismatch(Vec<String>),
    NoSuchMessage,
    Full,
    LowSpace,
    LowMemory,
    StoreAway,
    Draining,
    Internal,
}

impl Plain {
    /// Why a message could not be recorded.
    pub(crate) fn by_the_store(err: &StoreError) -> Self {
        match err {
            StoreError::Full => Self::Full,
            StoreError::LowSpace => Self::LowSpace,
            _ => Self::StoreAway,
        }
    }
}

impl Plain {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::MalformedHost(_) => "http.malformed_host",
            Self::BadHost => "http.bad_host",
            Self::BadOrigin => "http.bad_origin",
            Self::NotFound => "http.not_found",
            Self::MethodNotAllowed(_) => "http.method_not_allowed",
            Self::AuthMissing => "auth.missing",
            Self::AuthInvalid | Self::AuthTwice => "auth.invalid",
            Self::OtherAccount => "auth.other_account",
            Self::TooLarge(_) => "body.too_large",
            Self::TooSlow => "body.too_slow",
            Self::Incomplete => "body.incomplete",
            Self::ContentType => "body.content_type",
            Self::ContentEncoding => "body.content_encoding",
            Self::BadKey(_) => "idem.bad_key",
            Self::KeyRequired => "idem.key_required",
            Self::KeyInProgress => "idem.in_progress",
            Self::KeysFull(_) => "idem.full",
            Self::KeysAway => "idem.unavailable",
            Self::WouldExpire => "send.would_expire",
            Self::PlivoAway(_) => "upstream.unavailable",
            Self::NotAsked => "policy.not_asked",
            Self::KeyMismatch(_) => "idem.mismatch",
            Self::NoSuchMessage => "message.not_found",
            Self::Full => "spool.full",
            Self::LowSpace => "spool.low_space",
            Self::LowMemory => "spool.low_memory",
            Self::StoreAway => "spool.unavailable",
            Self::Draining => "spool.draining",
            Self::Internal => "internal",
        }
    }

    /// As one of several faults of a request.
    pub(crate) fn fault(&self) -> Fault {
        Fault::new("", self.code(), self.detail())
    }

    pub(crate) fn detail(&self) -> String {
        match self {
            Self::MalformedHost(why) => format!("the Host header {why}"),
            Self::BadHost => {
                "the Host header, or the request's target, names neither loopback nor a configured host ([listen] hosts)"
                    .into()
            }
            Self::BadOrigin => "requests from web pages of another origin are not served".into(),
            Self::NotFound => {
                "there is nothing at this path; GET /openapi.json has the paths that there are".into()
            }
            Self::MethodNotAllowed(allow) => format!("this path takes {allow} only"),
            Self::AuthMissing => {
                "send `Authorization: Bearer TOKEN`, or Basic with the app's name and token".into()
            }
            Self::AuthInvalid => "no app has this token; send it as Bearer, or as Basic with the app's name".into(),
            Self::AuthTwice => "the Authorization header is there more than once".into(),
            Self::OtherAccount => {
                "the path names an account that is not the one of the credentials; give both the same auth id, which is of no \
                 other account than the app's"
                    .into()
            }
            Self::TooLarge(most) => format!("the body is larger than {most} bytes"),
            Self::TooSlow => "the body did not arrive in time".into(),
            Self::Incomplete => "the body ended early, or is not well-formed".into(),
            Self::ContentType => "send the body as application/json in UTF-8".into(),
            Self::ContentEncoding => "send the body as it is, without `Content-Encoding` and with no `Transfer-Encoding` but chunked".into(),
            Self::BadKey(why) => format!("the Idempotency-Key {why}"),
            Self::KeyRequired => {
                "this app must send an Idempotency-Key with every request (README, \"Send once\")"
                    .into()
            }
            Self::KeyInProgress => {
                "an equal request with this Idempotency-Key is still in flight".into()
            }
            Self::NotAsked => {
                "the policies failed or took too long on others of this request, so this one was not asked about"
                    .into()
            }
            Self::WouldExpire => {
                "its time would be over before the policies let it go; give it a longer `ttl_s`"
                    .into()
            }
            Self::PlivoAway(_) => {
                "Plivo does not take messages now, and its time would be over before it is tried again; nothing was \
                 accepted"
                    .into()
            }
            Self::KeysFull(_) => {
                "as many idempotency keys are kept as may be ([store] max_keys); nothing was accepted".into()
            }
            Self::KeysAway => {
                "the store that replicas share cannot be asked for the Idempotency-Key; nothing was accepted"
                    .into()
            }
            Self::KeyMismatch(fields) => {
                // Quoted, so that each door says its own members' names.
                let members =
                    fields.iter().filter(|field| *field != DOOR).map(|field| format!("`{field}`"));
                let door = "the door, since the first request came by another path".to_owned();
                let door = fields.iter().any(|field| field == DOOR).then_some(door);
                let different: Vec<String> = members.chain(door).collect();
                let different = different.join(", ");
                format!("this Idempotency-Key was used for another request; different: {different}")
            }
            Self::NoSuchMessage => "this app has no message with this id".into(),
            Self::Full => "too many messages are waiting; nothing was accepted".into(),
            Self::LowMemory => {
                "the sidecar has as much memory as it may; nothing was accepted".into()
            }
            Self::LowSpace => {
                "the disk that messages are kept on is nearly full; nothing was accepted".into()
            }
            Self::StoreAway => {
                "messages cannot be recorded now, so none is sent; see /readyz of the admin listener"
                    .into()
            }
            Self::Draining => "the sidecar is shutting down; nothing was accepted".into(),
            Self::Internal => {
                "an unexpected fault inside the sidecar; its log has the reason".into()
            }
        }
    }
}
