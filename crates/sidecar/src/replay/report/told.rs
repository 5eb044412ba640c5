//! A report as it is told: to people by the line, and as JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::{Count, Report};
use crate::replay::judge::Transition;
use crate::terminal::{self, counted};

impl Report {
    /// For people.
    pub(in crate::replay) fn print(
        &self,
        out: &mut impl io::Write,
        files: usize,
    ) -> io::Result<()> {
        self.lines(files).iter().try_for_each(|line| terminal::line(out, line))
    }

    fn lines(&self, files: usize) -> Vec<String> {
        let changed = match (self.compared(), self.changed) {
            (0, _) => "nothing can be said".to_owned(),
            (_, 0) if self.untold > 0 => "none would change for all that can be told".to_owned(),
            (_, 0) => "none would change".to_owned(),
            (_, changed) => format!("{changed} would change"),
        };
        let mut lines = vec![format!(
            "{} of {}: {} decided again, {changed}",
            counted(self.decisions, "decision", "decisions"),
            counted(files as u64, "log", "logs"),
            self.compared() + self.untold,
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
            let those = counted(self.untold, "decision", "decisions");
            lines.push(format!(
                "cannot be told from a redacted log: {those}, otherwise by the module and settings that made them"
            ));
        }
        if self.guessed > 0 {
            let those = counted(self.guessed, "decision", "decisions");
            let keys = match self.parts.contains_key("state") {
                true => {
                    "; its keys are redacted, so calls are told apart by limits, times and order"
                }
                false => "",
            };
            lines.push(format!(
                "guessed: {those} asked for state that the log does not tell, and a memory that began empty answered{keys}"
            ));
        }
        for (why, count) in &self.not_compared {
            let those = counted(*count, "decision", "decisions");
            lines.push(format!("not compared: {those}, since {}", why.as_str()));
        }
        if self.second_looks > 0 {
            let those = counted(self.second_looks, "decision", "decisions");
            lines.push(format!(
                "second looks: {those}, of policies that were asked again before a late call"
            ));
        }
        if self.not_whole > 0 {
            let parts: Vec<&str> = self.parts.keys().map(String::as_str).collect();
            let those = counted(self.not_whole, "decision", "decisions");
            lines.push(format!("not whole: {those}; redacted are {}", parts.join(", ")));
        }
        if self.passed_over > 0 {
            lines.push(format!("passed over: {}", counted(self.passed_over, "line", "lines")));
        }
        lines.extend(self.told.iter().chain(&self.remarks).map(|line| format!("  {line}")));
        lines
    }

    pub(in crate::replay) fn shown(&self) -> Value {
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
            "second_looks": self.second_looks,
            "decided": self.compared() + self.untold,
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
        changes.sort_by_key(|(_, count)| Reverse(count.messages));
        changes
    }
}

/// The commonest first.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(**count));
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    counts.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
mod tests {
    use super::{Report, Transition};
    use crate::terminal;

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
        let json = terminal::json(&report.shown());
        for text in [printed.replace('\n', ""), json.clone()] {
            let obeyed = text.chars().filter(|c| said.contains(*c) && !c.is_ascii_graphic());
            assert_eq!(obeyed.count(), 0, "{text:?}");
        }
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), report.shown());
    }
}
