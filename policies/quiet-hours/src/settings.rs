use policy_sdk::{Problem, known, problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QuietHours;
use crate::hours::{Days, Hours, date};
use crate::rules::Rule;

/// Longest name of a rule, in characters.
const NAME_CHARS: usize = 64;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
// To put a message off is to amend it, and that is all that this policy does.
#[schemars(extend("x-needs-grant" = {"amend": true}))]
pub struct Settings {
    /// The intents that have quiet hours. All others may be sent at any time.
    #[schemars(with = "Vec<known::Intent>")]
    intents: Vec<String>,
    /// The hours of every day on the recipient's clock in which these may be sent; the end is not part of them.
    hours: String,
    /// Whether the hours of single states of the US hold, by area code; the policy's page lists them.
    us_states: bool,
    /// More rules; each narrows the hours of the numbers that it is for.
    #[schemars(extend("default" = []))]
    rules: Vec<RuleSetting>,
    /// What becomes of a number whose time zone nobody knows.
    zone_unknown: ZoneUnknown,
}

/// Narrower hours for the numbers of an area.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSetting {
    /// What records call it: up to 64 characters without a comma. Several may be called alike.
    name: String,
    /// Beginnings of E.164 numbers, without `+`.
    prefixes: Vec<String>,
    /// A day, such as `sun`, or days in a row, such as `mon-fri`.
    #[serde(default = "all_days")]
    days: String,
    /// Such as `08:00-20:00`, or `closed`.
    hours: String,
    /// The first date, such as `2026-01-01`.
    since: Option<String>,
    /// The last one.
    until: Option<String>,
}

/// What becomes of a number whose time zone nobody knows.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ZoneUnknown {
    #[default]
    Reject,
    Accept,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            intents: vec!["marketing".into()],
            hours: "08:00-21:00".into(),
            us_states: true,
            rules: Vec::new(),
            zone_unknown: ZoneUnknown::Reject,
        }
    }
}

fn all_days() -> String {
    "mon-sun".into()
}

impl Settings {
    /// # Errors
    ///
    /// What is no hours, days, date or prefix.
    pub(crate) fn check(self) -> Result<QuietHours, Vec<Problem>> {
        let mut problems = Vec::new();
        let everywhere = Hours::parse(&self.hours).filter(|hours| *hours != Hours::CLOSED);
        if everywhere.is_none() {
            problems.push(problem("/hours", "are no hours of a day, such as 08:00-21:00"));
        }
        let mut rules = if self.us_states { Rule::of_states() } else { Vec::new() };
        for (index, rule) in self.rules.into_iter().enumerate() {
            rules.extend(rule.check(&format!("/rules/{index}"), &mut problems));
        }
        match everywhere {
            Some(everywhere) if problems.is_empty() => Ok(QuietHours {
                intents: self.intents,
                everywhere,
                rules,
                zone_unknown: self.zone_unknown,
            }),
            _ => Err(problems),
        }
    }
}

impl RuleSetting {
    fn check(self, pointer: &str, problems: &mut Vec<Problem>) -> Option<Rule> {
        let before = problems.len();
        let mut wrong = |member: &str, detail: &str| {
            problems.push(problem(format!("{pointer}/{member}"), detail))
        };
        let is_name = (1..=NAME_CHARS).contains(&self.name.trim().chars().count())
            && !self.name.contains(|c: char| c == ',' || c.is_control());
        if !is_name {
            wrong("name", "is no name for records: give 1 to 64 characters, and no comma");
        }
        let is_prefix = |prefix: &String| {
            (1..=15).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit())
        };
        if self.prefixes.is_empty() || !self.prefixes.iter().all(is_prefix) {
            wrong(
                "prefixes",
                "needs beginnings of numbers in E.164, in digits without `+`, such as 1212",
            );
        }
        let days = Days::parse(&self.days);
        if days.is_none() {
            wrong(
                "days",
                "is neither a day, such as sun, nor days in a row from Monday to Sunday, such as mon-fri; fri-mon takes two rules",
            );
        }
        let hours = Hours::parse(&self.hours);
        if hours.is_none() {
            wrong("hours", "are no hours of a day, such as 08:00-20:00, nor `closed`");
        }
        let mut dated = |member: &str, given: Option<&String>, else_: i64| match given {
            None => else_,
            Some(text) => date(text).unwrap_or_else(|| {
                wrong(member, "is no date, such as 2026-01-31");
                else_
            }),
        };
        let since = dated("since", self.since.as_ref(), i64::MIN);
        let until = dated("until", self.until.as_ref(), i64::MAX);
        if since > until {
            wrong("since", "is after `until`, and so no day is left");
        }
        let (Some(days), Some(hours)) = (days, hours) else { return None };
        let rule = Rule { name: self.name, prefixes: self.prefixes, days, hours, since, until };
        (problems.len() == before).then_some(rule)
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::Case;

    use crate::QuietHours;

    #[test]
    fn everything_that_does_not_fit_is_named_by_its_place() {
        let problems = Case::<QuietHours>::problems(
            r#"{"hours": "closed", "rules": [
                {"name": "a", "prefixes": ["+33"], "days": "always", "hours": "8-20", "since": "1.1.2026"},
                {"name": " ", "prefixes": [], "hours": "closed", "until": "2026-02-40"},
                {"name": "c", "prefixes": ["33"], "hours": "closed", "since": "2026-02-02", "until": "2026-02-01"}]}"#,
        );
        let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/hours",
                "/rules/0/prefixes",
                "/rules/0/days",
                "/rules/0/hours",
                "/rules/0/since",
                "/rules/1/name",
                "/rules/1/prefixes",
                "/rules/1/until",
                "/rules/2/since"
            ]
        );
    }
}
