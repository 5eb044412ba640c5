use std::collections::BTreeMap;

use policy_sdk::state::Period;
use policy_sdk::{Problem, known, problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Budget;
use crate::prices::{IN_A_DOLLAR, MOST_DOLLARS, Prices, in_units};

/// What an operator may write.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The budgets. All that a message is under are charged together, or none.
    #[schemars(extend("default" = []))]
    budgets: Vec<BudgetSetting>,
    /// Price of a segment in US dollars by ISO 3166 region, such as `{ US = 0.0055 }`.
    #[schemars(extend("propertyNames" = {"format": "region"}))]
    prices: BTreeMap<String, f64>,
    /// Price of an MMS, likewise.
    #[schemars(extend("propertyNames" = {"format": "region"}))]
    mms_prices: BTreeMap<String, f64>,
    /// Price of a segment to any other region; needed where a budget is in money.
    default_price: Option<f64>,
    /// Price of an MMS to any other region; where absent, ten segments'.
    default_mms_price: Option<f64>,
    /// `false`: what Plivo charged, by its reports, does not take the place of these prices, as up to ten times them does.
    learn_prices: Option<bool>,
}

/// One budget.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetSetting {
    /// Its name; what was spent belongs to it and survives a change of the amount.
    name: String,
    /// Whose it is: `app`: each app's own; `account`: of all together.
    #[serde(default)]
    scope: Scope,
    /// Segments; an MMS is one.
    segments: Option<u32>,
    /// US dollars.
    usd: Option<f64>,
    /// Over which it is spent.
    #[serde(default)]
    per: Per,
    /// Where the day, week or month begins and ends, as an IANA name.
    #[serde(default = "utc")]
    #[schemars(with = "known::Zone")]
    zone: String,
    /// `monitor`: counts, never refuses, and warns.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// The apps that it is for; all where absent.
    #[schemars(with = "Option<Vec<known::App>>")]
    apps: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    #[default]
    App,
    Account,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    #[default]
    Day,
    Week,
    Month,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Enforce,
    Monitor,
}

/// A budget that holds.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) unit: Unit,
    pub(crate) quota: u32,
    pub(crate) period: Period,
    pub(crate) zone: String,
    pub(crate) mode: Mode,
    apps: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Segments,
    Money,
}

fn utc() -> String {
    "UTC".into()
}

impl Limit {
    pub(crate) fn is_for(&self, app: &str) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.iter().any(|each| each == app))
    }
}

impl Settings {
    /// # Errors
    ///
    /// Budgets of no or of both units, equal names, and what is no price.
    pub(crate) fn check(self) -> Result<Budget, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut limits: Vec<Limit> = Vec::new();
        for (index, budget) in self.budgets.into_iter().enumerate() {
            if let Err(detail) = policy_sdk::name(&budget.name) {
                problems.push(problem(format!("/budgets/{index}/name"), detail));
            }
            if limits.iter().any(|limit| limit.name == budget.name) {
                problems
                    .push(problem(format!("/budgets/{index}/name"), "is another budget's name"));
            }
            limits.extend(budget.check(&format!("/budgets/{index}"), &mut problems));
        }
        let needs_price = limits.iter().any(|limit| limit.unit == Unit::Money);
        if needs_price && self.default_price.is_none() {
            let detail = "is needed for a budget in money: the price of a segment to regions without their own";
            problems.push(problem("/default_price", detail));
        }
        let mut price = |pointer: String, dollars: f64| {
            in_units(Some(dollars)).unwrap_or_else(|| {
                problems.push(problem(pointer, "is no price in US dollars"));
                0
            })
        };
        let mut listed = |member: &str, prices: BTreeMap<String, f64>| -> BTreeMap<String, u32> {
            let units = prices.into_iter().map(|(region, dollars)| {
                let units = price(format!("/{member}/{region}"), dollars);
                (region, units)
            });
            units.collect()
        };
        let (sms, mms) = (listed("prices", self.prices), listed("mms_prices", self.mms_prices));
        let other_sms = price("/default_price".into(), self.default_price.unwrap_or(0.0));
        let other_mms = match self.default_mms_price {
            Some(dollars) => price("/default_mms_price".into(), dollars),
            None => other_sms.saturating_mul(10),
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let learn = needs_price && self.learn_prices.unwrap_or(true);
        let in_money = limits.iter().filter(|limit| limit.unit == Unit::Money && limit.quota > 0);
        let least_budget = in_money.map(|limit| limit.quota).min().unwrap_or(0);
        Ok(Budget {
            limits,
            prices: Prices { sms, mms, other_sms, other_mms, learn, least_budget },
        })
    }
}

/// Whether a budget of so many dollars is one that can be counted.
fn is_counted(usd: f64) -> bool {
    usd == 0.0 || (1.0 / IN_A_DOLLAR..=MOST_DOLLARS).contains(&usd)
}

impl BudgetSetting {
    fn check(self, pointer: &str, problems: &mut Vec<Problem>) -> Option<Limit> {
        let (unit, quota) = match (self.segments, self.usd) {
            (Some(segments), None) => (Unit::Segments, segments),
            (None, Some(usd)) => match in_units(Some(usd)).filter(|_| is_counted(usd)) {
                Some(units) => (Unit::Money, units),
                None => {
                    let detail = format!(
                        "is neither 0 nor from {} to {MOST_DOLLARS} US dollars",
                        1.0 / IN_A_DOLLAR
                    );
                    problems.push(problem(format!("{pointer}/usd"), detail));
                    return None;
                }
            },
            _ => {
                problems.push(problem(pointer, "needs `segments` or `usd`, one of them"));
                return None;
            }
        };
        let period = match self.per {
            Per::Day => Period::Day,
            Per::Week => Period::Week,
            Per::Month => Period::Month,
        };
        let Self { name, scope, zone, mode, apps, .. } = self;
        Some(Limit { name, scope, unit, quota, period, zone, mode, apps })
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::Case;

    use crate::Budget;

    fn pointers(settings: &str) -> Vec<String> {
        Case::<Budget>::problems(settings).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn everything_that_does_not_fit_is_named_by_its_place() {
        let found = pointers(
            r#"{"budgets": [{"name": "a"}, {"name": "b", "segments": 1, "usd": 1}, {"name": "c", "usd": 50000},
                            {"name": "d", "segments": 1}, {"name": "d", "segments": 2}],
                "prices": {"US": -1}}"#,
        );
        assert_eq!(
            found,
            ["/budgets/0", "/budgets/1", "/budgets/2/usd", "/budgets/4/name", "/prices/US"]
        );
    }

    #[test]
    fn a_budget_in_money_needs_a_price_for_every_region() {
        assert_eq!(pointers(r#"{"budgets": [{"name": "a", "usd": 1}]}"#), ["/default_price"]);
        Case::<Budget>::new(r#"{"budgets": [{"name": "a", "usd": 1}], "default_price": 0.1}"#);
        Case::<Budget>::new(r#"{"budgets": [{"name": "a", "segments": 1}]}"#);
    }
}
