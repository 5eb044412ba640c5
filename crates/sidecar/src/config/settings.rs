//! A policy's `settings`: TOML in the file, JSON for the policy, and the way back from one to the other.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Number, Value};
use toml::de::{DeInteger, DeTable, DeValue};

use super::Location;
use super::cursor::Item;
use super::hidden::{shown, without_secrets};
use super::reading::{Reading, Spot};

/// Settings as JSON, and where each value stands in the file.
///
/// `Debug` shows no value: policies are given salts and phone numbers.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) value: Value,
    places: BTreeMap<String, Location>,
}

/// Walks the settings once.
struct Walk<'r> {
    reading: &'r Reading<'r>,
    places: BTreeMap<String, Location>,
}

impl Settings {
    /// Reads the table under `settings`. What JSON cannot hold is a fault, and null here.
    pub(super) fn read(item: &Item<'_>) -> Self {
        if !item.value.is_table() {
            item.wrong_type::<()>("a table, such as { window_s = 30 }");
            return Self {
                value: Value::Null,
                ..Self::none(item.reading.locate(item.spot.offset))
            };
        }
        let mut walk = Walk { reading: item.reading, places: BTreeMap::new() };
        let value = walk.value(item.value, String::new(), &item.spot);
        item.reading.effective.borrow_mut().told(&item.spot.key, without_secrets(&value));
        Self { value, places: walk.places }
    }

    /// No settings, for a policy that stands at `location`.
    pub(super) fn none(location: Location) -> Self {
        Self { value: Value::Object(Map::new()), places: [(String::new(), location)].into() }
    }

    /// The place of the value at `pointer`, or of the nearest table or list around it that is there.
    pub(super) fn locate(&self, pointer: &str) -> &Location {
        let mut pointer = pointer;
        loop {
            if let Some(location) = self.places.get(pointer) {
                return location;
            }
            pointer = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({} values)", self.places.len())
    }
}

impl Walk<'_> {
    fn value(&mut self, value: &DeValue<'_>, pointer: String, spot: &Spot) -> Value {
        self.places.insert(pointer.clone(), self.reading.locate(spot.offset));
        match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Integer(written) => integer(written).map_or_else(
                || self.wrong(spot, "is too large; settings hold integers of at most 64 bits"),
                Value::Number,
            ),
            DeValue::Float(written) => {
                let number = written.as_str().parse().ok().and_then(Number::from_f64);
                let wrong = "is no number that JSON can hold; take inf and nan out";
                number.map_or_else(|| self.wrong(spot, wrong), Value::Number)
            }
            DeValue::Array(entries) => {
                let entry = |(nth, entry): (usize, &toml::Spanned<DeValue<'_>>)| {
                    let spot = spot.below(entry.span().start, &format!("[{nth}]"));
                    self.value(entry.get_ref(), format!("{pointer}/{nth}"), &spot)
                };
                entries.iter().enumerate().map(entry).collect()
            }
            DeValue::Table(table) => Value::Object(self.table(table, &pointer, spot)),
        }
    }

    fn table(&mut self, table: &DeTable<'_>, pointer: &str, spot: &Spot) -> Map<String, Value> {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let key: &str = AsRef::<str>::as_ref(key.get_ref() as &toml::de::DeString<'_>);
            let spot = spot.below(value.span().start, &format!(".{}", shown(key)));
            let token = key.replace('~', "~0").replace('/', "~1");
            (key.to_owned(), self.value(value.get_ref(), format!("{pointer}/{token}"), &spot))
        };
        table.iter().map(entry).collect()
    }

    fn wrong(&self, spot: &Spot, detail: &str) -> Value {
        self.reading.fault(spot, detail);
        Value::Null
    }
}

fn integer(written: &DeInteger<'_>) -> Option<Number> {
    let (digits, radix) = (written.as_str(), written.radix());
    let signed = i64::from_str_radix(digits, radix).map(Number::from);
    signed.or_else(|_| u64::from_str_radix(digits, radix).map(Number::from)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::PolicyEntry;
    use crate::config::testing::{APP, Folder, account};

    fn text(settings: &str) -> String {
        format!("{APP}[[policies]]\nname = \"a\"\nmodule = \"m.wasm\"\n{settings}\n")
    }

    fn policy(settings: &str) -> PolicyEntry {
        let folder = Folder::new();
        folder.file("m.wasm", "");
        folder.config(&text(settings), &account()).reloadable.policies.remove(0)
    }

    #[test]
    fn settings_are_json_of_the_same_shape() {
        let policy = policy(
            "[policies.settings]\nallow = [\"US\", \"CA\"]\nburst = 0x10\nrate = 1.5\nbig = 18446744073709551615\n\
             low = -3\nsince = 2026-08-01\nnested = { on = true }",
        );
        let wanted = json!({
            "allow": ["US", "CA"], "burst": 16, "rate": 1.5, "big": u64::MAX, "low": -3, "since": "2026-08-01",
            "nested": { "on": true },
        });
        assert_eq!(policy.settings(), &wanted);
    }

    #[test]
    fn a_pointer_leads_back_to_the_value_or_to_what_is_around_it() {
        let policy = policy("settings = { limits = [{ quota = 10 }],\n  \"a/b~c\" = 1 }");
        for (pointer, line, column) in [
            ("", 7, 12),
            ("/limits", 7, 23),
            ("/limits/0", 7, 24),
            ("/limits/0/quota", 7, 34),
            ("/limits/0/per_s", 7, 24),
            ("/limits/3/quota/deep", 7, 23),
            ("/a~1b~0c", 8, 13),
            ("/nowhere", 7, 12),
            ("no pointer", 7, 12),
        ] {
            let location = policy.locate(pointer);
            assert_eq!((location.line, location.column), (line, column), "for `{pointer}`");
        }
    }

    #[test]
    fn debug_shows_no_setting() {
        let text = format!("{:?}", policy("settings = { salt = \"hush\" }"));
        assert!(!text.contains("hush"), "{text}");
    }

    #[test]
    fn what_json_cannot_hold_is_a_fault_at_its_place() {
        let folder = Folder::new();
        folder.file("m.wasm", "");
        for (settings, wanted) in [
            (
                "settings = { a = [1, nan] }",
                "7:22: policies.a.settings.a[1]: is no number that JSON can hold",
            ),
            (
                "settings = { a = 99999999999999999999 }",
                "7:18: policies.a.settings.a: is too large",
            ),
            ("settings = \"{}\"", "7:12: policies.a.settings: is a string; give a table"),
        ] {
            let found = folder.faults(&text(settings), &account());
            let fits = found.len() == 1 && found[0].starts_with(&format!("sidecar.toml:{wanted}"));
            assert!(fits, "wanted {wanted}, found {found:#?}");
        }
    }
}
