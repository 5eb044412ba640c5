//! Plivo's own form, as its seven official SDKs write it.

use std::collections::HashSet;

use plivo_client::{Dlt, Log};
use serde_json::Value;

use super::{At, Json, Order, To, entries, json, member, members, ttl_is};
use crate::gateway::faults::Faults;
use crate::gateway::fields::Fields;
use crate::whole::whole;

/// Members that ask for what is not done here, with the reason.
const NOT_SERVED: [(&str, &str); 5] = [
    ("template", "is WhatsApp's, and only sms and mms are sent here; leave it out"),
    ("interactive", "is WhatsApp's, and only sms and mms are sent here; leave it out"),
    ("location", "is WhatsApp's, and only sms and mms are sent here; leave it out"),
    (
        "callback_url",
        "asks for the answer by a call, and it is only given here; reports go to `url`",
    ),
    ("callback_method", "asks for the answer by a call, and it is only given here; leave it out"),
];

/// How a number is written here, where the native door's form is another.
const ADVICE: [(&str, &str); 2] = [
    (
        "phone.not_e164",
        "is no number: 7 to 14 digits from the country code on, with or without a plus sign, such as 14155550123; '<' \
         stands between several",
    ),
    ("phone.multiple", "names more than one recipient; join the numbers with '<'"),
];

/// Most characters of a regulator's id. Those seen have 19 digits; no form is published.
const DLT_ID_CHARS: usize = 64;

impl Order {
    /// Plivo's own form of `POST /v1/Account/{auth_id}/Message/`, with every SDK's ways: nulls and empty strings for
    /// what is not given, booleans as strings, `type` in any case, recipients joined with `<`. Each of Plivo's members
    /// is passed on, served here, or refused by name (plivo-api.md 1.2).
    pub(in crate::gateway) fn plivo(body: Json) -> Result<Self, Faults> {
        let mut fields = Fields::of(body)?;
        fields.drop_empty();
        let (to, many) = plivo_recipients(&mut fields);
        let mut order = Self { to, many, ..Self::default() };
        order.from = member(&mut fields, "src").map(plivo_sender);
        order.pool = member(&mut fields, "powerpack_uuid");
        // PHP's SDK sends the pool a second time under its own name.
        fields.take("powerpackUUID");
        order.text = member(&mut fields, "text").unwrap_or(At::new("/text", String::new()));
        order.media_urls = members(&mut fields, "media_urls");
        order.media_ids = members(&mut fields, "media_ids");
        order.kind = member(&mut fields, "type");
        if let Some(kind) = &mut order.kind {
            kind.value.make_ascii_lowercase();
        }
        order.ttl_s = number_or_text(&mut fields, "message_expiry");
        order.callback_url = member(&mut fields, "url");
        order.callback_method =
            one_of(&mut fields, "method", &["get", "post"], "body.bad_callback_method");
        order.log = log(&mut fields);
        order.trackable = flag(&mut fields, "trackable");
        order.dlt = dlt(&mut fields);
        for (name, why) in NOT_SERVED {
            if fields.take(name).is_some() {
                fields.fault(format!("/{name}"), "body.not_served", why);
            }
        }
        (order.unknown, order.faults) = fields.finish();
        Ok(order)
    }
}

/// `dst`: a string, with `<` between several, or an array as some clients send it. Plivo drops separators and a
/// missing plus sign silently (its "Messages" API page), so both are mended here the same way.
fn plivo_recipients(fields: &mut Fields) -> (Vec<To>, bool) {
    // How many entries stand in it, and those that are strings.
    let (count, numbers) = match fields.take("dst") {
        Some(Value::String(text)) if text.trim_start().starts_with('[') => {
            let detail = "is the text of a list, as Python's str() writes it; join the numbers with '<' instead";
            fields.fault("/dst", "phone.multiple", detail);
            return (Vec::new(), false);
        }
        Some(Value::String(text)) if text.contains('<') => {
            let numbers: Vec<_> =
                text.split('<').map(|number| To::new("/dst", number.to_owned())).collect();
            (numbers.len(), numbers)
        }
        Some(Value::Array(items)) => (items.len(), entries(fields, "/dst", items)),
        Some(Value::String(text)) => return (vec![mended(To::new("/dst", text))], false),
        Some(other) => {
            let detail = format!("is {}; send a string", json::kind(&other));
            fields.fault("/dst", "body.wrong_type", detail);
            return (Vec::new(), false);
        }
        None => (0, Vec::new()),
    };
    let all_read = numbers.len() == count;
    let mut known = HashSet::new();
    let to: Vec<To> = numbers
        .into_iter()
        .filter(|at| !at.given.is_empty())
        .map(mended)
        .filter(|at| known.insert(at.value.clone()))
        .collect();
    if to.is_empty() && all_read {
        fields.fault("/dst", "phone.missing", "parameter is missing");
    }
    (to, count > 1)
}

fn mended(to: To) -> To {
    To { value: plivo_number(&to.given), advice: &ADVICE, ..to }
}

/// `src`: Plivo takes out all but letters and digits (plivo-api.md 1.2). More digits than a short code has are a number,
/// whose plus sign it lets be left out.
fn plivo_sender(mut src: At<String>) -> At<String> {
    let kept: String = src.value.chars().filter(char::is_ascii_alphanumeric).collect();
    if kept.len() > 8 && kept.bytes().all(|byte| byte.is_ascii_digit()) {
        src.value = format!("+{kept}");
    } else if !kept.is_empty() {
        src.value = kept;
    }
    src
}

/// Digits with a plus sign, of a number as Plivo lets it be written. Whole numbers on both sides of a stroke are several.
fn plivo_number(text: &str) -> String {
    let is_whole = |part: &&str| part.bytes().filter(u8::is_ascii_digit).nth(6).is_some();
    let is_list = text.split('/').filter(is_whole).count() > 1;
    let stays =
        |c: &char| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/') || (*c == '/' && is_list);
    let bare: String = text.chars().filter(stays).collect();
    if bare.starts_with('+') { bare } else { format!("+{bare}") }
}

/// A whole number, as a JSON number or as digits in a string.
fn number_or_text(fields: &mut Fields, name: &str) -> Option<At<u64>> {
    let pointer = format!("/{name}");
    let number = match fields.take(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => whole(&text),
        _ => None,
    };
    if number.is_none() {
        fields.fault(&pointer, "body.wrong_type", format!("is not {}", ttl_is()));
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

/// One of `words`, in any case.
fn one_of(fields: &mut Fields, name: &str, words: &[&str], code: &str) -> Option<String> {
    let word = fields.string(name)?.to_ascii_lowercase();
    if !words.contains(&word.as_str()) {
        let detail = format!("is none of {}", words.join(", "));
        fields.fault(format!("/{name}"), code, detail);
    }
    Some(word)
}

/// A boolean, or its word in any case.
fn flag(fields: &mut Fields, name: &str) -> bool {
    let given = fields.take(name);
    let flag = match &given {
        None => Some(false),
        Some(Value::Bool(flag)) => Some(*flag),
        Some(Value::String(word)) => word.to_ascii_lowercase().parse().ok(),
        Some(_) => None,
    };
    if flag.is_none() {
        fields.fault(format!("/{name}"), "body.wrong_type", "is neither true nor false");
    }
    flag.unwrap_or(false)
}

/// What India's regulator is told; none where nothing is.
fn dlt(fields: &mut Fields) -> Option<Dlt> {
    let mut id = |name: &str| {
        let id = fields.string(name)?;
        let fits = id.len() <= DLT_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let detail = "is no id: 1 to 64 visible ASCII characters, as the regulator gave it";
            fields.fault(format!("/{name}"), "body.bad_dlt", detail);
        }
        Some(id)
    };
    let (entity_id, template_id) = (id("dlt_entity_id"), id("dlt_template_id"));
    let template_category =
        one_of(fields, "dlt_template_category", &Dlt::CATEGORIES, "body.bad_dlt");
    let dlt = Dlt { entity_id, template_id, template_category };
    (dlt != Dlt::default()).then_some(dlt)
}

#[cfg(test)]
mod tests {
    use message::Fault;
    use serde_json::{Value, json};

    use super::{Json, Log, Order};
    use crate::gateway::faults::Faults;

    fn plain(value: Value) -> Json {
        Json { value, duplicates: Faults::default() }
    }

    /// Recipients, and pointers and codes of the faults.
    fn read(dst: &Value) -> (Vec<String>, Vec<(String, String)>) {
        let body = json!({"dst": dst, "src": "14150000001", "text": "x"});
        let order = Order::plivo(plain(body)).unwrap_or_else(|faults| panic!("{faults:?}"));
        let to = order.to.into_iter().map(|at| at.value).collect();
        let said = |fault: &Fault| (fault.pointer.clone(), fault.code.clone());
        (to, order.faults.told().iter().map(said).collect())
    }

    #[test]
    fn a_stroke_groups_digits_and_parts_whole_numbers() {
        assert_eq!(read(&json!("1/415/000 0002")).0, ["+14150000002"]);
        assert_eq!(read(&json!("14150000002/14150000003")).0, ["+14150000002/14150000003"]);
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
            Order::plivo(plain(body)).unwrap()
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
            assert_eq!((order.log, order.faults.told().len()), (wanted, 0));
        }
        for log in [7.into(), "none".into()] {
            assert_eq!(read(log).faults.told()[0].code, "body.bad_log");
        }
    }
}
