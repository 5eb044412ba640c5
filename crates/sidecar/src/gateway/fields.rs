//! Reading the members of one JSON object, collecting every fault instead of stopping at the first.

use message::Fault;
use message::facts::MOST_UNKNOWN_FIELDS;
use serde_json::{Map, Value};

use super::faults::{Faults, cut};
use super::json::{self, Json};

/// Code of a member that a door does not know.
pub(crate) const UNKNOWN: &str = "body.unknown_field";
/// Most bytes of the pointer to one; more than these a policy may not repeat.
const UNKNOWN_BYTES: usize = 200;

/// The members of an object not yet read, and the faults found so far.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Map<String, Value>,
    pub(crate) faults: Faults,
}

impl Fields {
    /// The members of `body`, and the faults that it has already.
    ///
    /// # Errors
    ///
    /// `body.wrong_type` where it is not an object.
    pub(crate) fn of(body: Json) -> Result<Self, Faults> {
        let Json { value, duplicates: mut faults } = body;
        match value {
            Value::Object(members) => Ok(Self { members, faults }),
            other => {
                let detail = format!("the body is {}; send a JSON object", json::kind(&other));
                faults.push(Fault::new("", "body.wrong_type", detail));
                Err(faults)
            }
        }
    }

    /// Takes empty strings for absent, as some clients mean them.
    pub(crate) fn drop_empty(&mut self) {
        self.members.retain(|_, value| value.as_str() != Some(""));
    }

    /// A member as it is; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => self.wrong_type(format!("/{name}"), "a string", &other),
        }
    }

    /// A whole number of at least zero, which is told as `wanted`.
    pub(crate) fn count(&mut self, name: &str, wanted: &str) -> Option<u64> {
        match self.take(name)? {
            Value::Number(number) if number.is_u64() => number.as_u64(),
            Value::Number(number) => {
                let is_large = number.as_f64().is_some_and(|value| value >= u64::MAX as f64);
                let what = match is_large {
                    true => "is too large",
                    false => "has a fraction, an exponent or a minus sign",
                };
                let detail = format!("{what}; send {wanted}");
                self.fault(format!("/{name}"), "body.wrong_type", detail);
                None
            }
            other => self.wrong_type(format!("/{name}"), wanted, &other),
        }
    }

    /// An array of strings, each with its pointer; entries of another type are faults and left out.
    pub(crate) fn strings(&mut self, name: &str) -> Vec<(String, String)> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let mut strings = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let pointer = format!("/{name}/{index}");
                    match item {
                        Value::String(text) => strings.push((pointer, text)),
                        other => drop(self.wrong_type::<()>(pointer, "a string", &other)),
                    }
                }
                strings
            }
            Some(other) => {
                self.wrong_type::<()>(format!("/{name}"), "an array of strings", &other);
                Vec::new()
            }
        }
    }

    /// An object whose members are strings.
    pub(crate) fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Object(members)) => {
                let mut pairs = Vec::with_capacity(members.len());
                for (key, value) in members {
                    match value {
                        Value::String(text) => pairs.push((key, text)),
                        other => {
                            self.wrong_type::<()>(
                                format!("/{name}/{}", json::escape(&key)),
                                "a string",
                                &other,
                            );
                        }
                    }
                }
                pairs
            }
            Some(other) => {
                self.wrong_type::<()>(format!("/{name}"), "an object of strings", &other);
                Vec::new()
            }
        }
    }

    pub(crate) fn fault(
        &mut self,
        pointer: impl Into<String>,
        code: &str,
        detail: impl Into<String>,
    ) {
        self.faults.push(Fault::new(pointer, code, detail));
    }

    /// Pointers of the members that nobody asked for, and the faults.
    pub(crate) fn finish(self) -> (Vec<String>, Faults) {
        let pointer = |name: &String| {
            let mut pointer = format!("/{}", json::escape(name));
            cut(&mut pointer, UNKNOWN_BYTES);
            pointer
        };
        (self.members.keys().take(MOST_UNKNOWN_FIELDS).map(pointer).collect(), self.faults)
    }

    /// The faults, for a door at which no policy judges the members that nobody asked for: each is one; `known` names
    /// the others.
    pub(crate) fn finish_strictly(self, known: &str) -> Faults {
        let (unknown, mut faults) = self.finish();
        for pointer in unknown {
            let detail = format!("is no member here; {known}");
            faults.push(Fault::new(pointer, UNKNOWN, detail));
        }
        faults
    }

    fn wrong_type<T>(&mut self, pointer: String, wanted: &str, found: &Value) -> Option<T> {
        let detail = format!("is {}; send {wanted}", json::kind(found));
        self.faults.push(Fault::new(pointer, "body.wrong_type", detail));
        None
    }
}
