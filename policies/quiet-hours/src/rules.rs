//! Which hours hold for a number on a date.

use std::ops::RangeInclusive;

use crate::hours::{Days, Hours, date};

/// Rules of states of the US, with their dates.
const STATES: &str = include_str!("states.tsv");

/// Hours for the numbers of an area, on some days, from one date to another.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// Beginnings of E.164 numbers, without `+`.
    pub(crate) prefixes: Vec<String>,
    pub(crate) days: Days,
    pub(crate) hours: Hours,
    /// The first date, in days since 1970.
    pub(crate) since: i64,
    /// The last one.
    pub(crate) until: i64,
}

/// The rules that hold for one number.
#[derive(Debug)]
pub(crate) struct Week<'a> {
    everywhere: Hours,
    rules: Vec<&'a Rule>,
}

impl Rule {
    /// Those of the table of states.
    pub(crate) fn of_states() -> Vec<Self> {
        let lines = STATES.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Self::read(&line.split('\t').collect::<Vec<_>>())).collect()
    }

    fn read(columns: &[&str]) -> Option<Self> {
        let [name, since, days, hours, areas, _source] = columns else { return None };
        Some(Self {
            name: (*name).to_owned(),
            prefixes: areas.split(' ').map(|area| format!("1{area}")).collect(),
            days: Days::parse(days)?,
            hours: Hours::parse(hours)?,
            since: if *since == "-" { i64::MIN } else { date(since)? },
            until: i64::MAX,
        })
    }

    fn holds_on(&self, date: i64) -> bool {
        (self.since..=self.until).contains(&date) && self.days.has(date)
    }

    fn is_for(&self, digits: &str) -> bool {
        self.prefixes.iter().any(|prefix| digits.starts_with(prefix.as_str()))
    }
}

impl<'a> Week<'a> {
    /// What holds for the number `to`, in E.164: `everywhere`, narrowed by its rules.
    pub(crate) fn of(to: &str, everywhere: Hours, rules: &'a [Rule]) -> Self {
        let digits = to.strip_prefix('+').unwrap_or(to);
        Self { everywhere, rules: rules.iter().filter(|rule| rule.is_for(digits)).collect() }
    }

    /// The hours of `date`, in days since 1970.
    pub(crate) fn hours(&self, date: i64) -> Hours {
        let in_force = self.rules.iter().filter(|rule| rule.holds_on(date));
        in_force.fold(self.everywhere, |hours, rule| hours.within(rule.hours))
    }

    /// The names of its rules that hold on any of these dates, each once.
    pub(crate) fn names(&self, dates: RangeInclusive<i64>) -> String {
        let in_force =
            self.rules.iter().filter(|rule| dates.clone().any(|date| rule.holds_on(date)));
        let mut names: Vec<&str> = in_force.map(|rule| rule.name.as_str()).collect();
        names.dedup();
        names.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, STATES, Week};
    use crate::hours::{Hours, date};

    fn hours(text: &str) -> Hours {
        Hours::parse(text).expect("hours")
    }

    fn on(rules: &[Rule], number: &str, day: &str) -> Hours {
        Week::of(number, hours("08:00-21:00"), rules).hours(date(day).expect("a date"))
    }

    #[test]
    fn every_line_of_the_table_is_a_rule() {
        let lines = STATES.lines().filter(|line| !line.starts_with('#')).count();
        let rules = Rule::of_states();
        assert_eq!((rules.len(), lines), (11, 11));
        let area =
            |prefix: &String| prefix.len() == 4 && prefix.bytes().all(|b| b.is_ascii_digit());
        for rule in &rules {
            assert!(rule.prefixes.iter().all(area), "{rule:?}");
        }
    }

    #[test]
    fn a_state_narrows_the_hours_of_its_own_days_from_its_own_date_on() {
        let rules = Rule::of_states();
        for (number, day, expected) in [
            ("+13055550123", "2026-07-01", "08:00-20:00"),
            ("+13055550123", "2021-06-30", "08:00-21:00"),
            ("+12125550123", "2026-07-01", "08:00-21:00"),
            // A Saturday and a Sunday in Texas.
            ("+12145550123", "2026-07-04", "09:00-21:00"),
            ("+12145550123", "2026-07-05", "12:00-21:00"),
            ("+14015550123", "2026-07-03", "09:00-18:00"),
            ("+14015550123", "2026-07-04", "10:00-17:00"),
            ("+33612345678", "2026-07-04", "08:00-21:00"),
        ] {
            assert_eq!(on(&rules, number, day), hours(expected), "{number} on {day}");
        }
    }

    #[test]
    fn a_rule_ends_with_its_last_date() {
        let mut rules = Rule::of_states();
        rules.retain(|rule| rule.name == "WA");
        rules[0].until = date("2026-12-31").expect("a date");
        assert_eq!(on(&rules, "+12065550123", "2026-12-31"), hours("08:00-20:00"));
        assert_eq!(on(&rules, "+12065550123", "2027-01-01"), hours("08:00-21:00"));
    }
}
