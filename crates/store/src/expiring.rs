//! A map whose entries end, bounded in keys and in weight.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use message::Timestamp;

/// Clock readings that lag by up to this are requests overtaking each other; a longer lag is a clock set back.
const OVERTAKING: Duration = Duration::from_secs(60);
/// Most ended entries dropped in one call, so that no caller pays for all of them.
const SWEEP: usize = 16;

/// Something kept in an [`Expiring`].
pub(crate) trait Kept {
    /// What it takes of the bound on weight.
    fn weight(&self) -> usize {
        1
    }

    /// The clock was set back by `by`: instants inside move along, and so, unless it is tied to the calendar, does the
    /// entry's `end`, which is returned.
    fn set_back(&mut self, end: Timestamp, by: Duration) -> Timestamp {
        earlier(end, by)
    }
}

/// The bound on keys or weight is reached by entries that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Entries by name, each until an instant of its own.
///
/// Time never runs backwards in here: a reading that lags a little counts as the latest one, and after a longer step
/// back all instants move back with the clock, so that nothing ends early and nothing is held for the length of the
/// step.
#[derive(Debug)]
pub(crate) struct Expiring<V> {
    entries: HashMap<Arc<str>, Entry<V>>,
    /// Every entry once, by its end.
    ends: BTreeMap<(Timestamp, u64), Arc<str>>,
    latest: Timestamp,
    number: u64,
    weight: usize,
    most_keys: usize,
    most_weight: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    end: (Timestamp, u64),
}

impl<V: Kept> Expiring<V> {
    pub(crate) fn new(most_keys: usize, most_weight: usize) -> Self {
        let (entries, ends) = (HashMap::new(), BTreeMap::new());
        let latest = Timestamp(0);
        Self { entries, ends, latest, number: 0, weight: 0, most_keys, most_weight }
    }

    /// Takes a reading of the clock, drops a few entries that have ended, and returns the instant to decide by.
    pub(crate) fn tell(&mut self, now: Timestamp) -> Timestamp {
        let back = self.latest.since(now);
        if back > OVERTAKING {
            self.set_back(back);
            self.latest = now;
        } else {
            self.latest = self.latest.max(now);
        }
        for _ in 0..SWEEP {
            if !self.drop_ended() {
                break;
            }
        }
        self.latest
    }

    /// The entry and its end, unless it has ended.
    pub(crate) fn get(&self, name: &str) -> Option<(&V, Timestamp)> {
        let entry = self.entries.get(name)?;
        (entry.end.0 > self.latest).then_some((&entry.value, entry.end.0))
    }

    /// Changes an entry that has not ended and returns what `change` returns; `end` gives the entry's new end.
    pub(crate) fn change<R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut V) -> R,
        end: impl FnOnce(&V) -> Timestamp,
    ) -> Option<R> {
        let entry = self.entries.get_mut(name).filter(|entry| entry.end.0 > self.latest)?;
        let before = entry.value.weight();
        let changed = change(&mut entry.value);
        self.weight = self.weight - before + entry.value.weight();
        let end = end(&entry.value);
        if end != entry.end.0
            && let Some(name) = self.ends.remove(&entry.end)
        {
            entry.end.0 = end;
            self.ends.insert(entry.end, name);
        }
        Some(changed)
    }

    /// Like [`Expiring::change`]; the end stays.
    pub(crate) fn change_only<R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let end = self.get(name)?.1;
        self.change(name, change, |_| end)
    }

    /// Makes room for `keys` more entries and `weight` more weight.
    pub(crate) fn room(&mut self, keys: usize, weight: usize) -> Result<(), Full> {
        loop {
            let fits = self.entries.len().saturating_add(keys) <= self.most_keys
                && self.weight.saturating_add(weight) <= self.most_weight;
            match fits {
                true => return Ok(()),
                false if self.drop_ended() => {}
                false => return Err(Full),
            }
        }
    }

    /// Keeps `value` until `end`, in the place of what was there.
    pub(crate) fn put(&mut self, name: &str, value: V, end: Timestamp) -> Result<(), Full> {
        let (keys, lighter) = match self.entries.get(name) {
            Some(old) => (0, old.value.weight()),
            None => (1, 0),
        };
        self.room(keys, value.weight().saturating_sub(lighter))?;
        self.remove(name);
        self.number += 1;
        let (name, end) = (Arc::from(name), (end, self.number));
        self.weight += value.weight();
        self.ends.insert(end, Arc::clone(&name));
        self.entries.insert(name, Entry { value, end });
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(entry) = self.entries.remove(name) {
            self.ends.remove(&entry.end);
            self.weight -= entry.value.weight();
        }
    }

    /// Drops the entry that ended first; `false` where none has ended.
    fn drop_ended(&mut self) -> bool {
        let Some(first) = self.ends.first_entry().filter(|first| first.key().0 <= self.latest)
        else {
            return false;
        };
        let name = first.remove();
        if let Some(entry) = self.entries.remove(&name) {
            self.weight -= entry.value.weight();
        }
        true
    }

    fn set_back(&mut self, by: Duration) {
        self.ends.clear();
        for (name, entry) in &mut self.entries {
            entry.end.0 = entry.value.set_back(entry.end.0, by);
            self.ends.insert(entry.end, Arc::clone(name));
        }
    }
}

/// `instant` less `by`; 1970 where that is before it.
pub(crate) fn earlier(instant: Timestamp, by: Duration) -> Timestamp {
    Timestamp(instant.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// One name out of several parts; different parts never make the same name.
pub(crate) fn name_of<const N: usize>(parts: [&str; N]) -> String {
    let mut name = String::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        name.push_str(&part.len().to_string());
        name.push(':');
        name.push_str(part);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Kept for &'static str {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    fn expiring(keys: usize, weight: usize) -> Expiring<&'static str> {
        Expiring::new(keys, weight)
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn an_entry_is_there_until_its_end_and_not_at_it() {
        let mut map = expiring(2, 100);
        map.tell(at(1_000));
        map.put("a", "x", at(1_500)).unwrap();
        map.tell(at(1_499));
        assert_eq!(map.get("a"), Some((&"x", at(1_500))));
        map.tell(at(1_500));
        assert_eq!(map.get("a"), None);
        assert_eq!(map.entries.len(), 0, "what has ended is dropped");
    }

    #[test]
    fn a_full_map_drops_what_has_ended_before_it_refuses() {
        let mut map = expiring(2, 100);
        map.tell(at(0));
        map.put("a", "x", at(10)).unwrap();
        map.put("b", "x", at(20)).unwrap();
        assert_eq!(map.put("c", "x", at(30)), Err(Full));
        map.put("b", "y", at(25)).unwrap();
        map.tell(at(10));
        map.put("c", "x", at(30)).unwrap();
        assert_eq!(map.put("d", "x", at(40)), Err(Full));
        assert_eq!((map.get("b"), map.entries.len()), (Some((&"y", at(25))), 2));
    }

    #[test]
    fn weight_is_bounded_and_given_back() {
        let mut map = expiring(10, 8);
        map.tell(at(0));
        map.put("a", "12345", at(10)).unwrap();
        assert_eq!(map.put("b", "1234", at(10)), Err(Full));
        map.put("a", "1234", at(10)).unwrap();
        map.put("b", "1234", at(10)).unwrap();
        map.remove("a");
        map.put("c", "1234", at(10)).unwrap();
        assert_eq!(map.weight, 8);
        map.tell(at(10));
        assert_eq!((map.weight, map.entries.len()), (0, 0));
    }

    #[test]
    fn many_ended_entries_are_dropped_a_few_at_a_time() {
        let mut map = expiring(1_000, 10_000);
        map.tell(at(0));
        for n in 0..100 {
            map.put(&n.to_string(), "x", at(10)).unwrap();
        }
        map.tell(at(11));
        assert_eq!(map.entries.len(), 100 - SWEEP);
        assert_eq!(map.get("99"), None, "an entry that has ended is gone, dropped or not");
    }

    #[test]
    fn a_reading_that_lags_a_little_counts_as_the_latest() {
        let mut map = expiring(2, 100);
        assert_eq!(map.tell(at(100_000)), at(100_000));
        assert_eq!(map.tell(at(40_000)), at(100_000));
        map.put("a", "x", at(100_010)).unwrap();
        assert_eq!(map.tell(at(100_009)), at(100_009));
        assert!(map.get("a").is_some());
    }

    #[test]
    fn a_clock_set_back_takes_every_end_along() {
        let mut map = expiring(2, 100);
        map.tell(at(10_000_000));
        map.put("a", "x", at(10_030_000)).unwrap();
        assert_eq!(map.tell(at(1_000_000)), at(1_000_000));
        assert_eq!(map.get("a"), Some((&"x", at(1_030_000))));
        map.tell(at(1_030_000));
        assert_eq!((map.get("a"), map.entries.len()), (None, 0));
    }

    #[test]
    fn names_of_different_parts_differ() {
        assert_ne!(name_of(["a", "bc"]), name_of(["ab", "c"]));
        assert_ne!(name_of(["1:a", ""]), name_of(["", "1:a"]));
        assert_eq!(name_of(["a", "bc"]), "1:a2:bc");
    }
}
