//! Settings held against the schema that a policy publishes, before the policy sees them.

mod sound;
mod words;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{Draft, JsonType, PatternOptions, ValidationError};
use serde_json::Value;

use crate::error::{LoadFault, Problem};

pub(crate) use sound::{attempts, certain};
pub(crate) use words::{Known, asked_again};

use words::{WHOLE, whole};

/// Most problems told at once.
const PROBLEMS: usize = 64;

/// What is wrong with settings by their schema.
pub(crate) struct Found {
    pub(crate) problem: Problem,
    /// Where something else would mend it, as a pointer: its own, or that of a member that is missing.
    pub(crate) place: String,
    /// Values that would fit there, as far as the schema names some: all of a choice, or one.
    pub(crate) instead: Vec<Value>,
    /// The whole number that is meant, where it is written as a float: what else is wrong is told of that.
    meant: Option<Value>,
}

impl Found {
    fn new(pointer: String, detail: String, instead: Vec<Value>) -> Self {
        let place = pointer.clone();
        Self { place, problem: Problem { pointer, detail }, instead, meant: None }
    }
}

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
) -> Result<Vec<Found>, LoadFault> {
    if schema.is_empty() {
        return Ok(Vec::new());
    }
    let mut schema: Value =
        serde_json::from_str(schema).map_err(|error| LoadFault::Schema(error.into()))?;
    words::hold_integers(&mut schema);
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        // Linear in the input, whatever the pattern.
        .with_pattern_options(PatternOptions::regex());
    let validator = known
        .teach(options)
        .build(&schema)
        .map_err(|error| LoadFault::Schema(error.to_owned().into()))?;
    let mut found = Vec::new();
    let errors: Vec<_> = validator.iter_errors(settings).collect();
    tell_all(&errors, &mut found);
    found.truncate(PROBLEMS);
    Ok(found)
}

/// `settings` with the whole numbers that are meant in the place of floats.
pub(crate) fn as_meant(mut settings: Value, found: &[Found]) -> Value {
    for Found { place, meant, .. } in found {
        if let Some((value, meant)) = settings.pointer_mut(place).zip(meant.as_ref()) {
            value.clone_from(meant);
        }
    }
    settings
}

/// As [`tell`]. What is none of the words to choose from is not told to be of another type than these as well.
fn tell_all(errors: &[ValidationError<'_>], found: &mut Vec<Found>) {
    let chooses = |error: &ValidationError<'_>| {
        matches!(error.kind(), Kind::Enum { .. } | Kind::Constant { .. })
    };
    let said = |error: &&ValidationError<'_>| {
        let place = error.instance_path();
        let is_of_type = matches!(error.kind(), Kind::Type { .. });
        is_of_type && errors.iter().any(|other| chooses(other) && other.instance_path() == place)
    };
    errors.iter().filter(|error| !said(error)).for_each(|error| tell(error, found));
}

/// Puts what a person can act on into `found`: the member that is too much, and of a choice the words to choose from.
fn tell(error: &ValidationError<'_>, found: &mut Vec<Found>) {
    let pointer = error.instance_path().to_string();
    let plain = |pointer: String, detail| Found::new(pointer, detail, Vec::new());
    match error.kind() {
        // The key of a table: what is wrong with it is told at its own place.
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            found.push(plain(below(&pointer, name), detail(error)));
        }
        Kind::AdditionalProperties { unexpected } => {
            let unknown =
                |name: &String| plain(below(&pointer, name), "there is no such setting".to_owned());
            found.extend(unexpected.iter().map(unknown));
        }
        // Of what has no settings at all, the whole is refused.
        Kind::FalseSchema => {
            let names = error.instance().as_object().into_iter().flat_map(|table| table.keys());
            let unknown =
                |name: &String| plain(below(&pointer, name), "there is no such setting".to_owned());
            found.extend(names.map(unknown));
            if found.is_empty() {
                found.push(plain(pointer, "may not be there".to_owned()));
            }
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            // "Or nothing at all" helps nobody who wrote something.
            let is_null = |choice: &&Vec<_>| matches!(&choice[..], [only] if is_null(only));
            let mut choices = context.iter().filter(|choice| !is_null(choice));
            match (choices.next(), choices.next()) {
                (Some(only), None) => tell_all(only, found),
                _ => {
                    let instead = choice(context).unwrap_or_default();
                    let detail = match instead.is_empty() {
                        true => detail(error),
                        false => choice_of(instead.iter()),
                    };
                    found.push(Found::new(pointer, detail, instead));
                }
            }
        }
        Kind::Required { property } => {
            // What fits is told by what is then wrong with nothing at all.
            let place = below(&pointer, property.as_str().unwrap_or_default());
            let missing = Found::new(pointer, detail(error), vec![Value::Null]);
            found.push(Found { place, ..missing });
        }
        kind => {
            let meant = match kind {
                Kind::Custom { keyword, .. } if keyword == WHOLE => whole(error.instance()),
                _ => None,
            };
            let instead = meant.clone().map_or_else(|| fitting(kind), |meant| vec![meant]);
            found.push(Found { meant, ..Found::new(pointer, detail(error), instead) });
        }
    }
}

/// Values that would not have this fault.
fn fitting(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Enum { options } => options.as_array().cloned().unwrap_or_default(),
        Kind::Minimum { limit } | Kind::Maximum { limit } => vec![limit.clone()],
        Kind::Type { kind: TypeKind::Single(wanted) } => match wanted {
            JsonType::Integer | JsonType::Number => vec![1.into()],
            JsonType::String => vec!["x".into()],
            JsonType::Boolean => vec![false.into(), true.into()],
            JsonType::Array => vec![Value::Array(Vec::new())],
            JsonType::Object => vec![Value::Object(serde_json::Map::new())],
            JsonType::Null => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn detail(error: &ValidationError<'_>) -> String {
    let known = match error.kind() {
        Kind::Format { format } => words::detail(format).map(str::to_owned),
        Kind::Enum { options } => Some(choice_of(options.as_array().into_iter().flatten())),
        _ => None,
    };
    // Settings may hold secrets: the value stays out.
    known.unwrap_or_else(|| error.masked_with("the value").to_string())
}

fn is_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), Kind::Type { kind: TypeKind::Single(JsonType::Null) })
}

/// The values to choose from, where the schema lists nothing else.
fn choice(context: &[Vec<ValidationError<'static>>]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for error in context.iter().flatten() {
        match error.kind() {
            Kind::Constant { expected_value } => values.push((**expected_value).clone()),
            Kind::Enum { options } => {
                values.extend(options.as_array().into_iter().flatten().cloned());
            }
            Kind::Type { .. } => {}
            _ => return None,
        }
    }
    (!values.is_empty()).then_some(values)
}

fn choice_of<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    format!("the value is none of {}", values.map(Value::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
