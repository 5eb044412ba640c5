use std::borrow::Cow;

use policy_sdk::{Kind, Problem, known, problem};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// What an operator may write. Countries are ISO 3166 alpha-2 codes; `*` stands for every country.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Only these may be texted.
    #[schemars(with = "Vec<Listed>")]
    allow: Vec<String>,
    /// These may not, whatever `allow` says.
    #[schemars(with = "Vec<Listed>")]
    deny: Vec<String>,
    /// Only these may have media. Plivo carries MMS in the United States and Canada.
    #[schemars(with = "Vec<Listed>")]
    mms: Vec<String>,
    /// What becomes of media elsewhere: refused, left away, or put into the text as links.
    mms_fallback: Fallback,
    /// Finer rules, by country, app and kind.
    #[schemars(extend("default" = []))]
    rules: Vec<Rule>,
}

/// What becomes of media where there is no MMS.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-needs-grant" = {"amend": ["strip", "link"]}))]
pub(crate) enum Fallback {
    Deny,
    Strip,
    Link,
}

/// One finer rule. Blocking beats allowing, wherever either stands.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[schemars(with = "Vec<Listed>")]
    pub(crate) regions: Vec<String>,
    /// The apps it is for; every app where absent.
    #[serde(default)]
    #[schemars(with = "Option<Vec<known::App>>")]
    pub(crate) apps: Option<Vec<String>>,
    /// `sms`: for texts alone. `mms`: for media alone, which fall back where they are blocked. Where absent: for whatever is
    /// sent there; media go besides by `mms`.
    #[serde(default)]
    pub(crate) kind: Option<RuleKind>,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RuleKind {
    Sms,
    Mms,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Allow,
    Block,
    /// Changes no verdict, but notes the message.
    Monitor,
}

/// The schema of one of the countries in a list: a region that the host knows, or `*`.
enum Listed {}

impl JsonSchema for Listed {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listed".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let region = generator.subschema_for::<known::Region>();
        json_schema!({ "if": { "const": "*" }, "else": region })
    }
}

/// Checked settings.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
    pub(crate) mms: Vec<String>,
    pub(crate) mms_fallback: Fallback,
    pub(crate) rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: vec!["*".into()],
            deny: Vec::new(),
            mms: vec!["US".into(), "CA".into()],
            mms_fallback: Fallback::Deny,
            rules: Vec::new(),
        }
    }
}

impl Settings {
    /// # Errors
    ///
    /// Every country that is neither an ISO code nor `*`, and rules that would never hold.
    pub(crate) fn check(self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut look = |pointer: &str, regions: &[String]| {
            for (index, region) in regions.iter().enumerate() {
                if !is_region(region) {
                    let detail = "is not a country: give two upper-case letters (ISO 3166), such as \"US\", or \"*\" \
                     for \
                                  every country";
                    problems.push(problem(format!("{pointer}/{index}"), detail));
                }
            }
        };
        look("/allow", &self.allow);
        look("/deny", &self.deny);
        look("/mms", &self.mms);
        for (index, rule) in self.rules.iter().enumerate() {
            look(&format!("/rules/{index}/regions"), &rule.regions);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if rule.regions.is_empty() {
                let detail = "names no country, so that the rule would never hold";
                problems.push(problem(format!("/rules/{index}/regions"), detail));
            }
            if rule.apps.as_ref().is_some_and(Vec::is_empty) {
                let detail =
                    "names no app, so that the rule would never hold; leave it out for every app";
                problems.push(problem(format!("/rules/{index}/apps"), detail));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let Self { allow, deny, mms, mms_fallback, rules } = self;
        Ok(Rules { allow, deny, mms, mms_fallback, rules })
    }
}

impl Rule {
    pub(crate) fn is_for(&self, region: &str, app: &str) -> bool {
        holds(&self.regions, region)
            && self.apps.as_ref().is_none_or(|apps| apps.iter().any(|listed| listed == app))
    }

    pub(crate) fn is_about(&self, kind: Kind) -> bool {
        match self.kind {
            None => true,
            Some(RuleKind::Sms) => kind == Kind::Sms,
            Some(RuleKind::Mms) => kind == Kind::Mms,
        }
    }
}

/// Whether `list` holds `region`, by its code or by `*`.
pub(crate) fn holds(list: &[String], region: &str) -> bool {
    list.iter().any(|listed| listed == "*" || listed == region)
}

fn is_region(text: &str) -> bool {
    text == "*" || (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::Case;

    use crate::Country;

    #[test]
    fn an_unknown_fallback_or_action_is_named() {
        let cases = [
            (r#"{"mms_fallback": "drop"}"#, "/mms_fallback"),
            (r#"{"rules": [{"regions": ["US"], "action": "refuse"}]}"#, "/rules/0/action"),
        ];
        for (settings, pointer) in cases {
            let problems = Case::<Country>::problems(settings);
            assert_eq!(problems[0].pointer, pointer, "{}", problems[0].detail);
        }
    }
}
