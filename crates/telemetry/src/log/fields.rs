//! The fields of one event, redacted and bounded as they are read.

use std::error::Error;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use crate::redaction::{is_secret, masked};

/// The longest value in a line, in bytes.
const LONGEST_VALUE: usize = 4096;
/// Read a little further, so that a number at the limit is seen whole before it is masked.
const READ_AHEAD: usize = 64;

/// What an event says.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) message: String,
    pub(crate) others: Map<String, Value>,
}

/// A string that stops growing.
struct Bounded(String);

impl Fields {
    fn keep(&mut self, field: &Field, value: Value) {
        if !is_secret(field.name()) {
            self.others.insert(field.name().to_owned(), value);
        }
    }

    fn keep_text(&mut self, field: &Field, text: &dyn fmt::Display) {
        let mut bounded = Bounded(String::new());
        // The only error is the bound's own, and then what fits is there.
        let _ = write!(bounded, "{text}");
        let text = bounded.finish();
        if field.name() == "message" {
            self.message = text;
        } else {
            self.keep(field, Value::String(text));
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities.
        let number = serde_json::Number::from_f64(value).map(Value::Number);
        self.keep(field, number.unwrap_or_else(|| value.to_string().into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep_text(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source.filter(|_| chain.len() < LONGEST_VALUE) {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        self.keep_text(field, &chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep_text(field, &format_args!("{value:?}"));
    }
}

impl Bounded {
    fn finish(self) -> String {
        let mut text = masked(&self.0).into_owned();
        if text.len() > LONGEST_VALUE {
            text.truncate(text.floor_char_boundary(LONGEST_VALUE));
            text.push('…');
        }
        text
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (LONGEST_VALUE + READ_AHEAD).saturating_sub(self.0.len());
        let fits = text.floor_char_boundary(room);
        self.0.push_str(&text[..fits]);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{Bounded, LONGEST_VALUE};

    fn bounded(text: &str) -> String {
        let mut bounded = Bounded(String::new());
        let _ = write!(bounded, "{text}");
        bounded.finish()
    }

    #[test]
    fn a_long_value_ends_at_the_bound_and_says_so() {
        let text = bounded(&"é".repeat(LONGEST_VALUE));
        assert_eq!(text.len(), LONGEST_VALUE + "…".len());
        assert!(text.ends_with("é…"), "ends with {:?}", text.chars().last());
        assert_eq!(bounded(&"x".repeat(LONGEST_VALUE)).len(), LONGEST_VALUE);
    }

    #[test]
    fn a_number_across_the_bound_is_masked_before_it_is_cut() {
        let text = bounded(&format!("{}+14155550123", "x".repeat(LONGEST_VALUE - 7)));
        assert!(!text.contains("+141555"), "{}", &text[LONGEST_VALUE - 20..]);
    }
}
