use std::collections::BTreeSet;

use policy_sdk::state::{Calendar, Gcra, LimitKind, Period, Window};
use policy_sdk::{Problem, known, problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Throttle;
use crate::limit::{Cost, Exempt, Limit, Mode, OnLimit, Only, Scope};

/// Most limits: each costs a call of the state at worst, and a decision may make sixty-four.
const MOST_LIMITS: usize = 32;

/// What stands after `throttle.` in the codes that are not a limit's name.
const OWN_CODES: [&str; 6] =
    ["calendar", "cost_exceeds_burst", "loop", "monitor", "shaped", "would_expire"];

/// Longest `per_s`: thirty-one days. Beyond it a calendar says better what is meant.
const LONGEST_S: u32 = 31 * 86_400;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where absent: ten messages of each app in any sixty seconds. An empty list is no limit.
    #[schemars(extend("default" = [{"name": "app", "scope": "app", "quota": 10, "per_s": 60}]))]
    limits: Vec<RawLimit>,
    /// A secret that keeps the marks of numbers from being found by trying.
    salt: String,
}

/// One limit as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    /// Lower-case letters, digits, `_` and `-`. The refusal's code is `throttle.NAME`; usage survives changes under it.
    name: String,
    scope: Scope,
    /// `window` is exact, `gcra` paces evenly, `calendar` counts by the day, week or month.
    #[serde(default)]
    kind: RawKind,
    /// Most cost in `per_s`, or in `period`.
    quota: u32,
    /// For `window` and `gcra`: seconds that the quota is for.
    #[serde(default)]
    per_s: Option<u32>,
    /// For `gcra`: most cost at once; 1 where absent.
    #[serde(default)]
    burst: Option<u32>,
    /// For `calendar`.
    #[serde(default)]
    period: Option<RawPeriod>,
    /// For `calendar`: the IANA zone whose midnight counts; `UTC` where absent.
    #[serde(default)]
    #[schemars(with = "Option<known::Zone>")]
    zone: Option<String>,
    #[serde(default)]
    cost: Cost,
    /// `queue` only for `gcra`.
    #[serde(default)]
    on_limit: OnLimit,
    #[serde(default)]
    mode: Mode,
    /// Where replicas share their limits and the shared store is away: `local` has each count alone. Sendgate itself
    /// reads it; no verdict depends on it.
    #[serde(default)]
    #[expect(dead_code, reason = "said here so that the schema has it; for the host to read")]
    on_unavailable: OnUnavailable,
    /// Only these apps; every app where absent.
    #[serde(default)]
    #[schemars(with = "Option<Vec<known::App>>")]
    apps: Option<Vec<String>>,
    /// Only these intents.
    #[serde(default)]
    #[schemars(with = "Option<Vec<known::Intent>>")]
    intents: Option<Vec<String>>,
    /// Only these regions of the recipient.
    #[serde(default)]
    #[schemars(with = "Option<Vec<known::Region>>")]
    regions: Option<Vec<String>>,
    /// Not these apps.
    #[serde(default)]
    #[schemars(with = "Vec<known::App>")]
    exempt_apps: Vec<String>,
    /// Not these intents.
    #[serde(default)]
    #[schemars(with = "Vec<known::Intent>")]
    exempt_intents: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    #[default]
    Window,
    Gcra,
    Calendar,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum OnUnavailable {
    #[default]
    Reject,
    Local,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum RawPeriod {
    Day,
    Week,
    Month,
}

/// Collects what is wrong with one limit.
struct Problems<'a> {
    index: usize,
    found: &'a mut Vec<Problem>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limits: vec![RawLimit::ten_a_minute()], salt: String::new() }
    }
}

impl Settings {
    /// # Errors
    ///
    /// Every part of every limit that does not fit.
    pub(crate) fn check(self) -> Result<Throttle, Vec<Problem>> {
        let mut found = Vec::new();
        if self.limits.len() > MOST_LIMITS {
            found.push(problem("/limits", format!("has more than {MOST_LIMITS} limits")));
        }
        let mut names = BTreeSet::new();
        let mut limits = Vec::new();
        for (index, raw) in self.limits.into_iter().enumerate() {
            let mut problems = Problems { index, found: &mut found };
            raw.look_at_name(&mut names, &mut problems);
            limits.extend(raw.check(&mut problems));
        }
        if found.is_empty() { Ok(Throttle { limits, salt: self.salt }) } else { Err(found) }
    }
}

impl RawLimit {
    /// The default: ten in any minute, by app.
    fn ten_a_minute() -> Self {
        Self {
            name: "app".into(),
            scope: Scope::App,
            kind: RawKind::Window,
            quota: 10,
            per_s: Some(60),
            burst: None,
            period: None,
            zone: None,
            cost: Cost::Messages,
            on_limit: OnLimit::Reject,
            mode: Mode::Enforce,
            on_unavailable: OnUnavailable::Reject,
            apps: None,
            intents: None,
            regions: None,
            exempt_apps: Vec::new(),
            exempt_intents: Vec::new(),
        }
    }

    fn look_at_name(&self, names: &mut BTreeSet<String>, problems: &mut Problems<'_>) {
        if let Err(detail) = policy_sdk::name(&self.name) {
            problems.add("name", detail);
        }
        if OWN_CODES.contains(&&*self.name) {
            problems.add("name", "makes a code that means something else; take another word");
        }
        if !names.insert(self.name.clone()) {
            problems.add("name", "is another limit's name too; their usage would mix");
        }
    }

    /// The limit, unless a problem was found that leaves none.
    fn check(self, problems: &mut Problems<'_>) -> Option<Limit> {
        if self.quota == 0 {
            problems.add("quota", "is 0; leave the limit out for none, or block in another policy");
        }
        if self.on_limit == OnLimit::Queue && self.kind != RawKind::Gcra {
            problems.add(
                "on_limit",
                "can be `queue` for kind `gcra` only: the others have no next slot",
            );
        }
        let lists = [("apps", &self.apps), ("intents", &self.intents), ("regions", &self.regions)];
        for (setting, list) in lists {
            if list.as_ref().is_some_and(Vec::is_empty) {
                problems.add(
                    setting,
                    "is empty, so that the limit would never hold; leave it out for all",
                );
            }
        }
        let kind = self.kind(problems)?;
        Some(Limit {
            name: self.name,
            scope: self.scope,
            kind,
            cost: self.cost,
            on_limit: self.on_limit,
            mode: self.mode,
            only: Only { apps: self.apps, intents: self.intents, regions: self.regions },
            exempt: Exempt { apps: self.exempt_apps, intents: self.exempt_intents },
        })
    }

    fn kind(&self, problems: &mut Problems<'_>) -> Option<LimitKind> {
        let quota = self.quota;
        if self.kind == RawKind::Calendar {
            problems.not_for("calendar", "per_s", self.per_s.is_some());
            problems.not_for("calendar", "burst", self.burst.is_some());
            let Some(period) = self.period else {
                problems.add("period", "is missing; give `day`, `week` or `month`");
                return None;
            };
            let zone = self.zone.clone().unwrap_or_else(|| "UTC".into());
            if zone.is_empty() {
                problems.add("zone", "is empty; give an IANA name, such as America/Los_Angeles");
            }
            return Some(LimitKind::Calendar(Calendar { quota, period: period.into(), zone }));
        }
        let word = if self.kind == RawKind::Gcra { "gcra" } else { "window" };
        problems.not_for(word, "period", self.period.is_some());
        problems.not_for(word, "zone", self.zone.is_some());
        let per_ms = match self.per_s {
            Some(seconds @ 1..=LONGEST_S) => Some(u64::from(seconds) * 1_000),
            Some(_) => {
                problems.add("per_s", "is not from 1 to 2678400 (31 days)");
                None
            }
            None => {
                problems.add("per_s", "is missing; give the seconds that the quota is for");
                None
            }
        };
        if self.kind == RawKind::Window {
            problems.not_for(word, "burst", self.burst.is_some());
            return Some(LimitKind::Window(Window { quota, per_ms: per_ms? }));
        }
        if self.burst == Some(0) {
            problems.add("burst", "is 0, so that nothing could ever pass");
        }
        Some(LimitKind::Gcra(Gcra { quota, per_ms: per_ms?, burst: self.burst.unwrap_or(1) }))
    }
}

impl From<RawPeriod> for Period {
    fn from(period: RawPeriod) -> Self {
        match period {
            RawPeriod::Day => Self::Day,
            RawPeriod::Week => Self::Week,
            RawPeriod::Month => Self::Month,
        }
    }
}

impl Problems<'_> {
    fn add(&mut self, setting: &str, detail: &str) {
        self.found.push(problem(format!("/limits/{}/{setting}", self.index), detail));
    }

    fn not_for(&mut self, kind: &str, setting: &str, given: bool) {
        if given {
            self.add(
                setting,
                &format!("means nothing for kind `{kind}`; remove it or change `kind`"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
