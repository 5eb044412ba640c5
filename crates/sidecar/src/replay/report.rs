//! What would change, counted.

mod told;

use std::collections::BTreeMap;

use super::judge::{Judged, Outcome, Transition, Why};
use crate::decisions::form::Record;

/// Most ids of one change, and most faulty lines, that are told where not all are asked for.
const TOLD: usize = 5;
/// Most changes, and most apps and countries of all of them, that are counted apart, and most characters of each.
const MOST: usize = 10_000;
const MOST_CHARS: usize = 256;
const OTHERS: &str = "others";

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) decisions: u64,
    /// Of those, taken before a late call.
    pub(super) second_looks: u64,
    pub(super) alike: u64,
    pub(super) changed: u64,
    /// Of those, on a message that is not whole.
    changed_not_whole: u64,
    /// Decided otherwise by the same module, which the log does not show what it read.
    pub(super) untold: u64,
    pub(super) guessed: u64,
    not_compared: BTreeMap<Why, u64>,
    /// Records that lack something, by what they lack.
    not_whole: u64,
    parts: BTreeMap<String, u64>,
    changes: BTreeMap<Transition, Count>,
    /// Apps and countries that are counted apart.
    named: usize,
    /// Lines that could not be read, the first of them with their place.
    pub(super) passed_over: u64,
    told: Vec<String>,
    pub(super) remarks: Vec<String>,
}

#[derive(Debug, Default)]
struct Count {
    messages: u64,
    apps: BTreeMap<String, u64>,
    countries: BTreeMap<String, u64>,
    ids: Vec<String>,
}

/// A transition as it is counted.
fn bounded(transition: Transition) -> Transition {
    Transition {
        policy: transition.policy.map(|policy| cut(&policy)),
        from: cut(&transition.from),
        to: cut(&transition.to),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

/// One more of `name`, or of the others where so many are `named` already.
fn count(counts: &mut BTreeMap<String, u64>, name: &str, named: &mut usize) {
    let name = cut(name);
    if let Some(count) = counts.get_mut(&name) {
        *count += 1;
        return;
    }
    let name = if *named < MOST { name } else { OTHERS.to_owned() };
    *named = (*named + 1).min(MOST);
    *counts.entry(name).or_default() += 1;
}

impl Report {
    /// Decisions that were taken once more, and of which it can be told whether they are the same.
    pub(super) fn compared(&self) -> u64 {
        self.alike + self.changed
    }

    /// Takes in what came of `record`, which stands at `place`.
    pub(super) fn take_in(&mut self, record: &Record, judged: Judged, place: &str, all: bool) {
        self.decisions += 1;
        let looks = u64::from(record.is_second_look);
        self.second_looks += looks;
        self.guessed += u64::from(judged.guessed);
        if !record.not_whole.is_empty() {
            self.not_whole += 1;
        }
        for part in &record.not_whole {
            count(&mut self.parts, part, &mut self.named);
        }
        match judged.outcome {
            Outcome::Alike => self.alike += 1,
            Outcome::Untold => self.untold += 1,
            Outcome::NotCompared(why) => *self.not_compared.entry(why).or_default() += 1,
            Outcome::Unfit(what) => {
                self.decisions -= 1;
                self.second_looks -= looks;
                self.pass_over(place, &what, all);
            }
            Outcome::Changed(transition) => {
                self.changed += 1;
                self.changed_not_whole += u64::from(!record.not_whole.is_empty());
                let transition = bounded(transition);
                let has_room = self.changes.len() < MOST || self.changes.contains_key(&transition);
                let transition = if has_room {
                    transition
                } else {
                    Transition { policy: None, from: OTHERS.to_owned(), to: OTHERS.to_owned() }
                };
                let changed = self.changes.entry(transition).or_default();
                changed.messages += 1;
                count(&mut changed.apps, &record.app, &mut self.named);
                let region = &record.facts.region;
                let region = if region.is_empty() { "unknown" } else { region };
                count(&mut changed.countries, region, &mut self.named);
                if all || changed.ids.len() < TOLD {
                    changed.ids.push(record.id.clone());
                }
            }
        }
    }

    /// A line that is no record, and why.
    pub(super) fn pass_over(&mut self, place: &str, what: &str, all: bool) {
        self.passed_over += 1;
        if all || self.told.len() < TOLD {
            self.told.push(format!("{place}: {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{MOST, OTHERS, count};

    #[test]
    fn names_beyond_so_many_are_counted_as_others() {
        let (mut counts, mut named) = (BTreeMap::new(), 0);
        for nth in 0..MOST + 5 {
            count(&mut counts, &format!("app-{nth}"), &mut named);
        }
        count(&mut counts, "app-0", &mut named);
        count(&mut counts, &"x".repeat(1 << 20), &mut named);
        assert_eq!((counts.len(), counts[OTHERS], counts["app-0"]), (MOST + 1, 6, 2));
    }
}
