//! The routes under `/_sim`, by which tests and people steer the simulator.

mod count;
mod reports;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::Call;
use crate::connection::Peer;
use crate::reply::{self, Reply};
use crate::shared::{Shared, Waiting};
use crate::{Outage, Seen, Step};

/// Longest delay of the list.
const LONGEST_DELAY_MS: u64 = 600_000;

/// Furthest that Plivo's clock is from this machine's: ten years.
const FURTHEST_MS: u64 = 10 * 366 * 86_400_000;

/// What `PUT /_sim/clock` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    ahead_ms: i64,
}

/// What `PUT /_sim/list_delay` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    ms: u64,
}

/// Answers a control call. They need no authentication: the simulator guards nothing.
pub(crate) async fn answer(shared: &Arc<Shared>, peer: &Peer, route: &str, call: &Call) -> Reply {
    match (&call.method, route) {
        (&Method::PUT, "script") => script(shared, &call.body).await,
        (&Method::PUT, "outage") => outage(shared, peer, &call.body).await,
        (&Method::DELETE, "outage") => {
            shared.restore().await;
            done()
        }
        (&Method::PUT, "release") => {
            shared.release();
            done()
        }
        (&Method::PUT, "disconnect") => {
            shared.disconnect();
            done()
        }
        (&Method::PUT, "list_delay") => list_delay(shared, &call.body),
        (&Method::PUT, "clock") => clock(shared, &call.body),
        (&Method::PUT, "reports") => reports::set(shared, &call.body),
        (&Method::PUT, "state") => reports::change(shared, &call.query),
        (&Method::POST, "callback") => reports::send(shared, &call.query).await,
        (&Method::GET, "sends") => {
            let sends = shared.look(|world| json!(world.messages.iter().collect::<Vec<_>>()));
            reply::json(StatusCode::OK, &sends)
        }
        (&Method::GET, "sends/count") => count::answer(shared, &call.query),
        (&Method::GET, "requests") => {
            let requests = shared.look(|world| world.requests.all());
            let requests: Vec<Value> = requests.iter().map(Seen::to_json).collect();
            reply::json(StatusCode::OK, &Value::Array(requests))
        }
        (&Method::DELETE, "") => {
            shared.clear();
            shared.restore().await;
            done()
        }
        _ => refused(
            StatusCode::NOT_FOUND,
            "no such control; there are PUT script, outage, release, disconnect, list_delay, clock, reports, \
             state; POST callback; GET sends, sends/count, requests; DELETE outage, /_sim",
        ),
    }
}

/// Puts a script in place of the one before, as PUT means (RFC 9110, 9.3.4).
async fn script(shared: &Shared, body: &[u8]) -> Reply {
    let value = serde_json::from_slice::<Value>(body).map_err(|err| format!("not a step: {err}"));
    let steps: Result<Vec<Step>, String> = value.and_then(|value| match value {
        Value::Array(all) => all.into_iter().map(Step::read).collect(),
        one => Step::read(one).map(|step| vec![step]),
    });
    let steps = match steps {
        Ok(steps) => steps,
        Err(err) => return refused(StatusCode::BAD_REQUEST, &err),
    };
    match shared.script(Waiting::Replaced, steps).await {
        Ok(()) => done(),
        Err(err) => refused(StatusCode::BAD_REQUEST, &err.to_string()),
    }
}

async fn outage(shared: &Shared, peer: &Peer, body: &[u8]) -> Reply {
    match Outage::read(body) {
        Ok(Outage::Refuse) if !peer.control => refused(
            StatusCode::CONFLICT,
            "nobody could end this outage here; ask for it on the control listener (--control)",
        ),
        Ok(outage) => {
            shared.fail(outage).await;
            done()
        }
        Err(err) => refused(StatusCode::BAD_REQUEST, &err),
    }
}

fn list_delay(shared: &Shared, body: &[u8]) -> Reply {
    match object::<Delay>(body) {
        Ok(Delay { ms }) if ms <= LONGEST_DELAY_MS => {
            shared.with(|world| world.list_delay = Duration::from_millis(ms));
            done()
        }
        Ok(_) => {
            let error = format!("`ms` is above its bound of {LONGEST_DELAY_MS}");
            refused(StatusCode::BAD_REQUEST, &error)
        }
        Err(err) => refused(StatusCode::BAD_REQUEST, &format!("not a delay: {err}")),
    }
}

fn clock(shared: &Shared, body: &[u8]) -> Reply {
    match object::<Clock>(body) {
        Ok(Clock { ahead_ms }) if ahead_ms.unsigned_abs() <= FURTHEST_MS => {
            shared.with(|world| world.messages.ahead = SignedDuration::from_millis(ahead_ms));
            done()
        }
        Ok(_) => {
            let error = format!("`ahead_ms` is further than {FURTHEST_MS} from zero");
            refused(StatusCode::BAD_REQUEST, &error)
        }
        Err(err) => refused(StatusCode::BAD_REQUEST, &format!("not a clock: {err}")),
    }
}

/// Reads an object. In the place of one serde takes a list, too, member by member.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err("a list, and no object".to_owned());
    }
    serde_json::from_slice(body).map_err(|err| err.to_string())
}

fn done() -> Reply {
    reply::json(StatusCode::OK, &json!({ "ok": true }))
}

fn refused(status: StatusCode, error: &str) -> Reply {
    reply::json(status, &json!({ "error": error }))
}
