//! JSON as TOML, so that tests write settings in one notation.

use serde_json::{Map, Value};

/// One value in one line.
///
/// JSON's strings are TOML's basic strings, and what is null is left out.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let members: Vec<String> = members.map(|(key, value)| pair(key, value)).collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// A table's lines, without its heading.
pub(super) fn lines(table: &Map<String, Value>) -> String {
    let lines = table.iter().filter(|(_, value)| !value.is_null());
    lines.map(|(key, value)| pair(key, value) + "\n").collect()
}

fn pair(key: &str, value: &Value) -> String {
    format!("{} = {}", Value::from(key), inline(value))
}
