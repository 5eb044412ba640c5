//! Controls of delivery reports and states.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{done, object, refused};
use crate::reply::{self, Reply};
use crate::report::MOST_COPIES;
use crate::shared::Shared;
use crate::{Callbacks, Posting, Report, ReportError, Reports, Signatures, State, callback};

/// Longest time between two states.
const LONGEST_MS: u64 = 86_400_000;

/// What `PUT /_sim/reports` takes.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    callbacks: When,
    sent_after_ms: u64,
    delivered_after_ms: u64,
    end: String,
    error_code: Option<String>,
    reversed: bool,
    copies: u32,
    signatures: Signatures,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum When {
    Off,
    Manual,
    Auto,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            callbacks: When::Auto,
            sent_after_ms: 50,
            delivered_after_ms: 100,
            end: State::Delivered.as_str().to_owned(),
            error_code: None,
            reversed: false,
            copies: 1,
            signatures: Signatures::Both,
        }
    }
}

/// `PUT /_sim/reports`.
pub(super) fn set(shared: &Shared, body: &[u8]) -> Reply {
    match object::<Asked>(body)
        .map_err(|err| format!("not settings of reports: {err}"))
        .and_then(checked)
    {
        Ok(reports) => {
            shared.set_reports(reports);
            done()
        }
        Err(err) => refused(StatusCode::BAD_REQUEST, &err),
    }
}

fn checked(asked: Asked) -> Result<Reports, String> {
    if asked.sent_after_ms.max(asked.delivered_after_ms) > LONGEST_MS {
        return Err(format!("a time is above its bound of {LONGEST_MS} ms"));
    }
    let callbacks = match asked.callbacks {
        When::Off => Callbacks::Off,
        When::Manual => Callbacks::Manual,
        When::Auto => Callbacks::Auto {
            sent_after: Duration::from_millis(asked.sent_after_ms),
            delivered_after: Duration::from_millis(asked.delivered_after_ms),
        },
    };
    let end = State::parse(&asked.end).ok_or("`end` is not one of Plivo's states")?;
    let copies = checked_copies(asked.copies)?;
    let posting = Posting { copies, signatures: asked.signatures, nonce: None };
    Ok(Reports { callbacks, end, error_code: asked.error_code, reversed: asked.reversed, posting })
}

/// `PUT /_sim/state?id=…&status=…`: a message moves, and nobody is told.
pub(super) fn change(shared: &Shared, query: &str) -> Reply {
    let (id, report) = match read(query) {
        Ok(read) => read,
        Err(err) => return refused(StatusCode::BAD_REQUEST, &err),
    };
    if report != (Report { error_code: report.error_code.clone(), ..Report::of(report.state) }) {
        return refused(
            StatusCode::BAD_REQUEST,
            "a state has `id`, `status` and `error_code` only",
        );
    }
    let code = report.error_code.as_deref();
    if shared.with(|world| world.messages.change(&id, report.state, code)) {
        done()
    } else {
        refused(StatusCode::NOT_FOUND, &ReportError::UnknownMessage.to_string())
    }
}

/// `POST /_sim/callback?id=…&status=…`.
pub(super) async fn send(shared: &Arc<Shared>, query: &str) -> Reply {
    let (id, report) = match read(query) {
        Ok(read) => read,
        Err(err) => return refused(StatusCode::BAD_REQUEST, &err),
    };
    match callback::report(shared, &id, report).await {
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

fn read(query: &str) -> Result<(String, Report), String> {
    let (mut id, mut state, mut report) = (String::new(), None, Report::of(State::Queued));
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "id" => id = value.into_owned(),
            "status" => state = State::parse(&value),
            "error_code" => report.error_code = Some(value.into_owned()),
            "sequence" => report.sequence = Some(number(&name, &value)?),
            "copies" => report.posting.copies = checked_copies(number(&name, &value)?)?,
            "nonce" => report.posting.nonce = Some(value.into_owned()),
            "signatures" => report.posting.signatures = signatures(&value)?,
            name => return Err(format!("unknown parameter `{name}`")),
        }
    }
    report.state = state.ok_or("`status` is missing or not one of Plivo's states")?;
    Ok((id, report))
}

fn number(name: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("`{name}` is not a number"))
}

fn checked_copies(copies: u32) -> Result<u32, String> {
    let fits = (1..=MOST_COPIES).contains(&copies);
    fits.then_some(copies).ok_or_else(|| format!("`copies` is not 1 to {MOST_COPIES}"))
}

fn signatures(word: &str) -> Result<Signatures, String> {
    serde_json::from_value(word.into())
        .map_err(|_| "`signatures` is not both, v2, v3, bad or absent".to_owned())
}
