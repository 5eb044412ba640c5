//! What a request asks for, in one form for every door and before it is judged.

use std::collections::HashSet;

use message::Fault;
use plivo_client::Log;
use serde_json::Value;

use super::fields::Fields;
use super::json;

/// A member's value with the pointer its faults carry.
#[derive(Clone, Debug, Default)]
pub(crate) struct At<T> {
    pub(crate) pointer: String,
    pub(crate) value: T,
}

/// One request's members, as far as their types are right.
///
/// Its `Debug` would show numbers and text, so it has none.
#[derive(Default)]
pub(crate) struct Order {
    pub(crate) to: Vec<At<String>>,
    /// Asked for as a list: the answer is a list too.
    pub(crate) many: bool,
    pub(crate) from: Option<At<String>>,
    pub(crate) pool: Option<At<String>>,
    pub(crate) text: At<String>,
    pub(crate) media_urls: Vec<At<String>>,
    pub(crate) media_ids: Vec<At<String>>,
    pub(crate) kind: Option<At<String>>,
    pub(crate) intent: Option<At<String>>,
    pub(crate) ttl_s: Option<At<u64>>,
    pub(crate) not_before: Option<At<String>>,
    pub(crate) callback_url: Option<At<String>>,
    /// How it is called; only on Plivo's door.
    pub(crate) callback_method: Option<String>,
    pub(crate) dedup: Option<At<String>>,
    pub(crate) dedup_key: Option<At<String>>,
    pub(crate) tags: Vec<(String, String)>,
    /// Media are asked for by the door itself.
    pub(crate) media_required: bool,
    /// Text is asked for by the door itself, media or not.
    pub(crate) text_required: bool,
    /// What Plivo is to keep of it, where the app says so.
    pub(crate) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(crate) trackable: bool,
    /// Pointers of members that mean nothing here.
    pub(crate) unknown: Vec<String>,
    pub(crate) faults: Vec<Fault>,
}

impl<T> At<T> {
    pub(crate) fn new(pointer: impl Into<String>, value: T) -> Self {
        Self { pointer: pointer.into(), value }
    }
}

impl Order {
    /// The native form of `POST /v1/messages`.
    pub(crate) fn native(body: Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::of(body)?;
        let (to, many) = recipients(&mut fields, "to");
        let mut order = Self { to, many, ..Self::default() };
        order.from = member(&mut fields, "from");
        order.pool = member(&mut fields, "powerpack_uuid");
        order.text = member(&mut fields, "text").unwrap_or(At::new("/text", String::new()));
        order.media_urls = members(&mut fields, "media_urls");
        order.media_ids = members(&mut fields, "media_ids");
        order.kind = member(&mut fields, "type");
        order.intent = member(&mut fields, "intent");
        order.ttl_s = fields.count("ttl_s").map(|seconds| At::new("/ttl_s", seconds));
        order.not_before = member(&mut fields, "not_before");
        order.callback_url = member(&mut fields, "callback_url");
        order.dedup = member(&mut fields, "dedup");
        order.dedup_key = member(&mut fields, "dedup_key");
        order.tags = fields.pairs("tags");
        (order.unknown, order.faults) = fields.finish();
        Ok(order)
    }

    /// The seed's form of `POST /mms/send`: `{"recipient", "message", "mediaUrls"}`, all three needed.
    pub(crate) fn seed(body: Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::of(body)?;
        let (to, many) = recipients(&mut fields, "recipient");
        let mut order =
            Self { to, many, media_required: true, text_required: true, ..Self::default() };
        order.text = member(&mut fields, "message").unwrap_or(At::new("/message", String::new()));
        order.media_urls = members(&mut fields, "mediaUrls");
        (order.unknown, order.faults) = fields.finish();
        Ok(order)
    }

    /// Plivo's own form of `POST /v1/Account/{auth_id}/Message/`, with every SDK's ways: nulls and empty strings for
    /// what is not given, booleans as strings, `type` in any case, recipients joined with `<`.
    pub(crate) fn plivo(body: Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::of(body)?;
        let (to, many) = plivo_recipients(&mut fields);
        let mut order = Self { to, many, ..Self::default() };
        order.from = given(member(&mut fields, "src")).map(plivo_sender);
        order.pool = given(member(&mut fields, "powerpack_uuid"));
        // PHP's SDK sends the pool a second time under its own name.
        fields.take("powerpackUUID");
        order.text = member(&mut fields, "text").unwrap_or(At::new("/text", String::new()));
        order.media_urls = members(&mut fields, "media_urls");
        order.media_ids = members(&mut fields, "media_ids");
        order.kind = given(member(&mut fields, "type"));
        if let Some(kind) = &mut order.kind {
            kind.value.make_ascii_lowercase();
        }
        order.ttl_s = number_or_text(&mut fields, "message_expiry");
        order.callback_url = given(member(&mut fields, "url"));
        order.log = log(&mut fields);
        order.trackable = match fields.take("trackable") {
            Some(Value::Bool(trackable)) => trackable,
            Some(Value::String(word)) => word.eq_ignore_ascii_case("true"),
            _ => false,
        };
        order.callback_method = match fields.take("method") {
            Some(Value::String(method)) => Some(method),
            _ => None,
        };
        (order.unknown, order.faults) = fields.finish();
        Ok(order)
    }
}

fn member(fields: &mut Fields, name: &str) -> Option<At<String>> {
    fields.string(name).map(|value| At::new(format!("/{name}"), value))
}

fn members(fields: &mut Fields, name: &str) -> Vec<At<String>> {
    fields.strings(name).into_iter().map(|(pointer, value)| At::new(pointer, value)).collect()
}

fn given(member: Option<At<String>>) -> Option<At<String>> {
    member.filter(|at| !at.value.is_empty())
}

/// One recipient as a string, or several as an array.
fn recipients(fields: &mut Fields, name: &str) -> (Vec<At<String>>, bool) {
    let pointer = format!("/{name}");
    match fields.take(name) {
        None => {
            fields.fault(
                &pointer,
                "phone.missing",
                "is missing; give the recipient in E.164, such as +14155550123",
            );
            (Vec::new(), false)
        }
        Some(Value::String(number)) => (vec![At::new(pointer, number)], false),
        Some(Value::Array(items)) if items.is_empty() => {
            fields.fault(
                &pointer,
                "phone.missing",
                "is an empty array; give at least one recipient",
            );
            (Vec::new(), true)
        }
        Some(Value::Array(items)) => (entries(fields, &pointer, items), true),
        Some(other) => {
            let detail = format!(
                "is {}; send a string: a number loses its plus sign and digits",
                json::kind(&other)
            );
            fields.fault(&pointer, "body.wrong_type", detail);
            (Vec::new(), false)
        }
    }
}

/// The strings of an array, each with its pointer; entries of another type are faults and left out.
fn entries(fields: &mut Fields, pointer: &str, items: Vec<Value>) -> Vec<At<String>> {
    let mut strings = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        match item {
            Value::String(text) => strings.push(At::new(pointer, text)),
            other => {
                let detail = format!("is {}; send a string", json::kind(&other));
                fields.fault(pointer, "body.wrong_type", detail);
            }
        }
    }
    strings
}

/// `dst`: a string, with `<` between several, or an array as some clients send it. Plivo drops separators and a
/// missing plus sign silently (its "Messages" API page), so both are mended here the same way.
fn plivo_recipients(fields: &mut Fields) -> (Vec<At<String>>, bool) {
    // How many entries stand in it, and those that are strings.
    let (count, numbers) = match fields.take("dst") {
        Some(Value::String(text)) if text.trim_start().starts_with('[') => {
            let detail = "is the text of a list, as Python's str() writes it; join the numbers with '<' instead";
            fields.fault("/dst", "phone.multiple", detail);
            return (Vec::new(), false);
        }
        Some(Value::String(text)) if text.contains('<') => {
            let numbers: Vec<_> =
                text.split('<').map(|number| At::new("/dst", number.to_owned())).collect();
            (numbers.len(), numbers)
        }
        Some(Value::Array(items)) => (items.len(), entries(fields, "/dst", items)),
        Some(Value::String(text)) => return (vec![At::new("/dst", plivo_number(&text))], false),
        Some(other) => {
            let detail = format!("is {}; send a string", json::kind(&other));
            fields.fault("/dst", "body.wrong_type", detail);
            return (Vec::new(), false);
        }
        None => (0, Vec::new()),
    };
    let all_read = numbers.len() == count;
    let mut known = HashSet::new();
    let to: Vec<At<String>> = numbers
        .into_iter()
        .filter(|at| !at.value.is_empty())
        .map(|at| At::new(at.pointer, plivo_number(&at.value)))
        .filter(|at| known.insert(at.value.clone()))
        .collect();
    if to.is_empty() && all_read {
        fields.fault("/dst", "phone.missing", "dst parameter is missing");
    }
    (to, count > 1)
}

/// `src`: more digits than a short code has are a number, whose plus sign Plivo lets be left out.
fn plivo_sender(mut src: At<String>) -> At<String> {
    let number = plivo_number(&src.value);
    let digits = number.trim_start_matches('+');
    if digits.len() > 8 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        src.value = number;
    }
    src
}

/// Digits with a plus sign, of a number as Plivo lets it be written.
fn plivo_number(text: &str) -> String {
    let bare: String =
        text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    if bare.starts_with('+') { bare } else { format!("+{bare}") }
}

/// A whole number, as a JSON number or as digits in a string.
fn number_or_text(fields: &mut Fields, name: &str) -> Option<At<u64>> {
    let pointer = format!("/{name}");
    let number = match fields.take(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    if number.is_none() {
        fields.fault(&pointer, "body.wrong_type", "is not a whole number of seconds");
    }
    number.map(|seconds| At::new(pointer, seconds))
}

/// `log`, as a boolean or one of Plivo's words: an app that asks for privacy gets it, or is told that it does not.
fn log(fields: &mut Fields) -> Option<Log> {
    let word = match fields.take("log")? {
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::String(word) => word.to_ascii_lowercase(),
        other => json::kind(&other).to_owned(),
    };
    match word.as_str() {
        "" => None,
        "true" => Some(Log::Everything),
        "false" => Some(Log::Nothing),
        "content_only" => Some(Log::ContentOnly),
        "number_only" => Some(Log::NumberOnly),
        _ => {
            fields.fault(
                "/log",
                "body.bad_log",
                "is none of true, false, content_only, number_only",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Log, Order};

    /// Recipients, and pointers and codes of the faults.
    fn read(dst: &Value) -> (Vec<String>, Vec<(String, String)>) {
        let body = json!({"dst": dst, "src": "14150000001", "text": "x"});
        let order = Order::plivo(body).unwrap_or_else(|faults| panic!("{faults:?}"));
        let to = order.to.into_iter().map(|at| at.value).collect();
        (to, order.faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect())
    }

    #[test]
    fn an_entry_of_dst_that_is_no_string_is_a_fault_where_it_stands() {
        for (dst, to, faulty) in [
            (json!(["14150000002", 14150000003_u64]), vec!["+14150000002"], vec!["/dst/1"]),
            (json!([null, "14150000002", {}]), vec!["+14150000002"], vec!["/dst/0", "/dst/2"]),
            (json!([["14150000002"]]), vec![], vec!["/dst/0"]),
        ] {
            let faults: Vec<(String, String)> =
                faulty.iter().map(|at| ((*at).to_owned(), "body.wrong_type".to_owned())).collect();
            let to: Vec<String> = to.into_iter().map(str::to_owned).collect();
            assert_eq!(read(&dst), (to, faults), "{dst}");
        }
    }

    #[test]
    fn a_dst_without_a_number_is_missing() {
        let missing = vec![("/dst".to_owned(), "phone.missing".to_owned())];
        for dst in [json!(null), json!([]), json!([""]), json!("<")] {
            assert_eq!(read(&dst), (vec![], missing.clone()), "{dst}");
        }
    }

    #[test]
    fn a_number_that_stands_twice_in_dst_is_one_recipient() {
        for dst in [
            json!("14150000002<+14150000002<14150000003"),
            json!(["14150000002", "+14150000002", "14150000003"]),
        ] {
            let to = vec!["+14150000002".to_owned(), "+14150000003".to_owned()];
            assert_eq!(read(&dst), (to, vec![]), "{dst}");
        }
    }

    #[test]
    fn a_wish_for_privacy_is_kept_in_every_spelling_and_nonsense_is_refused() {
        let read = |log: serde_json::Value| {
            let body = serde_json::json!({"src": "14155551212", "dst": "14155550123", "text": "x", "log": log});
            Order::plivo(body).unwrap()
        };
        for (log, wanted) in [
            (false.into(), Some(Log::Nothing)),
            ("False".into(), Some(Log::Nothing)),
            (true.into(), Some(Log::Everything)),
            ("content_only".into(), Some(Log::ContentOnly)),
            ("".into(), None),
            (serde_json::Value::Null, None),
        ] {
            let order = read(log);
            assert_eq!((order.log, order.faults.len()), (wanted, 0));
        }
        for log in [7.into(), "none".into()] {
            assert_eq!(read(log).faults[0].code, "body.bad_log");
        }
    }
}
