//! Answers of the admin listener, for people.

use serde_json::Value;

use super::table::{Table, cell};
use crate::terminal::plain;

/// What is known of a message, in the order of interest: heading and member.
const FACTS: [(&str, &str); 30] = [
    ("id", "id"),
    ("app", "app"),
    ("account", "account"),
    ("status", "status"),
    ("waits for", "waits_for"),
    ("code", "error_code"),
    ("next try", "next_try"),
    ("next look", "next_look"),
    ("report", "report"),
    ("Plivo's id", "message_uuid"),
    ("to", "to"),
    ("to, as a hash", "to_hash"),
    ("from", "from"),
    ("type", "type"),
    ("intent", "intent"),
    ("text", "text"),
    ("text, as a hash", "text_hash"),
    ("bytes of text", "text_bytes"),
    ("segments", "segments"),
    ("tags", "tags"),
    ("media", "media"),
    ("media by URL", "media_urls"),
    ("media by id", "media_ids"),
    ("door", "door"),
    ("accepted", "created_at"),
    ("changed", "updated_at"),
    ("not before", "not_before"),
    ("deadline", "deadline"),
    ("events go to", "events_go_to"),
    ("trace", "traceparent"),
];

/// A page of messages.
pub(super) fn list(body: &Value) -> String {
    let messages = items(&body["messages"]);
    if messages.is_empty() {
        return "no messages\n".into();
    }
    let mut table = Table::new(["ID", "APP", "STATUS", "TO", "ACCEPTED", "CALLS", "CODE"]);
    for message in messages {
        let to = if message["to"].is_null() { &message["to_hash"] } else { &message["to"] };
        table.row([
            cell(&message["id"]),
            cell(&message["app"]),
            cell(&message["status"]),
            cell(to),
            cell(&message["created_at"]),
            cell(&message["calls"]),
            cell(&message["error_code"]),
        ]);
    }
    let more = body.get("next").filter(|next| next.is_string());
    let more = more.map(|next| format!("more: --after {}\n", cell(next)));
    table.lines("") + &more.unwrap_or_default()
}

/// One message.
pub(super) fn message(body: &Value) -> String {
    let width = FACTS.iter().map(|(heading, _)| heading.chars().count()).max().unwrap_or(0);
    let mut told: String = FACTS
        .iter()
        .map(|(heading, member)| (heading, cell(&body[*member])))
        .filter(|(_, value)| value != "-")
        .map(|(heading, value)| format!("{heading:width$}  {value}\n"))
        .collect();
    let breaker = |of: &Value| {
        let reason = of["reason"].as_str().map(|reason| format!(", {}", plain(reason)));
        cell(&of["breaker"]) + &reason.unwrap_or_default()
    };
    let plivo = &body["plivo"];
    let own = match &plivo["sender"] {
        Value::Null => String::new(),
        own => format!("; of its sender: {}", breaker(own)),
    };
    told.push_str(&format!("{:width$}  {}{own}\n", "Plivo's breaker", breaker(plivo)));
    told.push_str(&calls(&body["attempts"]));
    told.push_str(&decisions(&body["decisions"]));
    told.push_str(&own_events(body));
    told
}

/// Events that were given up.
pub(super) fn events(body: &Value) -> String {
    let events = items(&body["events"]);
    if events.is_empty() {
        return "no events were given up\n".into();
    }
    let mut table = Table::new(["NUMBER", "APP", "MESSAGE", "STATE", "AT", "TRIES", "LAST FAULT"]);
    for event in events {
        table.row(
            ["number", "app", "message", "state", "at", "tries", "fault"]
                .map(|member| cell(&event[member])),
        );
    }
    table.lines("")
}

/// What became of a release.
pub(super) fn released(body: &Value) -> String {
    format!("{}: released, now {}\n", cell(&body["id"]), cell(&body["status"]))
}

/// What became of a cancel, which may have to wait for the end of a call.
pub(super) fn canceled(body: &Value) -> String {
    let (id, status) = (cell(&body["id"]), cell(&body["status"]));
    match body["detail"].as_str() {
        None => format!("{id}: {status}\n"),
        Some(detail) => format!("{id}: not canceled yet, now {status}: {}\n", plain(detail)),
    }
}

/// How many events an app is told again.
pub(super) fn revived(body: &Value) -> String {
    let (app, count) = (cell(&body["app"]), cell(&body["revived"]));
    format!("{app}: called again with {count} events\n")
}

/// A candidate's differences, after what it has come to.
pub(super) fn differences(body: &Value) -> String {
    let candidate = &body["candidate"];
    let state = match candidate["standing"].as_str() {
        Some("rolled_back") => {
            "was rolled back and is tried no more until its file or settings change".to_owned()
        }
        _ => format!("is {}", cell(&candidate["standing"])),
    };
    let standing = format!(
        "{}: the candidate {state}; {} messages compared, the last {} alike\n",
        cell(&body["name"]),
        cell(&candidate["compared"]),
        cell(&candidate["alike"]),
    );
    let differences = items(&body["differences"]);
    if differences.is_empty() {
        return standing + "no differences\n";
    }
    let word = |word: &Value| {
        let codes: Vec<String> = items(&word["codes"]).iter().map(cell).collect();
        format!("{} {}", cell(&word["verdict"]), codes.join(" ")).trim_end().to_owned()
    };
    let mut table = Table::new(["AT", "MESSAGE", "APP", "IN FORCE", "CANDIDATE"]);
    for difference in differences {
        table.row([
            cell(&difference["at"]),
            cell(&difference["message"]),
            cell(&difference["app"]),
            word(&difference["in_force"]),
            word(&difference["candidate"]),
        ]);
    }
    standing + &table.lines("")
}

/// Whose candidate is in force, and until when.
pub(super) fn promoted(body: &Value) -> String {
    let [policy, generation, until] =
        ["policy", "generation", "until"].map(|name| cell(&body[name]));
    format!(
        "{policy}: its candidate is in force, in generation {generation}\nit stays until {until}\n"
    )
}

/// Which policies a rollback has brought back, and until when.
pub(super) fn rolled_back(body: &Value) -> String {
    let [generation, from, to] = ["generation", "from", "to"].map(|member| cell(&body[member]));
    let until = body["until"].as_str().map(|until| format!("they stay until {}\n", plain(until)));
    format!(
        "rolled back: generation {generation} is in force, with the policies of generation {to} and not of {from}\n{}",
        until.unwrap_or_default()
    )
}

fn calls(attempts: &Value) -> String {
    let mut table = Table::new(["CALL", "BEGUN", "ENDED", "OUTCOME", "HTTP", "CODE", "GIVEN UP"]);
    for attempt in items(attempts) {
        table.row(
            ["number", "started_at", "ended_at", "outcome", "http_status", "code", "given_up_at"]
                .map(|member| cell(&attempt[member])),
        );
    }
    section("calls to Plivo", items(attempts), &table.lines("  "))
}

fn decisions(decisions: &Value) -> String {
    let mut table =
        Table::new(["POLICY", "VERSION", "VERDICT", "COUNTED", "CODES", "MICROSECONDS"]);
    for decision in items(decisions) {
        table.row(
            ["policy", "version", "verdict", "enforced", "codes", "us"]
                .map(|member| cell(&decision[member])),
        );
    }
    section("decisions", items(decisions), &table.lines("  "))
}

fn own_events(body: &Value) -> String {
    let events = items(&body["events"]);
    let mut table = Table::new(["NUMBER", "STATE", "AT", "CODE", "TRIES", "LAST FAULT"]);
    for event in events {
        table.row(
            ["number", "state", "at", "code", "tries", "fault"].map(|member| cell(&event[member])),
        );
    }
    section("events", events, &table.lines("  "))
}

fn section(heading: &str, items: &[Value], lines: &str) -> String {
    if items.is_empty() { format!("{heading}: none\n") } else { format!("{heading}\n{lines}") }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
