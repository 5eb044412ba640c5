//! Settings held against the schema that a policy publishes, before the policy sees them.

use jsonschema::{Draft, PatternOptions};
use serde_json::Value;

use crate::error::{LoadFault, Problem};

/// Most problems told at once.
const PROBLEMS: usize = 64;

/// Every problem that `schema` (JSON Schema 2020-12; empty where the policy has none) has with `settings`.
///
/// # Errors
///
/// [`LoadFault::Schema`] where the schema itself is broken, or reaches outside itself.
pub(crate) fn problems(schema: &str, settings: &Value) -> Result<Vec<Problem>, LoadFault> {
    if schema.is_empty() {
        return Ok(Vec::new());
    }
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| LoadFault::Schema(error.into()))?;
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        // Linear in the input, whatever the pattern.
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| LoadFault::Schema(error.to_owned().into()))?;
    let found = validator.iter_errors(settings).take(PROBLEMS).map(|error| Problem {
        pointer: error.instance_path().to_string(),
        // Settings may hold secrets: the value stays out.
        detail: error.masked_with("the value").to_string(),
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::{LoadFault, problems};

    const SCHEMA: &str = r#"{
        "type": "object",
        "properties": {
            "allow": { "type": "array", "items": { "type": "string" } },
            "window_s": { "type": "integer", "minimum": 0 }
        },
        "additionalProperties": false
    }"#;

    #[test]
    fn every_problem_is_found_with_its_pointer_and_without_its_value() {
        let settings = json!({ "allow": ["US", 4155550123u64], "window_s": -7, "extra": 1 });
        let found = problems(SCHEMA, &settings).unwrap();
        let mut pointers: Vec<_> = found.iter().map(|problem| problem.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/allow/1", "/window_s"]);
        assert!(!found.iter().any(|problem| problem.detail.contains("4155550123")), "{found:?}");
    }

    #[test]
    fn fitting_settings_and_a_policy_without_a_schema_have_no_problems() {
        assert_eq!(problems(SCHEMA, &json!({ "allow": [] })).unwrap(), []);
        assert_eq!(problems("", &json!({ "anything": true })).unwrap(), []);
    }

    #[test]
    fn a_broken_schema_or_one_that_points_elsewhere_is_the_policys_fault() {
        for schema in ["{", r#"{ "type": 7 }"#, r#"{ "$ref": "https://example.com/schema.json" }"#]
        {
            let fault = problems(schema, &json!({})).unwrap_err();
            assert!(matches!(fault, LoadFault::Schema(_)), "{schema}: {fault:?}");
        }
    }
}
