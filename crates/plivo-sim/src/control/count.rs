//! `GET /_sim/sends/count`: how many messages are alike.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::refused;
use crate::Queued;
use crate::messages::Messages;
use crate::reply::{self, Reply};
use crate::shared::Shared;

/// A name, and what a message has under it.
type Field = (&'static str, fn(&Queued) -> &str);

/// What messages can be told apart by.
const FIELDS: [Field; 6] = [
    ("text", |message| &message.text),
    ("dst", |message| &message.dst),
    ("src", |message| &message.src),
    ("url", |message| message.url.as_deref().unwrap_or_default()),
    ("type", |message| &message.kind),
    ("state", |message| message.state.as_str()),
];

/// Answers with the groups of messages that are alike in the fields of `by`, those with at least `least` messages,
/// largest first.
pub(super) fn answer(shared: &Shared, query: &str) -> Reply {
    let (mut by, mut least) = (Vec::new(), 1);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let read = match name.as_ref() {
            "by" => fields(&value).map(|fields| by = fields),
            "least" => value
                .parse()
                .map(|count| least = count)
                .map_err(|_| "`least` is not a number".to_owned()),
            name => Err(format!("unknown parameter `{name}`")),
        };
        if let Err(err) = read {
            return refused(StatusCode::BAD_REQUEST, &err);
        }
    }
    let body = shared.look(|world| counted(&world.messages, &by, least));
    reply::json(StatusCode::OK, &body)
}

fn fields(names: &str) -> Result<Vec<Field>, String> {
    let field = |name: &str| {
        let known = FIELDS.into_iter().find(|(known, _)| *known == name);
        known.ok_or_else(|| {
            format!("`by` names `{name}`; there are text, dst, src, url, type, state")
        })
    };
    names.split(',').map(field).collect()
}

fn counted(messages: &Messages, by: &[Field], least: usize) -> Value {
    let mut groups: HashMap<Vec<&str>, usize> = HashMap::new();
    for message in messages.iter() {
        *groups.entry(by.iter().map(|(_, value)| value(message)).collect()).or_default() += 1;
    }
    let (distinct, most) = (groups.len(), groups.values().max().copied().unwrap_or(0));
    let mut shown: Vec<_> = groups.into_iter().filter(|(_, count)| *count >= least).collect();
    shown.sort_unstable_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    let group = |(values, count): (Vec<&str>, usize)| {
        let members =
            by.iter().zip(values).map(|((name, _), value)| ((*name).to_owned(), value.into()));
        let mut group: Map<String, Value> = members.collect();
        group.insert("count".to_owned(), count.into());
        Value::Object(group)
    };
    json!({
        "sends": messages.len(),
        "forgotten": messages.forgotten(),
        "distinct": distinct,
        "most": most,
        "groups": shown.into_iter().map(group).collect::<Vec<_>>(),
    })
}
