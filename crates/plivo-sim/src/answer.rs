//! One request and its answer.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connection::{Fault, Peer};
use crate::list::Listing;
use crate::reply::{self, Reply};
use crate::route::{self, Resource};
use crate::send::Send;
use crate::shared::{Shared, World};
use crate::{Authorization, Seen, SimConfig, Step, control, media};

/// Most bytes of a body, but for uploads.
const MOST_BODY: usize = 1024 * 1024;
/// Longest time for a body.
const BODY: Duration = Duration::from_secs(30);

/// A request with its whole body.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// Answers a request, or fails the connection as scripted.
pub(crate) async fn answer(shared: &Arc<Shared>, peer: &Peer, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let route = route::resource(path);
    let uploads = matches!(route, Some((_, Resource::Uploads)));
    let Some(body) = read(body, if uploads { media::MOST_UPLOAD } else { MOST_BODY }).await else {
        return reply::usual_error(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let call = Call {
        query: head.uri.query().unwrap_or_default().to_owned(),
        content_type: content_type.unwrap_or_default().to_owned(),
        method: head.method,
        body,
    };
    if let Some((_, Resource::Control(rest))) = &route {
        return control::answer(shared, peer, rest, &call).await;
    }
    if peer.control {
        return reply::usual_error(StatusCode::NOT_FOUND);
    }
    // From here on a release counts, since whoever waits for this request may give it at once.
    let released = shared.released.subscribe();
    let (authorization, owner) = authorization(&head.headers, &shared.config);
    let sends = call.method == Method::POST
        && authorization == Authorization::Valid
        && matches!(route, Some((_, Resource::Messages)));
    let (in_rate, step, outage) = shared.with(|world| {
        let target = head.uri.path_and_query().map_or(path, |target| target.as_str());
        world.requests.push(Seen {
            method: call.method.to_string(),
            path: target.to_owned(),
            headers: shown(&head.headers),
            authorization,
            body: call.body.clone(),
            connection: peer.connection,
        });
        if let Some(outage) = &world.outage {
            return (true, None, Some(outage.clone()));
        }
        let in_rate = !shared.config.rate_limit || world.rate.take(Instant::now());
        (in_rate, if sends && in_rate { world.script.pop_front() } else { None }, None)
    });
    if let Some(step) = outage {
        // A front end that fails asks nobody who is there; what is queued all the same came through it.
        let usual = if sends && step.queues() {
            send(shared, peer, owner, &call.body, &step)
        } else {
            reply::usual_error(StatusCode::SERVICE_UNAVAILABLE)
        };
        return play(peer, *step, usual, released).await;
    }
    let Some((account, resource)) = route else { return reply::usual_error(StatusCode::NOT_FOUND) };
    if authorization != Authorization::Valid || account != owner {
        return reply::usual_error(StatusCode::UNAUTHORIZED);
    }
    if !in_rate {
        return reply::usual_error(StatusCode::TOO_MANY_REQUESTS);
    }
    if !resource.methods().contains(&call.method) {
        return reply::method_not_allowed(resource.methods());
    }
    match resource {
        Resource::Messages if call.method == Method::POST => {
            let step = step.unwrap_or_default();
            let usual = send(shared, peer, owner, &call.body, &step);
            play(peer, step, usual, released).await
        }
        Resource::Uploads if call.method == Method::POST => upload(shared, owner, &call).await,
        resource => look_up(shared, owner, &resource, &call.query),
    }
}

/// Takes a send as Plivo would, and queues it unless the step says otherwise.
fn send(shared: &Shared, peer: &Peer, owner: &str, body: &[u8], step: &Step) -> Reply {
    let send = match Send::read(body, shared.config.text_length) {
        Ok(send) => send,
        Err(text) => return reply::error(StatusCode::BAD_REQUEST, &text),
    };
    let api_id = reply::api_id();
    let ids_each = step.multiple_ids.unwrap_or(1);
    let uuids = if step.queues() {
        let mut uuids = Vec::new();
        shared.schedule(|world: &mut World| {
            uuids = world.messages.queue(&send, (owner, &api_id), peer.connection, ids_each);
            world.schedule.follow(&uuids, &world.reports, Instant::now());
        });
        uuids
    } else {
        let count = send.recipients.len() * ids_each;
        (0..count).map(|_| reply::api_id()).collect()
    };
    let mut body =
        json!({ "api_id": api_id, "message": "message(s) queued", "message_uuid": uuids });
    if !send.invalid.is_empty() {
        body["invalid_number"] = json!(send.invalid);
    }
    reply::json(StatusCode::ACCEPTED, &body)
}

/// Plays a step over the answer that Plivo would give.
async fn play(peer: &Peer, step: Step, usual: Reply, mut released: watch::Receiver<u64>) -> Reply {
    let reply = scripted(&step, usual);
    tokio::time::sleep(Duration::from_millis(step.hang_ms)).await;
    if step.hold {
        // An error means that the simulator is going, and this connection with it.
        let _ = released.changed().await;
    }
    if step.reset {
        peer.fail(Fault::Reset).await;
    }
    if step.close {
        peer.fail(Fault::Cut(Bytes::new())).await;
    }
    if step.truncate {
        let half = half_of(reply).await;
        peer.fail(Fault::Cut(half)).await;
    }
    reply
}

fn scripted(step: &Step, usual: Reply) -> Reply {
    let status = step.status_code().unwrap_or(usual.status());
    let mut reply = match (&step.raw, &step.body) {
        (Some(raw), _) => reply::with_type(status, "text/html", raw.clone()),
        (None, Some(Value::String(text))) => reply::error(status, text),
        (None, Some(body)) => reply::json(status, body),
        (None, None) if status == usual.status() => usual,
        (None, None) if status.is_success() => {
            let mut usual = usual;
            *usual.status_mut() = status;
            usual
        }
        (None, None) => reply::usual_error(status),
    };
    for (name, value) in step.header_pairs().unwrap_or_default() {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// The head of `reply`, with the whole body's length, and the first half of its body.
async fn half_of(reply: Reply) -> Bytes {
    let (head, body) = reply.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut bytes =
        format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", head.status, body.len()).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body[..body.len() / 2]);
    Bytes::from(bytes)
}

async fn upload(shared: &Shared, owner: &str, call: &Call) -> Reply {
    match media::files(&call.content_type, call.body.clone()).await {
        Ok(files) => {
            let entries = shared.with(|world| world.uploads.add(&files, owner));
            reply::ok(json!({ "objects": entries }))
        }
        Err(text) => reply::error(StatusCode::BAD_REQUEST, &text),
    }
}

fn look_up(shared: &Shared, auth_id: &str, resource: &Resource, query: &str) -> Reply {
    let listing = match Listing::read(query) {
        Ok(listing) => listing,
        Err(text) => return reply::error(StatusCode::BAD_REQUEST, &text),
    };
    let own = |world: &World, uuid: &str| {
        world.messages.get(uuid).filter(|message| message.auth_id == auth_id).cloned()
    };
    let found = shared.look(|world| match resource {
        Resource::Account => Some(account(auth_id)),
        Resource::Messages => {
            let (delay, now) = (world.list_delay, world.messages.now());
            let listed = world.messages.iter().filter(|message| {
                let age = now.duration_since(message.queued_at).unsigned_abs();
                message.auth_id == auth_id && (delay.is_zero() || age >= delay)
            });
            Some(listing.page(listed, auth_id))
        }
        Resource::Message(uuid) => own(world, uuid).map(|message| message.details()),
        Resource::MediaOfMessage(uuid) => own(world, uuid)
            .map(|message| json!({ "objects": media::of_message(&message, &world.uploads) })),
        Resource::Uploads => Some(listing.plain_page(world.uploads.all(), auth_id, "Media")),
        Resource::Upload(id) => world.uploads.get(id).cloned(),
        Resource::Number(number) => self::number(auth_id, number),
        Resource::Control(_) => None,
    });
    found.map_or_else(|| reply::usual_error(StatusCode::NOT_FOUND), reply::ok)
}

/// `GET …/Account/{auth_id}/`: enough of it to see that the credentials are good.
fn account(auth_id: &str) -> Value {
    json!({
        "account_type": "standard",
        "auth_id": auth_id,
        "auto_recharge": false,
        "billing_mode": "prepaid",
        "cash_credits": "100.00000",
        "name": "Simulated account",
        "resource_uri": format!("/v1/Account/{auth_id}/"),
        "timezone": "UTC",
    })
}

/// `GET …/Number/{number}/`: the account has every number but those that end in 404.
fn number(auth_id: &str, number: &str) -> Option<Value> {
    let found = json!({
        "carrier": "Plivo",
        "number": number,
        "number_type": "local",
        "resource_uri": format!("/v1/Account/{auth_id}/Number/{number}/"),
        "sms_enabled": true,
        "mms_enabled": true,
    });
    (!number.ends_with("404")).then_some(found)
}

/// The whole body, unless it is too long, too slow or broken off.
async fn read(body: Incoming, most: usize) -> Option<Bytes> {
    if body.size_hint().lower() > most as u64 {
        return None;
    }
    let whole = tokio::time::timeout(BODY, Limited::new(body, most).collect()).await;
    Some(whole.ok()?.ok()?.to_bytes())
}

/// What comes of the credentials, and the auth id of the account that they are of.
fn authorization<'a>(headers: &HeaderMap, config: &'a SimConfig) -> (Authorization, &'a str) {
    let Some(value) = headers.get(AUTHORIZATION) else { return (Authorization::Absent, "") };
    let given = value.to_str().ok().and_then(|value| value.split_once(' '));
    let decoded = given
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, credentials)| BASE64_STANDARD.decode(credentials.trim()).ok())
        .unwrap_or_default();
    let is_it = |(id, token): &(&str, &str)| format!("{id}:{token}").as_bytes() == decoded;
    match config.accounts().find(is_it) {
        Some((id, _)) => (Authorization::Valid, id),
        None => (Authorization::Wrong, ""),
    }
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers.iter().filter(|(name, _)| *name != AUTHORIZATION);
    shown
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}
