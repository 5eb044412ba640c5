//! The apps' doors: from a request to its answer.

mod answer;
mod asking;
mod body;
mod events;
mod explain;
mod faults;
mod fields;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod identity;
mod instant;
mod json;
mod limits;
mod lookup;
mod order;
mod prefer;
mod problems;
mod refusal;
mod route;
mod send;
pub(crate) mod shown;
mod submission;
mod told;
mod tracestate;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body_util::Full;
use message::Timestamp;
use store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use self::answer::Answer;
use self::route::Route;
use crate::admin::Feed;
use crate::config::{Address, App, Fixed};
use crate::decisions::DecisionLog;
use crate::delivery::Delivery;
use crate::in_force::InForce;
use crate::listen::{Peer, Received, Requests};
use crate::memory::Memory;
use crate::relay::Unanswered;
use crate::shared::Shared;
use crate::{openapi, spans};

pub(crate) use self::answer::Door;
pub(crate) use self::body::{BodyLimits, whole as whole_body};
pub(crate) use self::identity::{has_port, own_host, same_place};
pub(crate) use self::lookup::NOT_KEPT;
pub(crate) use self::refusal::{Plain, Refusal, Refuser, failure_code, is_reserved, status_of};

/// Everything that a request may touch.
pub(crate) struct Gateway {
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    pub(crate) store: Store,
    /// What replicas share, where they share anything.
    pub(crate) shared: Option<Arc<Shared>>,
    pub(crate) delivery: Arc<Delivery>,
    /// Requests that run to their end even if the caller hangs up; the drain waits for them.
    pub(crate) in_flight: TaskTracker,
    pub(crate) draining: CancellationToken,
    /// Told when whoever waits for Plivo's answer is to be given the one that there is.
    pub(crate) hurry: CancellationToken,
    pub(crate) memory: Arc<Memory>,
    /// Where decisions are written down, where they are.
    pub(crate) decisions: Option<Arc<DecisionLog>>,
    /// What was decided, for who watches.
    pub(crate) feed: Arc<Feed>,
    /// Whose apps are told of nothing before they are answered.
    pub(crate) unanswered: Unanswered,
    pub(crate) bounds: Bounds,
}

/// The gateway's own bounds, fixed for the process's life.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    hosts: Vec<String>,
    body: BodyLimits,
}

/// One request whose app is known, with everything in force for it.
struct Call {
    app: Arc<App>,
    in_force: Arc<InForce>,
    now: Timestamp,
}

impl Bounds {
    pub(crate) fn of(fixed: &Fixed) -> Self {
        let listen = &fixed.listen;
        let body = BodyLimits { bytes: listen.max_body_bytes, time: listen.body_timeout };
        Self { hosts: hosts(&listen.hosts, &listen.apps), body }
    }
}

/// Values of `Host` that are taken besides loopback's: those that are `named`, and what a client writes that calls a
/// listener by its `own` address.
pub(crate) fn hosts<'a>(
    named: &[String],
    own: impl IntoIterator<Item = &'a Address>,
) -> Vec<String> {
    let own = own.into_iter().filter_map(|address| match address {
        Address::Tcp(address) if !address.ip().is_unspecified() => Some(address),
        _ => None,
    });
    let written = own.flat_map(|address| {
        let whole = address.to_string();
        // Clients leave out a port that is the scheme's own (RFC 9110 section 7.2).
        let bare = whole.strip_suffix(":80").map(str::to_owned);
        [Some(whole), bare].into_iter().flatten()
    });
    named.iter().cloned().chain(written).collect()
}

impl Gateway {
    /// Answers one request. The server span is open for as long as anything below it runs.
    pub(crate) async fn handle(
        self: Arc<Self>,
        request: Request<Received>,
        peer: Peer,
    ) -> Response<Full<Bytes>> {
        let route = Route::of(request.uri().path());
        let span = spans::server(request.method(), route.pattern());
        let state = tracestate::of(request.headers());
        let parent = text(request.headers(), "traceparent");
        telemetry::accept_trace(&span, parent, state.as_deref());
        let door = route.door();
        let answer = self.answer(route, request, peer).instrument(span.clone()).await;
        let mut answer = answer.unwrap_or_else(|refusal| {
            span.record("sendgate.code", refusal.code());
            span.in_scope(|| door.refuse(&refusal))
        });
        spans::answered(&span, answer.status);
        if let Some(trace) = telemetry::trace_id(&span) {
            answer.set(HeaderName::from_static("sendgate-trace-id"), trace);
        }
        answer.into_response()
    }

    async fn answer(
        self: Arc<Self>,
        route: Route,
        request: Request<Received>,
        peer: Peer,
    ) -> Result<Answer, Refusal> {
        identity::same_place(request.uri(), request.headers(), &self.bounds.hosts)?;
        route.takes(request.method())?;
        // What is no secret of any app.
        if let Some(page) = page(&route) {
            return page;
        }
        let in_force = self.in_force.load_full();
        let app = Arc::clone(identity::app(&in_force.apps, request.headers(), &peer)?);
        Span::current().record("sendgate.app", &app.name);
        if let Some(requests) = request.extensions().get::<Requests>() {
            requests.are_known();
        }
        if let Some(account) = route.account() {
            identity::account(account, &app, request.headers())?;
            // Sent with another account than it names, a message would cost, and come from, somebody else's.
            if in_force.accounts.is_anothers(account, &app) {
                return Err(Plain::OtherAccount.into());
            }
        }
        Span::current().record("sendgate.generation", in_force.chain.generation().0);
        let call = Call { app, in_force, now: now() };
        if let Some(said) = route.takes_no_query(request.method()) {
            lookup::without_query(request.uri().query().unwrap_or_default(), said)?;
        }

        match route {
            Route::Send(door) => self.send(door, call, request).await,
            Route::Explain => self.explain(call, request).await,
            Route::Messages if request.method() == http::Method::POST => {
                self.send(Door::Native, call, request).await
            }
            Route::Messages => self.list(&call, request.uri().query().unwrap_or_default()).await,
            Route::Message(id) => self.message(&call, &id).await,
            Route::Inbound => self.inbound(call, request).await,
            Route::Converted(id) => self.converted(&call, &id, request).await,
            Route::Policies => Ok(lookup::policies(&call)),
            Route::Limits => Ok(limits::told(&call, self.store.key_retention())),
            Route::Events => self.events(&call, request.uri().query().unwrap_or_default()).await,
            Route::PlivoMessages(_) if request.method() == http::Method::POST => {
                self.send(Door::Plivo, call, request).await
            }
            Route::PlivoMessages(account) => {
                self.plivo_list(&call, &account, request.uri().query().unwrap_or_default()).await
            }
            Route::PlivoMessage(account, id) => self.plivo_message(&call, &account, &id).await,
            Route::OpenApi | Route::Problem(_) | Route::Unknown(_) => Err(Plain::NotFound.into()),
        }
    }

    /// The body, read within its bounds.
    async fn body(&self, request: Request<Received>) -> Result<Bytes, Plain> {
        let (parts, body) = request.into_parts();
        body::read(&parts.headers, body, self.bounds.body).await
    }
}

/// What is the same for everybody and at any time.
fn page(route: &Route) -> Option<Result<Answer, Refusal>> {
    match route {
        Route::OpenApi => Some(Ok(Answer::document(openapi::APPS))),
        Route::Problem(code) => Some(problems::told(code)),
        _ => None,
    }
}

/// The answer while nothing can be recorded, in the form of the door; but pages are told.
pub(crate) fn closed(request: &Request<Received>) -> Response<Full<Bytes>> {
    let route = Route::of(request.uri().path());
    let taken = route.takes(request.method()).is_ok();
    let page = page(&route).filter(|_| taken).unwrap_or(Err(Plain::StoreAway.into()));
    page.unwrap_or_else(|refusal| route.door().refuse(&refusal)).into_response()
}

/// A header's value, where there is exactly one and it is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
}

/// The one place where the gateway asks for the time; everything below gets it as a value.
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): the draft's quoted string, or bare as most
/// clients send it.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Plain> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Plain::BadKey("stands twice; send it once"));
    }
    let value = value.to_str().map_err(|_| Plain::BadKey("is not ASCII"))?.trim();
    let key = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    match key.len() {
        0 => Err(Plain::BadKey("is empty")),
        1..=255 => Ok(Some(key.to_owned())),
        _ => Err(Plain::BadKey("is longer than 255 bytes")),
    }
}

/// Headers that a stored answer must not repeat.
fn is_of_the_moment(name: &HeaderName) -> bool {
    *name == header::DATE
        || name.as_str().starts_with("ratelimit")
        || name.as_str() == "sendgate-trace-id"
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Plain, hosts, idempotency_key};
    use crate::config::Address;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_listener_is_called_by_what_is_named_and_by_an_address_of_its_own() {
        let of = |own: &str| hosts(&["sms.internal".into()], [&Address::Tcp(own.parse().unwrap())]);

        assert_eq!(of("10.99.1.1:8788"), ["sms.internal", "10.99.1.1:8788"]);
        assert_eq!(of("10.99.1.1:80"), ["sms.internal", "10.99.1.1:80", "10.99.1.1"]);
        assert_eq!(of("[fd00::80]:80"), ["sms.internal", "[fd00::80]:80", "[fd00::80]"]);
        assert_eq!(of("0.0.0.0:80"), ["sms.internal"]);
    }

    #[test]
    fn the_key_is_taken_bare_and_quoted() {
        for value in ["k1", "\"k1\"", " k1 "] {
            assert_eq!(
                idempotency_key(&headers(&[("idempotency-key", value)])),
                Ok(Some("k1".into())),
                "{value}"
            );
        }
        assert_eq!(idempotency_key(&headers(&[])), Ok(None));
    }

    #[test]
    fn an_empty_a_long_and_a_second_key_are_refused() {
        for pairs in
            [&[("idempotency-key", "")][..], &[("idempotency-key", "a"), ("idempotency-key", "a")]]
        {
            assert!(matches!(idempotency_key(&headers(pairs)), Err(Plain::BadKey(_))), "{pairs:?}");
        }
        let mut long = HeaderMap::new();
        long.insert("idempotency-key", HeaderValue::from_str(&"x".repeat(256)).unwrap());
        assert!(matches!(idempotency_key(&long), Err(Plain::BadKey(_))));
    }
}
