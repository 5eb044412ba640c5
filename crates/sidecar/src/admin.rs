//! The admin listener: probes, what is in force, and what operators do with messages.

mod asked;
mod backlog;
#[cfg_attr(not(feature = "dashboard"), path = "admin/no_dashboard.rs")]
mod dashboard;
mod decide;
mod filter;
mod inbound;
mod lookup;
mod policies;
mod ready;
mod refusal;
mod route;
mod shown;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use serde_json::{Value, json};
use store::{Store, StoreError};
use telemetry::metrics::{Exposition, Metrics};
use tokio_util::sync::CancellationToken;

use self::asked::Asked;
use self::refusal::Refusal;
use self::route::Route;
use crate::decisions::DecisionLog;
use crate::delivery::Delivery;
use crate::gateway;
use crate::generations::Generations;
use crate::in_force::InForce;
use crate::listen::Received;
use crate::memory::Memory;
use crate::openapi;
use crate::relay::RelayTally;
use crate::reload::ReloadStatus;
use crate::reports::{CallbackPlace, Tally};

pub(crate) use self::backlog::Backlog;
pub(crate) use self::dashboard::{Dashboard, Feed};

/// An answer: whole, or written as it is read.
pub(crate) type Body = Either<Full<Bytes>, dashboard::Events>;

/// What an operator may ask, and do.
pub(crate) struct Admin {
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    pub(crate) generations: Arc<Generations>,
    pub(crate) reloads: Arc<ReloadStatus>,
    pub(crate) delivery: Arc<Delivery>,
    /// The end has begun.
    pub(crate) leaving: CancellationToken,
    pub(crate) memory: Arc<Memory>,
    /// Host values taken besides loopback's.
    pub(crate) hosts: Vec<String>,
    pub(crate) store: Store,
    /// The store keeps nothing across a restart.
    pub(crate) ephemeral: bool,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) reports: Arc<Tally>,
    /// Where decisions are written down, where they are.
    pub(crate) decisions: Option<Arc<DecisionLog>>,
    pub(crate) relay: Arc<RelayTally>,
    pub(crate) metrics: Metrics,
    /// Where Plivo calls, where it does.
    pub(crate) callbacks: Option<CallbackPlace>,
    pub(crate) dashboard: Dashboard,
}

/// What was found or done, and how it is told.
type Told = Result<(StatusCode, Value), Refusal>;

impl Admin {
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Received>) -> Response<Body> {
        let (asked, body) = Asked::of(request);
        let told = match self.admit(&asked, body).await {
            Ok(Route::Metrics) => return counted(&self.metrics, &asked.headers).map(Either::Left),
            Ok(Route::OpenApi) => {
                return answer(StatusCode::OK, openapi::ADMIN.into()).map(Either::Left);
            }
            Ok(Route::Dashboard(part)) => return self.show(part, &asked).await,
            Ok(route) => self.tell(route, &asked).await,
            Err(refusal) => Err(refusal),
        };
        let response = match told {
            Ok((status, body)) => respond(status, &body),
            Err(refusal) => {
                let mut response = respond(refusal.status(), &refusal.body());
                refusal.describe(response.headers_mut());
                response
            }
        };
        response.map(Either::Left)
    }

    /// Where the request leads, where it may go there.
    async fn admit(&self, asked: &Asked, body: Received) -> Result<Route, Refusal> {
        let route = Route::of(&asked.method, asked.uri.path());
        // Probes come with whatever Host the prober likes; everything else is also out of a web page's reach, but for a
        // link to the dashboard.
        let (uri, headers, hosts) = (&asked.uri, &asked.headers, &self.hosts);
        let place = match &route {
            route if route.is_probe() => Ok(()),
            Route::Dashboard(part) if part.is_public() => gateway::own_host(uri, headers, hosts),
            _ => gateway::same_place(uri, headers, hosts),
        };
        place.map_err(Refusal::OtherPlace)?;
        route.takes(&asked.method)?;
        if route.changes() {
            asked.has_no_form()?;
        }
        if route.changes() || route == Route::InboundUrl {
            asked.is_from_operator(self.in_force.load().admin_token.as_ref())?;
        }
        if route.changes() {
            asked::says_nothing(headers, body).await?;
        }
        if route.takes_no_query() {
            filter::no_query(&asked.query())?;
        }
        Ok(route)
    }

    async fn tell(&self, route: Route, asked: &Asked) -> Told {
        match route {
            Route::Live => Ok((StatusCode::OK, json!({"live": true}))),
            Route::Started => Ok((StatusCode::OK, json!({"started": true}))),
            Route::Ready => Ok(self.ready()),
            Route::Policies => Ok((StatusCode::OK, self.policies())),
            Route::Differences(name) => self.differences(&name),
            Route::Promote(name) => self.promote(&name),
            Route::Rollback => self.roll_back(asked),
            Route::Messages => self.messages(asked).await,
            Route::Message(id) => self.message(&id, asked).await,
            Route::Release(id) => self.release(&id).await,
            Route::Cancel(id) => self.cancel(&id).await,
            Route::DeadEvents => self.dead_events(asked).await,
            Route::Revive => self.revive(asked).await,
            Route::Inbound => self.inbound(asked).await,
            Route::InboundUrl => self.inbound_url(),
            Route::Metrics | Route::OpenApi | Route::Dashboard(_) | Route::Unknown => {
                Err(Refusal::NoSuchPath)
            }
        }
    }
}

/// Everything that is counted, in the form that is asked for.
fn counted(metrics: &Metrics, headers: &HeaderMap) -> Response<Full<Bytes>> {
    // Lines of one name are one list (RFC 9110, 5.3).
    let lines = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = lines.filter_map(|value| value.to_str().ok()).collect();
    let form = Exposition::of(&accept.join(", "));
    let mut response = Response::new(Full::new(Bytes::from(metrics.text(form))));
    let kind = header::HeaderValue::from_static(form.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The answer at every path of a process that cannot begin yet because of its store: it lives, is not ready, and says
/// `why`; `metrics` tell of it too.
pub(crate) fn closed(
    request: &Request<Received>,
    why: &str,
    metrics: &Metrics,
) -> Response<Full<Bytes>> {
    match Route::of(request.method(), request.uri().path()) {
        Route::Live => respond(StatusCode::OK, &json!({"live": true})),
        probe @ (Route::Started | Route::Ready) => {
            let asked = if probe == Route::Ready { "ready" } else { "started" };
            let causes = [json!({"cause": "store", "detail": why})];
            let body = json!({asked: false, "causes": causes});
            respond(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
        Route::Metrics if request.method() == Method::GET => counted(metrics, request.headers()),
        Route::OpenApi if request.method() == Method::GET => {
            answer(StatusCode::OK, openapi::ADMIN.into())
        }
        _ => {
            let refusal = Refusal::Store(StoreError::Unavailable(why.to_owned()));
            respond(refusal.status(), &refusal.body())
        }
    }
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    answer(status, Bytes::from(format!("{body:#}\n")))
}

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
