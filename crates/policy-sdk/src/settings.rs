use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::{Problem, problem};

/// Reads the settings that the host passes as JSON.
///
/// # Errors
///
/// The first fault, at its JSON pointer.
pub(crate) fn read<S: DeserializeOwned>(json: &str) -> Result<S, Problem> {
    // By way of a value, so that messages do not speak of lines and columns of a text that nobody wrote.
    let value: Value = serde_json::from_str(json)
        .map_err(|error| problem("", format!("the settings are not JSON: {error}")))?;
    serde_path_to_error::deserialize(value)
        .map_err(|error| problem(pointer(error.path()), error.inner().to_string()))
}

/// The JSON Schema (2020-12) of the settings, which also says whether the policy wants to be asked again before a late
/// call.
pub(crate) fn schema<S: JsonSchema>(asked_again: bool) -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<S>();
    if asked_again {
        schema.insert("x-asked-again".to_owned(), true.into());
    }
    serde_json::to_string(schema.as_value()).expect("a JSON value is JSON")
}

/// RFC 6901: `~` and `/` inside a name are escaped.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // An enum's variant is no level of the JSON unless it is a map's key, which comes as `Map`.
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::Value;

    use super::{read, schema};

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        /// Each with its own quota.
        #[serde(default)]
        limits: Vec<Limit>,
        #[serde(default)]
        by_name: BTreeMap<String, Limit>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Limit {
        #[expect(dead_code, reason = "only read")]
        quota: u32,
    }

    fn fault(json: &str) -> (String, String) {
        let problem = read::<Settings>(json).expect_err("these settings do not fit");
        (problem.pointer, problem.detail)
    }

    #[test]
    fn a_wrong_type_is_found_at_its_json_pointer() {
        let (pointer, detail) = fault(r#"{"limits": [{"quota": 1}, {"quota": "ten"}]}"#);
        assert_eq!(pointer, "/limits/1/quota", "{detail}");
        assert!(detail.contains("expected u32"), "{detail}");
    }

    #[test]
    fn an_unknown_setting_is_named_and_a_name_with_a_slash_is_escaped() {
        let (pointer, detail) = fault(r#"{"by_name": {"a/b": {"quota": 1, "qouta": 2}}}"#);
        assert_eq!(pointer, "/by_name/a~1b/qouta", "{detail}");
        assert!(detail.contains("unknown field `qouta`"), "{detail}");
    }

    #[test]
    fn what_is_not_json_is_a_problem_of_the_whole() {
        assert_eq!(fault("{").0, "");
    }

    #[test]
    fn settings_that_fit_are_read() {
        let settings: Settings = read(r#"{"limits": [{"quota": 3}]}"#).expect("settings that fit");
        assert_eq!((settings.limits.len(), settings.by_name.len()), (1, 0));
    }

    #[test]
    fn the_schema_says_which_draft_it_is_and_forbids_unknown_settings() {
        let schema = schema::<Settings>(false);
        for part in ["2020-12", r#""additionalProperties":false"#, "Each with its own quota."] {
            assert!(schema.contains(part), "{part} is not in {schema}");
        }
    }

    #[test]
    fn the_schema_of_a_policy_that_is_asked_again_says_so_at_its_top() {
        let top = |asked_again| {
            let schema: Value =
                serde_json::from_str(&schema::<Settings>(asked_again)).expect("JSON");
            schema["x-asked-again"].clone()
        };
        assert_eq!((top(true), top(false)), (true.into(), Value::Null));
    }
}
