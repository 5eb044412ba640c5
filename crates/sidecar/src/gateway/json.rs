//! JSON read strictly: a member given twice is a fault, since readers disagree on which one counts (RFC 8259 section 4
//! leaves its meaning open).

use std::cell::{Cell, RefCell};
use std::fmt;

use message::Fault;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::faults::Faults;

/// Most levels of arrays and objects in one another. No door takes more than two.
const LEVELS: usize = 100;

/// The code of a member that stands twice.
pub(crate) const DUPLICATE: &str = "body.duplicate_key";

/// A request's JSON.
pub(crate) struct Json {
    pub(crate) value: Value,
    /// [`DUPLICATE`] for each member that stands twice in its object; of it `value` has the last.
    pub(crate) duplicates: Faults,
}

/// Reads one JSON value of a request.
///
/// # Errors
///
/// `body.bad_json` with line and column where `bytes` is not JSON in UTF-8 (lone surrogate escapes included), is nested
/// deeper than [`LEVELS`], or has a number beyond what a double can hold.
pub(crate) fn read(bytes: &[u8]) -> Result<Json, Faults> {
    let found = Found::default();
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { place: None, level: 0, found: &found }
        .deserialize(&mut input)
        .and_then(|value| input.end().map(|()| value))
        .map_err(|err| Faults::from(bad_json(&err, found.too_deep.get())))?;
    Ok(Json { value, duplicates: found.duplicates.into_inner() })
}

/// What a value is, in the words of a fault.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Escapes a member's name for a JSON pointer (RFC 6901 section 3).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// serde_json's own words may quote the input, so only place and category are told.
fn bad_json(err: &serde_json::Error, too_deep: bool) -> Fault {
    let what = match too_deep {
        true => "is nested too deep, at more than 100 levels,",
        false if err.is_eof() => "ends too early",
        false if is_too_large(err) => "has a number that is too large, beyond 1.8e308,",
        false => "is not valid JSON in UTF-8",
    };
    Fault::new(
        "",
        "body.bad_json",
        format!("the body {what} at line {}, column {}", err.line(), err.column()),
    )
}

/// serde_json tells that only in its words.
fn is_too_large(err: &serde_json::Error) -> bool {
    err.to_string().starts_with("number out of range")
}

/// What one reading found besides the value.
#[derive(Default)]
struct Found {
    duplicates: RefCell<Faults>,
    too_deep: Cell<bool>,
}

struct Strict<'a> {
    /// What it stands in, and where; none for the whole body. A pointer is only made where it is told.
    place: Option<(&'a Strict<'a>, Step<'a>)>,
    /// How many arrays and objects it is in.
    level: usize,
    found: &'a Found,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Entry(usize),
}

impl Strict<'_> {
    fn below<'b>(&'b self, step: Step<'b>) -> Strict<'b> {
        Strict { place: Some((self, step)), level: self.level + 1, found: self.found }
    }

    /// The JSON pointer to it.
    fn pointer(&self) -> String {
        match self.place {
            None => String::new(),
            Some((above, Step::Member(name))) => format!("{}/{}", above.pointer(), escape(name)),
            Some((above, Step::Entry(index))) => format!("{}/{index}", above.pointer()),
        }
    }

    /// Ends the reading where this array or object would be one level too many.
    fn enter<E: Error>(&self) -> Result<(), E> {
        self.found.too_deep.set(self.level >= LEVELS);
        if self.found.too_deep.get() { Err(E::custom("too deep")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self.below(Step::Entry(array.len())))? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.below(Step::Member(&name)))?;
            if object.contains_key(&name) {
                self.found.duplicates.borrow_mut().note(|| {
                    let pointer = self.below(Step::Member(&name)).pointer();
                    Fault::new(pointer, DUPLICATE, "stands twice; give it once")
                });
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_member_that_stands_twice_is_named_by_its_pointer() {
        let json = read(br#"{"to":"a","to":"b","tags":{"x/y":1,"x/y":2}}"#).unwrap();
        let found: Vec<_> =
            json.duplicates.told().iter().map(|f| (f.pointer.as_str(), f.code.as_str())).collect();
        assert_eq!(found, [("/to", "body.duplicate_key"), ("/tags/x~1y", "body.duplicate_key")]);
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place_and_without_its_content() {
        for body in
            [&br#"{"to":"secret"#[..], br#"{"to":"\ud83d"}"#, b"\"\xff\"", b"{} {}", b"", b"[1,]"]
        {
            let faults = read(body).err().unwrap();
            let fault = &faults.told()[0];
            assert_eq!(fault.code, "body.bad_json", "{body:?}");
            assert!(fault.detail.contains("line 1, column"), "{}", fault.detail);
            assert!(!fault.detail.contains("secret"), "{}", fault.detail);
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_refused_as_such() {
        let digits = "9".repeat(60_000);
        for body in [r#"{"ttl_s":1e400}"#.to_owned(), format!(r#"{{"x":[-{digits}]}}"#)] {
            let faults = read(body.as_bytes()).err().unwrap();
            let fault = &faults.told()[0];
            assert_eq!(fault.code, "body.bad_json");
            assert!(fault.detail.contains("has a number that is too large"), "{}", fault.detail);
            assert!(fault.detail.contains("at line 1, column"), "{}", fault.detail);
        }
        assert!(read(r#"{"x":123456789012345678901234567890,"y":1e308}"#.as_bytes()).is_ok());
    }

    #[test]
    fn nesting_beyond_100_levels_is_refused_as_such_and_not_followed() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(nested(100).as_bytes()).is_ok());
        for body in [nested(101), nested(500), "[".repeat(100_000), r#"{"a":"#.repeat(200)] {
            let faults = read(body.as_bytes()).err().unwrap();
            let fault = &faults.told()[0];
            assert_eq!(fault.code, "body.bad_json");
            assert!(fault.detail.contains("nested too deep"), "{}", fault.detail);
        }
    }
}
