//! Settings held against the schema that a policy publishes, before the policy sees them.

mod words;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError};
use serde_json::Value;

use crate::error::{LoadFault, Problem};

pub(crate) use words::Known;

/// Most problems told at once.
const PROBLEMS: usize = 64;

/// Every problem that `schema` (JSON Schema 2020-12; empty where the policy has none) has with `settings`. What the
/// schema leaves to the host, it is `known` that answers: see `words.rs`.
///
/// # Errors
///
/// [`LoadFault::Schema`] where the schema itself is broken, or reaches outside itself.
pub(crate) fn problems(
    schema: &str,
    settings: &Value,
    known: &Known,
) -> Result<Vec<Problem>, LoadFault> {
    if schema.is_empty() {
        return Ok(Vec::new());
    }
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| LoadFault::Schema(error.into()))?;
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        // Linear in the input, whatever the pattern.
        .with_pattern_options(PatternOptions::regex());
    let validator = known
        .teach(options)
        .build(&schema)
        .map_err(|error| LoadFault::Schema(error.to_owned().into()))?;
    Ok(validator.iter_errors(settings).take(PROBLEMS).map(|error| problem(&error)).collect())
}

fn problem(error: &ValidationError<'_>) -> Problem {
    let pointer = error.instance_path().to_string();
    match error.kind() {
        // The key of a table: what is wrong with it is told at its own place.
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            let name = name.replace('~', "~0").replace('/', "~1");
            Problem { pointer: format!("{pointer}/{name}"), detail: detail(error) }
        }
        _ => Problem { pointer, detail: detail(error) },
    }
}

fn detail(error: &ValidationError<'_>) -> String {
    let known = match error.kind() {
        ValidationErrorKind::Format { format } => words::detail(format),
        _ => None,
    };
    // Settings may hold secrets: the value stays out.
    known.map_or_else(|| error.masked_with("the value").to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
