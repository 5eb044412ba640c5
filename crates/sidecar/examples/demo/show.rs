//! How it is printed.

use serde_json::Value;
use telemetry::collector::SpanSeen;

use crate::door::Reply;

/// Attributes that say nothing to somebody who looks at one trace.
const DULL: [&str; 3] = ["level", "target", "http.request.method"];

pub(crate) fn heading(text: &str) {
    println!("\n── {text}");
}

pub(crate) fn note(text: &str) {
    println!("   {text}");
}

pub(crate) fn show_request(message: &Value) {
    note(&format!("POST /v1/messages {message}"));
}

pub(crate) fn show_reply(reply: &Reply) {
    let text = |name: &str| reply.body[name].as_str().unwrap_or_default().to_owned();
    match reply.code() {
        None => note(&format!(
            "→ {} {}, Plivo's {}",
            reply.status,
            text("status"),
            text("message_uuid")
        )),
        Some(code) => {
            let policy = reply.body["policy"]["name"].as_str().unwrap_or("the gateway");
            let wait = reply.retry_after.as_ref().map(|wait| format!(" (again in {wait} s)"));
            note(&format!(
                "→ {} refused by {policy}: {code}{}",
                reply.status,
                wait.unwrap_or_default()
            ));
            note(&format!("  {}", text("detail")));
        }
    }
}

/// Prints `spans` as a tree below the span `root`.
pub(crate) fn show_trace(spans: &[SpanSeen], root: &str) {
    note(&format!("trace {}", spans.first().map_or("", |span| &span.trace_id)));
    show_below(spans, root, 0);
}

fn show_below(spans: &[SpanSeen], parent: &str, depth: usize) {
    let mut children: Vec<_> =
        spans.iter().filter(|span| span.parent_id.as_deref() == Some(parent)).collect();
    children.sort_by_key(|span| span.began);
    for span in children {
        let indent = "  ".repeat(depth);
        let attributes = span.attributes.iter().filter(|(name, _)| !DULL.contains(&name.as_str()));
        let attributes: Vec<String> =
            attributes.map(|(name, value)| format!("{name}={value}")).collect();
        note(&format!("{indent}{} ({}, {:.2?})", span.name, span.kind, span.lasted));
        note(&format!("{indent}    {}", attributes.join(" ")));
        show_below(spans, &span.span_id, depth + 1);
    }
}
