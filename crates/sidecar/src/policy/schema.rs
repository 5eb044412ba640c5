//! A settings schema as people read it.

use serde_json::{Map, Value};

/// Most tables within tables that are told apart.
const DEPTH: usize = 4;

/// A setting as the schema describes it.
pub(super) struct Setting<'a> {
    pub(super) name: &'a str,
    /// Its type, or the words to choose from.
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) default: Option<&'a Value>,
    /// The first paragraph of its description, in one line.
    pub(super) about: String,
    /// A value of its type that says nothing yet.
    pub(super) empty: String,
}

/// The settings at the top of `schema`, in its order.
pub(super) fn settings(schema: &Value) -> Vec<Setting<'_>> {
    members(schema, schema)
}

fn members<'a>(schema: &'a Value, within: &'a Value) -> Vec<Setting<'a>> {
    let required = within["required"].as_array().map_or(&[][..], Vec::as_slice);
    let properties = within["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, described)| {
            let meant = resolved(schema, described);
            let about = [described, meant].iter().find_map(|part| part["description"].as_str());
            Setting {
                name,
                kind: kind(schema, meant),
                required: required.iter().any(|each| each == name),
                default: described.get("default").filter(|default| !default.is_null()),
                about: about.map(paragraph).unwrap_or_default(),
                empty: empty(meant),
            }
        })
        .collect()
}

fn paragraph(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// The settings at the top of `schema`, each with those below it behind it: by its path, such as `limits[].name`.
pub(super) fn every(schema: &Value) -> Vec<(String, Setting<'_>)> {
    let mut all = Vec::new();
    below(schema, schema, "", &mut all);
    all
}

fn below<'a>(
    schema: &'a Value,
    within: &'a Value,
    path: &str,
    all: &mut Vec<(String, Setting<'a>)>,
) {
    for setting in members(schema, within) {
        let mut path = format!("{path}{}", setting.name);
        let mut meant = resolved(schema, &within["properties"][setting.name]);
        all.push((path.clone(), setting));
        while meant["type"] == "array" {
            path.push_str("[]");
            meant = resolved(schema, &meant["items"]);
        }
        // A schema may lead back to itself.
        if path.matches('.').count() < DEPTH {
            below(schema, meant, &format!("{path}."), all);
        }
    }
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
    let least = |key: &str| meant[key].as_u64().unwrap_or(0);
    match meant["type"].as_str() {
        // The least that the schema takes, so that it loads and is seen to be filled in.
        Some("string") => format!("{:?}", "x".repeat(least("minLength").min(64) as usize)),
        Some("integer" | "number") => least("minimum").to_string(),
        Some("boolean") => "false".to_owned(),
        Some("array") => "[]".to_owned(),
        _ => "{}".to_owned(),
    }
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

    use super::{every, settings, toml};

    #[test]
    fn a_setting_is_told_by_its_type_its_words_and_what_it_refers_to() {
        let schema = json!({
            "required": ["words"],
            "properties": {
                "words": { "type": "array", "items": { "type": "string" }, "description": "None may\n be there.\n\nMore." },
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
        let about: Vec<_> = settings(&schema).into_iter().map(|setting| setting.about).collect();
        assert_eq!(about, ["What follows.", "", "None may be there."]);
    }

    #[test]
    fn what_stands_below_a_setting_is_told_by_its_path_and_what_leads_back_to_itself_ends() {
        let schema = json!({
            "properties": {
                "limits": { "type": "array", "items": { "$ref": "#/$defs/Limit" } },
                "salt": { "type": "string", "minLength": 2 },
            },
            "$defs": { "Limit": { "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string" },
                "then": { "anyOf": [{ "$ref": "#/$defs/Limit" }, { "type": "null" }] },
            } } },
        });
        let every = every(&schema);
        let paths: Vec<&str> = every.iter().map(|(path, _)| path.as_str()).collect();
        let first = ["limits", "limits[].name", "limits[].then", "limits[].then.name"];
        assert_eq!(paths[..4], first);
        assert_eq!((paths.len(), paths.last()), (10, Some(&"salt")), "{paths:?}");
        assert_eq!(every[9].1.empty, "\"xx\"");
        assert!(every[1].1.required);
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
