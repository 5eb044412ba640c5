//! The admin listener: probes and what is in force.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Delivery, Reason, State};
use crate::in_force::InForce;
use crate::reload::ReloadStatus;
use crate::{gateway, policies};

/// What an operator may ask.
pub(crate) struct Admin {
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    pub(crate) reloads: Arc<ReloadStatus>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) draining: CancellationToken,
    /// Host values taken besides loopback's.
    pub(crate) hosts: Vec<String>,
    pub(crate) store: Store,
    /// The store keeps nothing across a restart.
    pub(crate) ephemeral: bool,
}

impl Admin {
    pub(crate) fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = respond(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({"error": "this listener takes GET only"}),
            );
            response
                .headers_mut()
                .insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let path = request.uri().path();
        // Probes come with whatever Host the prober likes; everything else is also out of a web page's reach.
        let probe = matches!(path, "/livez" | "/readyz");
        if !probe && gateway::same_place(request.uri(), request.headers(), &self.hosts).is_err() {
            let detail = "the Host or Origin header names another place; see [listen] hosts";
            return respond(StatusCode::FORBIDDEN, &json!({"error": detail}));
        }
        match path {
            "/livez" => respond(StatusCode::OK, &json!({"live": true})),
            "/readyz" => self.ready(),
            "/policies" => respond(StatusCode::OK, &self.policies()),
            _ => {
                let paths = ["/livez", "/readyz", "/policies"];
                respond(
                    StatusCode::NOT_FOUND,
                    &json!({"error": "there is nothing at this path", "paths": paths}),
                )
            }
        }
    }

    /// Ready means: sends are taken and can leave. A refused reload is told, but takes no traffic away: the last good
    /// generation serves.
    fn ready(&self) -> Response<Full<Bytes>> {
        let mut causes = Vec::new();
        if self.draining.is_cancelled() {
            causes.push(json!({"cause": "draining", "detail": "the sidecar is shutting down"}));
        }
        let plivo = self.delivery.standing();
        if plivo.state == State::Latched {
            let detail = match plivo.reason {
                Some(Reason::Certificate) => "Plivo's certificate is not trusted; nothing is sent",
                _ => "Plivo refused the credentials (401); mend [plivo] auth_id and auth_token",
            };
            let cause = plivo.reason.map_or("plivo", Reason::as_str);
            causes.push(json!({"cause": cause, "detail": detail}));
        }
        if let Some(trouble) = self.store.trouble() {
            causes.push(json!({"cause": "store", "detail": trouble.to_string()}));
        }
        let ready = causes.is_empty();
        let refused = self.reloads.refused();
        let body = json!({
            "ready": ready,
            "causes": causes,
            "generation": self.in_force.load().chain.generation().0,
            "reload_refused": refused.as_ref().map(|refused| refused.faults.clone()),
            "store": if self.ephemeral { "memory: nothing survives a restart" } else { "durable" },
            "plivo": {
                "breaker": plivo.state.as_str(),
                "reason": plivo.reason.map(Reason::as_str),
            },
            "waiting": self.delivery.waiting(),
        });
        respond(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
    }

    fn policies(&self) -> Value {
        let in_force = self.in_force.load();
        let listed = in_force.chain.policies().iter().map(|policy| policies::describe(policy));
        let refused = self.reloads.refused();
        json!({
            "generation": in_force.chain.generation().0,
            "policies": listed.collect::<Vec<_>>(),
            "reload": {
                "applied": self.reloads.applied(),
                "refused": refused.map(|refused| json!({
                    "at": refused.at.to_string(),
                    "times": refused.times,
                    "faults": refused.faults,
                })),
            },
        })
    }
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body:#}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
