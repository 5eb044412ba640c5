//! `sendgate messages`, `events`, `optouts`, `differences`, `promote` and `rollback`: what operators ask of a running
//! sidecar, and tell it.
//!
//! They speak HTTP to the admin listener, as anybody else may.

mod call;
mod failure;
mod optouts;
mod print;
mod table;
mod target;

use std::io::{self, Write as _};

use http::Method;
use serde_json::Value;
use url::form_urlencoded;

use self::target::{Target, Whom};
use crate::cli::{EventsCommand, Form, MessagesCommand, Reach, Which};
use crate::config::{Address, Environment};
use crate::{openapi, terminal};

pub use self::failure::Failure;
pub use self::optouts::optouts;

/// Does what `command` says, and prints what came of it.
///
/// # Errors
///
/// The sidecar is not there, or says no; the command cannot be understood.
pub fn messages(command: &MessagesCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        MessagesCommand::List { reach, which, form } => {
            let path = path(&["messages"], &listed(which, *form));
            let body = ask(reach, environment, Method::GET, &path)?;
            show(&body, form.json, print::list)
        }
        MessagesCommand::Show { id, reach, form } => {
            let path = path(&["messages", id], &numbers(*form));
            let body = ask(reach, environment, Method::GET, &path)?;
            show(&body, form.json, print::message)
        }
        MessagesCommand::Release { id, reach } => {
            let path = path(&["messages", id, "release"], &[]);
            let body = ask(reach, environment, Method::POST, &path)?;
            show(&body, false, print::released)
        }
        MessagesCommand::Cancel { id, reach } => {
            let path = path(&["messages", id, "cancel"], &[]);
            let body = ask(reach, environment, Method::POST, &path)?;
            show(&body, false, print::canceled)
        }
    }
}

/// Does what `command` says, and prints what came of it.
///
/// # Errors
///
/// As [`messages`].
pub fn events(command: &EventsCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        EventsCommand::Dead { reach, app, limit, json } => {
            let mut query = Vec::new();
            query.extend(app.as_ref().map(|app| ("app", app.clone())));
            query.extend(limit.map(|limit| ("limit", limit.to_string())));
            let path = path(&["events", "dead"], &query);
            let body = ask(reach, environment, Method::GET, &path)?;
            show(&body, *json, print::events)
        }
        EventsCommand::Revive { reach, app } => {
            let path = path(&["events", "revive"], &[("app", app.clone())]);
            let body = ask(reach, environment, Method::POST, &path)?;
            show(&body, false, print::revived)
        }
    }
}

/// Prints about which messages the candidate of `policy` decided otherwise.
///
/// # Errors
///
/// As [`messages`].
pub fn differences(
    policy: &str,
    json: bool,
    reach: &Reach,
    environment: &Environment,
) -> Result<(), Failure> {
    let path = path(&["policies", policy, "differences"], &[]);
    let body = ask(reach, environment, Method::GET, &path)?;
    show(&body, json, print::differences)
}

/// Has the sidecar bring the candidate of `policy` into force, and prints what came of it.
///
/// # Errors
///
/// As [`messages`].
pub fn promote(policy: &str, reach: &Reach, environment: &Environment) -> Result<(), Failure> {
    let body = ask(reach, environment, Method::POST, &path(&["policies", policy, "promote"], &[]))?;
    show(&body, false, print::promoted)
}

/// Has the sidecar return to the policies before those in force, or of the generation `to`, and prints what came of it.
///
/// # Errors
///
/// As [`messages`].
pub fn rollback(to: Option<u64>, reach: &Reach, environment: &Environment) -> Result<(), Failure> {
    let query: Vec<_> = to.map(|to| ("to", to.to_string())).into_iter().collect();
    let body = ask(reach, environment, Method::POST, &path(&["rollback"], &query))?;
    show(&body, false, print::rolled_back)
}

/// One request to the sidecar that `reach` names.
fn ask(
    reach: &Reach,
    environment: &Environment,
    method: Method,
    path: &str,
) -> Result<Value, Failure> {
    let looks_up = method == Method::GET && !path.contains("numbers=full");
    let as_whom = if looks_up { Whom::Anyone } else { Whom::Operator };
    let target = Target::of(reach, as_whom, environment)?;
    runtime()?.block_on(call::ask(&target, method, path))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().map_err(Failure::System)
}

fn listed(which: &Which, form: Form) -> Vec<(&'static str, String)> {
    let Which { app, status, to, after, limit } = which;
    let texts = [("app", app), ("status", status), ("to", to), ("after", after)];
    let given = texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let limit = limit.map(|limit| ("limit", limit.to_string()));
    given.chain(limit).chain(numbers(form)).collect()
}

fn numbers(form: Form) -> Vec<(&'static str, String)> {
    if form.full { vec![("numbers", "full".into())] } else { Vec::new() }
}

/// A path of these parts and this query. What a person has typed stays one part, whatever it holds.
fn path(parts: &[&str], query: &[(&str, String)]) -> String {
    let parts: String = parts
        .iter()
        .flat_map(|part| ["/".into(), form_urlencoded::byte_serialize(part.as_bytes()).collect()])
        .collect::<Vec<String>>()
        .concat();
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    if query.is_empty() { parts } else { format!("{parts}?{query}") }
}

fn show(body: &Value, json: bool, print: impl Fn(&Value) -> String) -> Result<(), Failure> {
    let text = if json { terminal::in_strings(&format!("{body:#}\n")) } else { print(body) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::System),
    }
}

/// Whether a sidecar answers at this admin listener.
pub(crate) async fn is_alive(admin: &Address) -> bool {
    let Some(target) = Target::local(admin) else { return false };
    call::ask(&target, Method::GET, "/livez").await.is_ok_and(|told| told["live"] == true)
}

/// Whether the sidecar at this admin listener has started, and does not wait for its store.
pub(crate) async fn has_started(admin: &Address) -> bool {
    let Some(target) = Target::local(admin) else { return false };
    call::ask(&target, Method::GET, "/startupz").await.is_ok()
}

/// Why the sidecar at this admin listener is not ready, a sentence each; nothing where it is.
pub(crate) async fn not_ready(admin: &Address) -> Vec<String> {
    let Some(target) = Target::local(admin) else { return Vec::new() };
    let Ok((_, told)) = call::look(&target, Method::GET, "/readyz").await else {
        return Vec::new();
    };
    let causes = told["causes"].as_array().into_iter().flatten();
    causes.filter_map(|cause| cause["detail"].as_str().map(str::to_owned)).collect()
}

/// What a listener of apps does about sends.
pub(crate) enum Sends {
    Takes,
    /// It is a sidecar's, and turns them away for now; why.
    TurnsAway(String),
    /// Nobody is there, or somebody else.
    KnowsNone,
}

/// What the listener of apps at this address does about sends.
pub(crate) async fn sends_at(apps: &Address) -> Sends {
    let Some(target) = Target::local(apps) else { return Sends::KnowsNone };
    let Ok((status, told)) = call::look(&target, Method::GET, "/openapi.json").await else {
        return Sends::KnowsNone;
    };
    match (told["code"].as_str(), told["detail"].as_str()) {
        _ if status.is_success() && told["info"]["title"] == openapi::APPS_TITLE => Sends::Takes,
        (Some(code), Some(detail)) if code.starts_with("spool.") => {
            Sends::TurnsAway(detail.to_owned())
        }
        _ => Sends::KnowsNone,
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn what_is_typed_cannot_leave_its_place_in_the_path() {
        let query = [("to", "+14155550123".to_owned()), ("app", "a&b=c".to_owned())];
        for (parts, query, wanted) in [
            (&["messages", "01a2"][..], &[][..], "/messages/01a2"),
            (&["messages", "../events?x=1#y"][..], &[][..], "/messages/..%2Fevents%3Fx%3D1%23y"),
            (&["messages"][..], &query[..], "/messages?to=%2B14155550123&app=a%26b%3Dc"),
        ] {
            assert_eq!(path(parts, query), wanted);
        }
    }
}
