//! What a schema may leave to the host, since a policy cannot know it.
//!
//! | In the schema | Holds for |
//! |---|---|
//! | `"format": "app"` | the name of a configured app |
//! | `"format": "region"` | a region that a number's facts may name |
//! | `"format": "iana-zone"` | a time zone that limits may count by |
//! | `"format": "sender"` | what a message may come from: a number in E.164, a short code, a name, or a pool's UUID |
//! | `"format": "intent"` | an intent that a message may have; none (`""`) is one too |
//! | `"format": "uint32"`, and other widths up to 32 bits | what fits into it |
//! | `"type": "integer"` | a whole number that is written as one: `1e3` is none, since no policy could read it |
//! | `"x-needs-grant": {"amend": ["strip"]}` | these values need that grant; others, and none at all, need nothing |
//! | `"x-needs-grant": {"amend": true}` | whatever the value, it needs that grant |
//!
//! At its top a schema may say `"x-asked-again": true`, which is about no setting: the policy wants to be asked again
//! before a call that comes late (`chain/late.rs`).

use std::sync::Arc;

use jiff::tz::TimeZone;
use jsonschema::{Keyword, ValidationError, ValidationOptions};
use message::facts::is_region;
use message::{Sender, is_intent};
use serde_json::Value;

use crate::error::LoadFault;
use crate::{Grant, Grants};

const NEEDS_GRANT: &str = "x-needs-grant";
const ASKED_AGAIN: &str = "x-asked-again";
/// The host's own word, which it adds to schemas.
pub(super) const WHOLE: &str = "x-written-whole";

/// What the host knows of the settings' surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The configured apps; any name is one where absent.
    pub(crate) apps: Option<Arc<[Arc<str>]>>,
    /// What the policy was granted.
    pub(crate) grants: Grants,
}

/// Values that need a grant which the policy does not have; all values where none are listed.
#[derive(Debug)]
struct NeedsGrant(Vec<(Grant, Option<Vec<Value>>)>);

/// No whole number that is written as a float.
struct WrittenWhole;

impl Known {
    /// Makes `options` assert the formats and the keyword above.
    pub(super) fn teach<'a>(&self, options: ValidationOptions<'a>) -> ValidationOptions<'a> {
        let (apps, grants) = (self.apps.clone(), self.grants);
        let is_app = move |name: &str| {
            apps.as_ref().is_none_or(|apps| apps.iter().any(|app| **app == *name))
        };
        options
            .should_validate_formats(true)
            .with_format("app", is_app)
            .with_format("region", is_region)
            .with_format("iana-zone", |name: &str| TimeZone::get(name).is_ok())
            .with_format("sender", is_sender)
            .with_format("intent", is_intent)
            .with_keyword(WHOLE, |_, _, _| Ok(Box::new(WrittenWhole)))
            .with_keyword(NEEDS_GRANT, move |_, value, _| {
                let needs = NeedsGrant::read(value, grants).ok_or_else(|| {
                    let detail = "is not a table of grants, each with a list of the values that need it, or true";
                    ValidationError::schema(format!("{NEEDS_GRANT} {detail}"))
                })?;
                Ok(Box::new(needs))
            })
    }
}

/// Whether a policy with this schema wants to be asked again before a late call.
///
/// # Errors
///
/// [`LoadFault::Schema`] where it says neither yes nor no: passed over, it would be a wish that nobody hears. One that
/// is no JSON is told with the settings.
pub(crate) fn asked_again(schema: &str) -> Result<bool, LoadFault> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    match schema.get(ASKED_AGAIN) {
        None => Ok(false),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        Some(_) => {
            Err(LoadFault::Schema(format!("{ASKED_AGAIN} is neither true nor false").into()))
        }
    }
}

/// Has the bounds of integers, which schemas made of Rust types give as a format, hold like any others, and integers be
/// written as such: to JSON Schema `1e3` is one.
pub(super) fn hold_integers(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(hold_integers),
        Value::Object(table) => {
            let format = table.get("format").and_then(Value::as_str);
            let most = match format {
                Some("uint8") => Some(u32::from(u8::MAX)),
                Some("uint16") => Some(u32::from(u16::MAX)),
                Some("uint32") => Some(u32::MAX),
                Some("int32") => Some(i32::MAX.unsigned_abs()),
                _ => None,
            };
            if let Some(most) = most {
                table.entry("maximum").or_insert_with(|| most.into());
            }
            if table.get("type").is_some_and(is_integer) {
                table.insert(WHOLE.to_owned(), true.into());
            }
            table.values_mut().for_each(hold_integers);
        }
        _ => {}
    }
}

/// Whether a schema's type is that of integers, and not of all numbers.
fn is_integer(of_type: &Value) -> bool {
    let has = |word: &str| {
        of_type == word || of_type.as_array().is_some_and(|list| list.iter().any(|one| one == word))
    };
    has("integer") && !has("number")
}

/// The whole number that a float is; none where it has a fraction, or is larger than any that a policy could read.
pub(super) fn whole(value: &Value) -> Option<Value> {
    let float = value.as_f64().filter(|_| value.is_f64())?;
    // In decimal, so that neither its sign nor its size is lost on the way.
    let digits = format!("{float:.0}");
    let (signed, unsigned) = (digits.parse::<i64>(), digits.parse::<u64>());
    let meant = unsigned.map(Value::from).or_else(|_| signed.map(Value::from)).ok()?;
    (float.fract() == 0.0).then_some(meant)
}

/// What is wrong with a value that is not of `format`, where that is one of ours.
pub(super) fn detail(format: &str) -> Option<&'static str> {
    Some(match format {
        "app" => "is no app that is configured",
        "region" => {
            "is no region that numbers belong to; give two upper-case letters (ISO 3166), such as US, or GB for the \
             United Kingdom"
        }
        "iana-zone" => {
            "is not an IANA time zone; write it as that database does, such as America/Los_Angeles"
        }
        "sender" => {
            "is no sender; give a number in E.164, such as +14155551212, a short code, a name, or the UUID of a pool"
        }
        "intent" => {
            "is no intent that a message can have; use at most 64 lower-case letters, digits, `_` and `-`"
        }
        _ => return None,
    })
}

/// Whether a message's sender may be written so.
fn is_sender(text: &str) -> bool {
    let mut groups = text.split('-');
    let is_group = |length: usize, group: Option<&str>| {
        group.is_some_and(|g| g.len() == length && g.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_pool = [8, 4, 4, 4, 12].into_iter().all(|length| is_group(length, groups.next()));
    (is_pool && groups.next().is_none())
        || Sender::parse(text, "").is_ok_and(|sender| sender.as_str() == text)
}

impl NeedsGrant {
    /// What `keyword` asks for beyond `granted`.
    fn read(keyword: &Value, granted: Grants) -> Option<Self> {
        let mut needs = Vec::new();
        for (word, values) in keyword.as_object()? {
            let grant = Grant::from_word(word)?;
            let values = match values {
                Value::Bool(true) => None,
                values => Some(values.as_array()?.clone()),
            };
            if !granted.contains(grant) {
                needs.push((grant, values));
            }
        }
        Some(Self(needs))
    }

    /// What is wrong with `value`.
    fn fault(&self, value: &Value) -> Option<String> {
        let needs = |values: &Option<Vec<Value>>| values.as_ref().is_none_or(|v| v.contains(value));
        let (grant, values) = self.0.iter().find(|(_, values)| needs(values))?;
        let other = if values.is_some() { ", or choose another value" } else { "" };
        Some(format!("needs the grant \"{}\"; add it to `grants`{other}", grant.as_str()))
    }
}

impl<'i> Keyword<'i> for WrittenWhole {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(value) {
            true => Ok(()),
            false => Err(ValidationError::custom("is a float; give a whole number")),
        }
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        // One with a fraction is no integer to the schema itself.
        whole(value).is_none()
    }
}

impl<'i> Keyword<'i> for NeedsGrant {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        self.fault(value).map_or(Ok(()), |fault| Err(ValidationError::custom(fault)))
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        self.fault(value).is_none()
    }
}
