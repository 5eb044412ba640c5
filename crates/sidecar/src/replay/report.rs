//! What would change, counted.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::judge::{Judged, Outcome, Why};
use crate::decisions::form::{End, Record, Visit};

/// Most ids of one change, and most faulty lines, that are told where not all are asked for.
const TOLD: usize = 5;
/// Most changes, and most apps and countries of all of them, that are counted apart, and most characters of each.
const MOST: usize = 10_000;
const MOST_CHARS: usize = 256;
const OTHERS: &str = "others";

/// One policy's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    pub(super) verdict: String,
    pub(super) codes: Vec<String>,
    pub(super) notes: Vec<(String, String)>,
    /// The same codes, and another message.
    pub(super) otherwise: bool,
}

/// From what to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transition {
    /// The policy whose word it is; absent for the end of the message's way.
    pub(super) policy: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) decisions: u64,
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

impl Verdicts {
    pub(super) fn passed() -> Self {
        Self { verdict: "accept".to_owned(), ..Self::default() }
    }

    pub(super) fn of_visit(visit: &Visit) -> Self {
        let (verdict, codes, notes) = (&visit.verdict, &visit.codes, &visit.notes);
        let (verdict, codes, notes) = (verdict.clone(), codes.clone(), notes.clone());
        Self { verdict, codes, notes, otherwise: false }
    }

    /// Whether it ends a message's way.
    pub(super) fn ends(&self) -> bool {
        self.verdict == "reject" || self.verdict == "failure"
    }

    fn said(&self) -> String {
        let codes = self.codes.join(" + ");
        match (self.verdict.as_str(), self.codes.is_empty()) {
            ("", _) => "not asked".to_owned(),
            ("reject", false) => codes,
            (verdict, true) => verdict.to_owned(),
            (verdict, false) => format!("{verdict} {codes}"),
        }
    }
}

impl Transition {
    pub(super) fn of_policy(policy: &str, then: &Verdicts, now: &Verdicts) -> Self {
        let (from, mut to) = (then.said(), now.said());
        if now.otherwise {
            to.push_str(", with another message");
        } else if from == to {
            to.push_str(", with other notes");
        }
        Self { policy: Some(policy.to_owned()), from, to }
    }

    pub(super) fn of_ends(then: (&End, &[String]), now: (&End, &[String])) -> Self {
        let (mut from, mut to) = (end(then.0, then.1), end(now.0, now.1));
        if from == to {
            // The same code, of another policy.
            let policy = |end: &End| end.policy.clone().unwrap_or_default();
            from = format!("{from} by {}", policy(then.0));
            to = format!("{to} by {}", policy(now.0));
        }
        Self { policy: None, from, to }
    }

    pub(super) fn of_changes(codes: &[String]) -> Self {
        let from = accepted(codes);
        let to = format!("{from}, with another message");
        Self { policy: None, from, to }
    }

    fn others() -> Self {
        Self { policy: None, from: OTHERS.to_owned(), to: OTHERS.to_owned() }
    }

    fn cut(self) -> Self {
        Self {
            policy: self.policy.map(|policy| cut(&policy)),
            from: cut(&self.from),
            to: cut(&self.to),
        }
    }
}

/// JSON without characters that a terminal would obey.
pub(super) fn escaped(shown: &Value) -> String {
    let mut text = String::new();
    for c in shown.to_string().chars() {
        match is_obeyed(c) {
            // All of them are of the first plane, and stand in strings.
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    text
}

/// Controls, other ends of lines, and what turns the direction of writing.
fn is_obeyed(c: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'];
    c.is_control()
        || turns.contains(&c)
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

fn end(end: &End, changes: &[String]) -> String {
    let code = end.code.clone().unwrap_or_default();
    match end.verdict.as_str() {
        "accept" => accepted(changes),
        "reject" => code,
        verdict => format!("{verdict} {code}"),
    }
}

fn accepted(changes: &[String]) -> String {
    match changes.is_empty() {
        true => "accept".to_owned(),
        false => format!("amend {}", changes.join(" + ")),
    }
}

impl Report {
    /// Decisions that were taken once more.
    pub(super) fn compared(&self) -> u64 {
        self.alike + self.changed + self.untold
    }

    /// Takes in what came of `record`, which stands at `place`.
    pub(super) fn take_in(&mut self, record: &Record, judged: Judged, place: &str, all: bool) {
        self.decisions += 1;
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
                self.pass_over(place, &what, all);
            }
            Outcome::Changed(transition) => {
                self.changed += 1;
                self.changed_not_whole += u64::from(!record.not_whole.is_empty());
                let transition = transition.cut();
                let has_room = self.changes.len() < MOST || self.changes.contains_key(&transition);
                let transition = if has_room { transition } else { Transition::others() };
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

    /// For people. What the logs say is shown without what a terminal would obey, each line as one.
    pub(super) fn print(&self, out: &mut impl io::Write, files: usize) -> io::Result<()> {
        for line in self.lines(files) {
            let plain = |c: char| if is_obeyed(c) { '\u{fffd}' } else { c };
            writeln!(out, "{}", line.chars().map(plain).collect::<String>())?;
        }
        Ok(())
    }

    fn lines(&self, files: usize) -> Vec<String> {
        let changed = match (self.compared(), self.changed) {
            (0, _) => "nothing can be said".to_owned(),
            (_, 0) => "none would change".to_owned(),
            (_, changed) => format!("{changed} would change"),
        };
        let mut lines = vec![format!(
            "{} of {files} log{}: {} decided again, {changed}",
            many(self.decisions, "decision"),
            if files == 1 { "" } else { "s" },
            self.compared(),
        )];
        if self.changed_not_whole > 0 {
            let those = self.changed_not_whole;
            lines.push(format!("  {those:>7}  of these on a message that is not whole"));
        }
        for (transition, count) in self.ordered() {
            let policy = transition.policy.as_ref().map(|policy| format!("{policy}: "));
            let policy = policy.unwrap_or_default();
            let (from, to) = (&transition.from, &transition.to);
            lines.push(format!("  {:>7}  {policy}{from} -> {to}", count.messages));
            lines.push(format!("           apps: {}", counts(&count.apps)));
            lines.push(format!("           countries: {}", counts(&count.countries)));
            let more = count.messages - count.ids.len() as u64;
            let more = if more == 0 { String::new() } else { format!(" and {more} more (--all)") };
            lines.push(format!("           ids: {}{more}", count.ids.join(" ")));
        }
        if self.untold > 0 {
            let those = many(self.untold, "decision");
            lines.push(format!(
                "cannot be told from a redacted log: {those}, otherwise by the module and settings that made them"
            ));
        }
        if self.guessed > 0 {
            let those = many(self.guessed, "decision");
            lines.push(format!("guessed: {those} asked for state that the log does not tell"));
        }
        for (why, count) in &self.not_compared {
            let those = many(*count, "decision");
            lines.push(format!("not compared: {those}, since {}", why.as_str()));
        }
        if self.not_whole > 0 {
            let parts: Vec<&str> = self.parts.keys().map(String::as_str).collect();
            let those = many(self.not_whole, "decision");
            lines.push(format!("not whole: {those}; redacted are {}", parts.join(", ")));
        }
        if self.passed_over > 0 {
            lines.push(format!("passed over: {}", many(self.passed_over, "line")));
        }
        lines.extend(self.told.iter().chain(&self.remarks).map(|line| format!("  {line}")));
        lines
    }

    pub(super) fn shown(&self) -> Value {
        let change = |(transition, count): (&Transition, &Count)| {
            json!({
                "policy": transition.policy,
                "from": transition.from,
                "to": transition.to,
                "decisions": count.messages,
                "apps": count.apps,
                "countries": count.countries,
                "ids": count.ids,
            })
        };
        let not_compared: BTreeMap<_, _> =
            self.not_compared.iter().map(|(why, count)| (why.as_str(), count)).collect();
        json!({
            "decisions": self.decisions,
            "decided": self.compared(),
            "changed": self.changed,
            "changed_not_whole": self.changed_not_whole,
            "untold": self.untold,
            "changes": self.ordered().into_iter().map(change).collect::<Vec<_>>(),
            "guessed": self.guessed,
            "not_compared": not_compared,
            "not_whole": { "decisions": self.not_whole, "parts": self.parts },
            "passed_over": { "lines": self.passed_over, "places": self.told },
            "remarks": self.remarks,
        })
    }

    /// The commonest first.
    fn ordered(&self) -> Vec<(&Transition, &Count)> {
        let mut changes: Vec<_> = self.changes.iter().collect();
        changes.sort_by_key(|(_, count)| std::cmp::Reverse(count.messages));
        changes
    }
}

fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The commonest first.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    counts.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
mod tests {
    use std::collections::BTreeMap;

    use super::{MOST, OTHERS, Report, Transition, count, escaped};

    #[test]
    fn what_a_log_says_stays_on_its_line_and_turns_none() {
        let said = "a\n\u{1b}[2J\u{85}\u{202e}\u{2066}\u{2028}\u{200f}b".to_owned();
        let transition =
            Transition { policy: Some(said.clone()), from: said.clone(), to: said.clone() };
        let mut report = Report { alike: 1, changed: 1, ..Report::default() };
        let changed = report.changes.entry(transition).or_default();
        (changed.messages, changed.ids) = (1, vec![said.clone()]);
        changed.apps.insert(said.clone(), 1);
        report.parts.insert(said.clone(), 1);
        (report.not_whole, report.told, report.remarks) =
            (1, vec![said.clone()], vec![said.clone()]);
        let mut printed = Vec::new();
        report.print(&mut printed, 1).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(printed.lines().count(), 1 + 4 + 1 + 2, "{printed}");
        let json = escaped(&report.shown());
        for text in [printed.replace('\n', ""), json.clone()] {
            let obeyed = text.chars().filter(|c| said.contains(*c) && !c.is_ascii_graphic());
            assert_eq!(obeyed.count(), 0, "{text:?}");
        }
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), report.shown());
    }

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
