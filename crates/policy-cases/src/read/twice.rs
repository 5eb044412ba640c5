//! Members that stand twice in one object of a line of JSON, which readers of maps pass over; TOML has none.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The first member of the JSON in `line` that stands twice, with the names before it, as TOML's keys have them.
pub(super) fn twice(line: &str) -> Option<String> {
    let mut found = None;
    let seed = Walk { place: String::new(), found: &mut found };
    // What is no JSON was told by whoever read the case.
    drop(seed.deserialize(&mut serde_json::Deserializer::from_str(line)));
    found
}

struct Walk<'a> {
    place: String,
    found: &'a mut Option<String>,
}

impl Walk<'_> {
    fn below(&mut self, name: &dyn fmt::Display) -> Walk<'_> {
        let dot = if self.place.is_empty() { "" } else { "." };
        Walk { place: format!("{}{dot}{name}", self.place), found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut nth = 0_usize;
        while items.next_element_seed(self.below(&nth))?.is_some() {
            nth += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = self.below(&name);
            if names.contains(&name) {
                let Walk { place, found } = member;
                found.get_or_insert(place);
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(member)?;
                names.insert(name);
            }
        }
        Ok(())
    }
}
