//! A cursor over the parsed file: typed reads that report what does not fit, and remember which keys were asked for.
//!
//! A read that fails reports its fault and answers with the default or `None`, so that reading goes on and every fault
//! is found in one run. The caller looks at the faults before it uses anything.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::hidden::shown;
use super::reading::{Reading, Spot};
use super::suggest;

/// Of a list or table that is too long, so many entries are looked at.
const LOOKED_AT: usize = 256;

/// A table being read. An absent table reads as an empty one.
pub(super) struct Section<'r> {
    reading: &'r Reading<'r>,
    table: Option<&'r DeTable<'r>>,
    spot: Spot,
    /// The value was no table, which is reported; what it lacks is not.
    broken: bool,
    asked: Vec<&'static str>,
}

/// One value and its place.
#[derive(Clone)]
pub(super) struct Item<'r> {
    pub(super) reading: &'r Reading<'r>,
    pub(super) value: &'r DeValue<'r>,
    pub(super) spot: Spot,
}

impl<'r> Section<'r> {
    /// The whole file.
    pub(super) fn root(reading: &'r Reading<'r>, table: &'r DeTable<'r>) -> Self {
        let spot = Spot { offset: 0, key: String::new() };
        Self { reading, table: Some(table), spot, broken: false, asked: Vec::new() }
    }

    pub(super) fn reading(&self) -> &'r Reading<'r> {
        self.reading
    }

    /// The table's own place: its header.
    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// The place to blame for a key that may be absent: its value's, else the table's.
    pub(super) fn spot_of(&self, key: &str) -> Spot {
        let offset = self
            .table
            .and_then(|table| table.get(key))
            .map_or(self.spot.offset, |value| value.span().start);
        Spot { offset, key: self.key_path(key) }
    }

    /// Whether the value was no table, which is reported already.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether `key` is written in the file.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    pub(super) fn get(&mut self, key: &'static str) -> Option<Item<'r>> {
        self.asked.push(key);
        let value = self.table?.get(key)?;
        Some(Item::new(self.reading, value, self.key_path(key)))
    }

    /// Tells what stands where `key` is not written.
    pub(super) fn or_default(&self, key: &str, value: impl Display) {
        if !self.has(key) {
            self.reading.effective.borrow_mut().default(&self.key_path(key), value);
        }
    }

    /// A key that must be there; `advice` says what to write.
    pub(super) fn need(&mut self, key: &'static str, advice: &str) -> Option<Item<'r>> {
        let item = self.get(key);
        if item.is_none() && !self.broken {
            self.reading.fault(&self.spot_of(key), format!("is missing; {advice}"));
        }
        item
    }

    /// A whole number in `range`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        self.or_default(key, default);
        self.get(key).and_then(|item| item.number(range)).unwrap_or(default)
    }

    /// A count or size in `range`.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> usize {
        self.number(key, default, range) as usize
    }

    /// A duration whose key ends in `_ms`.
    pub(super) fn millis(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Duration {
        Duration::from_millis(self.number(key, default, range).into())
    }

    /// A duration whose key ends in `_s`.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Duration {
        Duration::from_secs(self.number(key, default, range).into())
    }

    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.or_default(key, default);
        self.get(key).and_then(|item| item.flag()).unwrap_or(default)
    }

    /// One of `words`; the first is the default.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> T {
        self.or_default(key, format_args!("{:?}", words[0].0));
        self.get(key).and_then(|item| item.word(words)).unwrap_or(words[0].1)
    }

    pub(super) fn section(&mut self, key: &'static str) -> Self {
        match self.get(key) {
            Some(item) => item.section(),
            None => {
                let spot = Spot { offset: self.spot.offset, key: self.key_path(key) };
                let (reading, broken) = (self.reading, self.broken);
                Self { reading, table: None, spot, broken, asked: Vec::new() }
            }
        }
    }

    /// Reports each key that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.into_iter().flat_map(DeTable::keys) {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let hint = suggest::hint(name, self.asked.iter().copied());
                let end = if hint.is_empty() { "; take it out" } else { &hint };
                let spot = Spot { offset: key.span().start, key: self.key_path(name) };
                self.reading.fault(&spot, format!("is not a known key{end}"));
            }
        }
    }

    fn key_path(&self, key: &str) -> String {
        let bare = !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let key = if bare { key.to_owned() } else { format!("{:?}", shown(key)) };
        match self.spot.key.as_str() {
            "" => key,
            parent => format!("{parent}.{key}"),
        }
    }
}

impl<'r> Item<'r> {
    fn new(reading: &'r Reading<'r>, value: &'r Spanned<DeValue<'r>>, key: String) -> Self {
        reading.effective.borrow_mut().written(&key, value.get_ref());
        Self { reading, value: value.get_ref(), spot: Spot { offset: value.span().start, key } }
    }

    pub(super) fn fault(&self, detail: impl Into<String>) {
        self.reading.fault(&self.spot, detail);
    }

    pub(super) fn text(&self) -> Option<&'r str> {
        self.value.as_str().or_else(|| self.wrong_type("a string in quotes"))
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let (least, most) = (range.start(), range.end());
        let wanted = format!("a whole number from {least} to {most}");
        let Some(written) = self.value.as_integer() else { return self.wrong_type(&wanted) };
        let number = u32::from_str_radix(written.as_str(), written.radix()).ok();
        let fitting = number.filter(|number| range.contains(number));
        if fitting.is_none() {
            self.fault(format!("is {written}; give {wanted}"));
        }
        fitting
    }

    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let written = self.text()?;
        let found = words.iter().find(|(word, _)| *word == written);
        if found.is_none() {
            let known = || words.iter().map(|(word, _)| *word);
            let list = known().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            self.fault(format!("is none of {list}{}", suggest::hint(written, known())));
        }
        found.map(|(_, value)| *value)
    }

    /// The entries of a list of at most `most`; of a longer one up to [`LOOKED_AT`], so that their own faults are told
    /// with it.
    pub(super) fn list(&self, most: usize) -> Option<Vec<Self>> {
        let Some(entries) = self.value.as_array() else { return self.wrong_type("a list") };
        if entries.len() > most {
            self.fault(format!("has {} entries; give at most {most}", entries.len()));
        }
        let item =
            |(nth, value)| Item::new(self.reading, value, format!("{}[{nth}]", self.spot.key));
        Some(entries.iter().take(most.max(LOOKED_AT)).enumerate().map(item).collect())
    }

    /// The tables of `[[key]]`, at most `most`.
    pub(super) fn tables(&self, most: usize) -> Vec<Section<'r>> {
        if !self.value.is_array() {
            let wanted = format!("a list of tables, each under [[{}]]", self.spot.key);
            return self.wrong_type(&wanted).unwrap_or_default();
        }
        self.list(most).iter().flatten().map(Self::section).collect()
    }

    /// The entries of a list of one to `most`, or the one value that stands for such a list.
    pub(super) fn one_or_list(&self, most: usize) -> Option<Vec<Self>> {
        if !self.value.is_array() {
            return Some(vec![self.clone()]);
        }
        self.filled_list(most, "leave the key out instead")
    }

    /// Whether it is a text that is among those before it.
    pub(super) fn repeats(&self, before: &[Self]) -> bool {
        let own = self.value.as_str();
        own.is_some() && before.iter().any(|other| other.value.as_str() == own)
    }

    /// The entries of a list of one to `most`, of which no text may stand twice; `advice` says what to do instead of an
    /// empty one.
    pub(super) fn filled_list(&self, most: usize, advice: &str) -> Option<Vec<Self>> {
        let items = self.list(most)?;
        if items.is_empty() {
            self.fault(format!("is empty; {advice}"));
            return None;
        }
        Self::tell_repeats(&items);
        Some(items)
    }

    /// A fault for each text that is among those before it.
    pub(super) fn tell_repeats(items: &[Self]) {
        for (nth, item) in items.iter().enumerate() {
            if item.repeats(&items[..nth]) {
                item.fault("stands here twice; take one out");
            }
        }
    }

    /// The entries of a table of at most `most` whose keys are the operator's own.
    pub(super) fn entries(&self, most: usize) -> Option<Vec<(&'r str, Self)>> {
        let section = self.section();
        let table = section.table?;
        if table.len() > most {
            self.fault(format!("has {} entries; give at most {most}", table.len()));
        }
        let entry = |(key, value): (&'r Spanned<DeString<'r>>, &'r Spanned<DeValue<'r>>)| {
            let key = key.get_ref().as_ref();
            (key, Self::new(self.reading, value, section.key_path(key)))
        };
        Some(table.iter().take(most.max(LOOKED_AT)).map(entry).collect())
    }

    pub(super) fn section(&self) -> Section<'r> {
        let table = self.value.as_table().or_else(|| self.wrong_type("a table"));
        Section {
            reading: self.reading,
            table,
            spot: self.spot.clone(),
            broken: table.is_none(),
            asked: Vec::new(),
        }
    }

    /// Reports that the value is of another type than `wanted`; never shows the value, which may be a secret.
    pub(super) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("is {found}; give {wanted}"));
        None
    }
}
