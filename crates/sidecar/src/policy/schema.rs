//! A settings schema as people read it.

use serde_json::{Map, Value};

/// A setting as the schema describes it.
pub(super) struct Setting<'a> {
    pub(super) name: &'a str,
    /// Its type, or the words to choose from.
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) default: Option<&'a Value>,
    /// The first line of its description.
    pub(super) about: &'a str,
    /// A value of its type that says nothing yet.
    pub(super) empty: String,
}

/// The settings at the top of `schema`, in its order.
pub(super) fn settings(schema: &Value) -> Vec<Setting<'_>> {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, described)| {
            let meant = resolved(schema, described);
            let about = [described, meant].iter().find_map(|part| part["description"].as_str());
            Setting {
                name,
                kind: kind(schema, meant),
                required: required.iter().any(|each| each == name),
                default: described.get("default").filter(|default| !default.is_null()),
                about: about.and_then(|about| about.lines().next()).unwrap_or_default(),
                empty: empty(meant),
            }
        })
        .collect()
}

/// What `described` stands for: the definition it refers to, or the one choice besides nothing at all.
fn resolved<'a>(schema: &'a Value, described: &'a Value) -> &'a Value {
    if let Some(name) = described["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/")) {
        return &schema["$defs"][name];
    }
    let choices = described["anyOf"].as_array().into_iter().flatten();
    let mut choices = choices.filter(|choice| choice["type"] != "null");
    match (choices.next(), choices.next()) {
        (Some(only), None) => resolved(schema, only),
        _ => described,
    }
}

fn kind(schema: &Value, meant: &Value) -> String {
    let words = words(meant);
    match &meant["type"] {
        _ if !words.is_empty() => words.join(", "),
        Value::String(word) if word == "array" => {
            format!("array of {}", kind(schema, resolved(schema, &meant["items"])))
        }
        Value::String(word) => word.clone(),
        Value::Array(words) => {
            let words = words.iter().filter_map(Value::as_str).filter(|word| *word != "null");
            words.collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

/// The words to choose from: an `enum`, or a `oneOf` of constants.
fn words(meant: &Value) -> Vec<String> {
    let listed = meant["enum"].as_array().into_iter().flatten();
    let each = meant["oneOf"].as_array().into_iter().flatten();
    let each = each.flat_map(|choice| {
        let listed = choice["enum"].as_array().into_iter().flatten();
        choice.get("const").into_iter().chain(listed)
    });
    listed.chain(each).map(Value::to_string).collect()
}

fn empty(meant: &Value) -> String {
    if let Some(word) = words(meant).first() {
        return word.clone();
    }
    let word = match meant["type"].as_str() {
        Some("string") => "\"\"",
        Some("integer" | "number") => "0",
        Some("boolean") => "false",
        Some("array") => "[]",
        _ => "{}",
    };
    word.to_owned()
}

/// A JSON value as TOML writes it in one line; what is null is left out.
pub(super) fn toml(value: &Value) -> String {
    let table = |members: &Map<String, Value>| {
        let set = members.iter().filter(|(_, value)| !value.is_null());
        let set: Vec<_> =
            set.map(|(name, value)| format!("{} = {}", key(name), toml(value))).collect();
        if set.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", set.join(", ")) }
    };
    match value {
        Value::Array(values) => {
            format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => table(members),
        // JSON's escapes are TOML's.
        plain => plain.to_string(),
    }
}

/// A name as TOML's key.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{settings, toml};

    #[test]
    fn a_setting_is_told_by_its_type_its_words_and_what_it_refers_to() {
        let schema = json!({
            "required": ["words"],
            "properties": {
                "words": { "type": "array", "items": { "type": "string" }, "description": "None may be there.\nMore." },
                "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }], "default": "flag" },
                "most": { "type": ["integer", "null"], "default": null },
            },
            "$defs": { "Mode": {
                "description": "What follows.",
                "oneOf": [{ "const": "reject" }, { "type": "string", "enum": ["flag"] }],
            } },
        });
        let told: Vec<_> = settings(&schema)
            .into_iter()
            .map(|s| format!("{} ({}) {} {:?} {}", s.name, s.kind, s.required, s.default, s.empty))
            .collect();
        assert_eq!(
            told,
            [
                r#"mode ("reject", "flag") false Some(String("flag")) "reject""#,
                "most (integer) false None {}",
                "words (array of string) true None []",
            ]
        );
        let about: Vec<_> = settings(&schema).iter().map(|setting| setting.about).collect();
        assert_eq!(about, ["What follows.", "", "None may be there."]);
    }

    #[test]
    fn json_becomes_toml_on_one_line() {
        let value = json!({ "a b": [1, 2.5, true], "none": null, "in": { "text": "say \"no\"\n" }, "empty": {} });
        assert_eq!(
            toml(&value),
            r#"{ "a b" = [1, 2.5, true], empty = {}, in = { text = "say \"no\"\n" } }"#
        );
    }
}
