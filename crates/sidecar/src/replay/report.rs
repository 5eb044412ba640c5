//! What would change, counted.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::judge::{Judged, Outcome, Why};
use crate::decisions::form::{End, Record, Visit};

/// Most ids of one change, and most faulty lines, that are told where not all are asked for.
const TOLD: usize = 5;

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
    pub(super) guessed: u64,
    not_compared: BTreeMap<Why, u64>,
    /// Records that lack something, by what they lack.
    not_whole: u64,
    parts: BTreeMap<String, u64>,
    changes: BTreeMap<Transition, Count>,
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
    /// Takes in what came of `record`, which stands at `place`.
    pub(super) fn take_in(&mut self, record: &Record, judged: Judged, place: &str, all: bool) {
        self.decisions += 1;
        self.guessed += u64::from(judged.guessed);
        if !record.not_whole.is_empty() {
            self.not_whole += 1;
        }
        for part in &record.not_whole {
            *self.parts.entry(part.clone()).or_default() += 1;
        }
        match judged.outcome {
            Outcome::Alike => self.alike += 1,
            Outcome::NotCompared(why) => *self.not_compared.entry(why).or_default() += 1,
            Outcome::Unfit(what) => {
                self.decisions -= 1;
                self.pass_over(place, &what, all);
            }
            Outcome::Changed(transition) => {
                self.changed += 1;
                let count = self.changes.entry(transition).or_default();
                count.messages += 1;
                *count.apps.entry(record.app.clone()).or_default() += 1;
                let region = &record.facts.region;
                let region = if region.is_empty() { "unknown" } else { region };
                *count.countries.entry(region.to_owned()).or_default() += 1;
                if all || count.ids.len() < TOLD {
                    count.ids.push(record.id.clone());
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

    /// For people. What the logs say is shown without what a terminal would obey.
    pub(super) fn print(&self, out: &mut impl io::Write, files: usize) -> io::Result<()> {
        let mut text = Vec::new();
        self.write(&mut text, files)?;
        let text = String::from_utf8_lossy(&text);
        let plain = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
        out.write_all(text.chars().map(plain).collect::<String>().as_bytes())
    }

    fn write(&self, out: &mut impl io::Write, files: usize) -> io::Result<()> {
        let compared = self.alike + self.changed;
        writeln!(
            out,
            "{} of {files} log{}: {compared} decided again, {} would change",
            many(self.decisions, "decision"),
            if files == 1 { "" } else { "s" },
            if self.changed == 0 { "none".to_owned() } else { self.changed.to_string() },
        )?;
        for (transition, count) in self.ordered() {
            let policy = transition.policy.as_ref().map(|policy| format!("{policy}: "));
            let policy = policy.unwrap_or_default();
            let (from, to) = (&transition.from, &transition.to);
            writeln!(out, "  {:>7}  {policy}{from} -> {to}", count.messages)?;
            writeln!(out, "           apps: {}", counts(&count.apps))?;
            writeln!(out, "           countries: {}", counts(&count.countries))?;
            let more = count.messages - count.ids.len() as u64;
            let more = if more == 0 { String::new() } else { format!(" and {more} more (--all)") };
            writeln!(out, "           ids: {}{more}", count.ids.join(" "))?;
        }
        if self.guessed > 0 {
            let those = many(self.guessed, "decision");
            writeln!(out, "guessed: {those} asked for state that the log does not tell")?;
        }
        for (why, count) in &self.not_compared {
            writeln!(out, "not compared: {}, since {}", many(*count, "decision"), why.as_str())?;
        }
        if self.not_whole > 0 {
            let parts: Vec<&str> = self.parts.keys().map(String::as_str).collect();
            let those = many(self.not_whole, "decision");
            writeln!(out, "not whole: {those}; redacted are {}", parts.join(", "))?;
        }
        if self.passed_over > 0 {
            writeln!(out, "passed over: {}", many(self.passed_over, "line"))?;
        }
        self.told.iter().chain(&self.remarks).try_for_each(|line| writeln!(out, "  {line}"))
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
            "decided": self.alike + self.changed,
            "changed": self.changed,
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
