//! The routes under `/_sim`, by which tests and people steer the simulator.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer::Call;
use crate::reply::{self, Reply};
use crate::shared::{Shared, Waiting, World};
use crate::{ReportError, Seen, State, Step, callback};

/// Answers a control call. They need no authentication: the simulator guards nothing.
pub(crate) async fn answer(shared: &Arc<Shared>, route: &str, call: &Call) -> Reply {
    match (&call.method, route) {
        (&Method::PUT, "script") => script(shared, &call.body).await,
        (&Method::PUT, "release") => {
            shared.release();
            done()
        }
        (&Method::PUT, "disconnect") => {
            shared.disconnect();
            done()
        }
        (&Method::GET, "sends") => {
            let sends = shared.look(|world| json!(world.messages.iter().collect::<Vec<_>>()));
            reply::json(StatusCode::OK, &sends)
        }
        (&Method::GET, "requests") => {
            let requests = shared.look(|world| world.requests.all());
            let requests: Vec<Value> = requests.iter().map(Seen::to_json).collect();
            reply::json(StatusCode::OK, &Value::Array(requests))
        }
        (&Method::POST, "callback") => report(shared, &call.query).await,
        (&Method::DELETE, "") => {
            shared.with(|world| *world = World::default());
            done()
        }
        _ => refused(
            StatusCode::NOT_FOUND,
            "no such control; there are PUT script, release, disconnect; GET sends, requests; POST callback; DELETE /_sim",
        ),
    }
}

/// Puts a script in place of the one before, as PUT means (RFC 9110, 9.3.4).
async fn script(shared: &Shared, body: &[u8]) -> Reply {
    let steps = serde_json::from_slice::<Value>(body).and_then(|value| match value {
        Value::Array(_) => serde_json::from_value::<Vec<Step>>(value),
        one => serde_json::from_value(one).map(|step| vec![step]),
    });
    let steps = match steps {
        Ok(steps) => steps,
        Err(err) => return refused(StatusCode::BAD_REQUEST, &format!("not a step: {err}")),
    };
    match shared.script(Waiting::Replaced, steps).await {
        Ok(()) => done(),
        Err(err) => refused(StatusCode::BAD_REQUEST, &err.to_string()),
    }
}

async fn report(shared: &Arc<Shared>, query: &str) -> Reply {
    let (mut id, mut state, mut code) = (String::new(), None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "id" => id = value.into_owned(),
            "status" => state = State::parse(&value),
            "error_code" => code = Some(value.into_owned()),
            name => {
                return refused(StatusCode::BAD_REQUEST, &format!("unknown parameter `{name}`"));
            }
        }
    }
    let Some(state) = state else {
        return refused(
            StatusCode::BAD_REQUEST,
            "`status` is missing or not one of Plivo's states",
        );
    };
    match callback::report(shared, &id, state, code.as_deref()).await {
        Ok(reported) => {
            let (answered, failure) = match reported.answer {
                Ok(status) => (Some(status), None),
                Err(err) => (None, Some(err.to_string())),
            };
            let body =
                json!({ "sequence": reported.sequence, "answered": answered, "failure": failure });
            reply::json(StatusCode::OK, &body)
        }
        Err(err @ ReportError::UnknownMessage) => refused(StatusCode::NOT_FOUND, &err.to_string()),
        Err(err) => refused(StatusCode::CONFLICT, &err.to_string()),
    }
}

fn done() -> Reply {
    reply::json(StatusCode::OK, &json!({ "ok": true }))
}

fn refused(status: StatusCode, error: &str) -> Reply {
    reply::json(status, &json!({ "error": error }))
}
