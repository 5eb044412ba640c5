use policy_sdk::{Problem, known, problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Pumping;

/// What an operator may write. A quota of 0 turns its rule off, `velocity` where its `run` is 0, too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether rules refuse (`enforce`), or only warn of what they would refuse (`monitor`).
    pub(crate) mode: Mode,
    /// Numbers, and beginnings of numbers, in E.164 with `+`, that no rule here looks at.
    pub(crate) safe: Vec<String>,
    /// Many numbers of one block of a thousand within a short time.
    pub(crate) velocity: Velocity,
    /// An app that texts many regions that it never texted before.
    pub(crate) fanout: Fanout,
    /// Few messages to a region at first.
    pub(crate) cold_start: ColdStart,
    /// Codes that nobody enters; needs `POST /v1/messages/{id}/converted`.
    pub(crate) conversion: Conversion,
    /// Many messages for one `end_user_ip`.
    pub(crate) source: Source,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Monitor,
    Enforce,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Velocity {
    /// Most numbers of one block; one that is texted again counts once.
    pub(crate) quota: u32,
    /// In any so many seconds.
    pub(crate) per_s: u32,
    /// So many numbers in a row, 2 to 20, trip it as well; 0: never. Each is asked for.
    #[schemars(range(max = 20))]
    pub(crate) run: u32,
    /// How long a block is closed the first time, in seconds; then twice as long each time.
    pub(crate) close_s: u32,
    /// And at the longest.
    pub(crate) close_max_s: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fanout {
    /// Most new regions of an app.
    pub(crate) quota: u32,
    /// In any so many seconds.
    pub(crate) per_s: u32,
    /// Regions that are new to no app.
    #[schemars(with = "Vec<known::Region>")]
    pub(crate) home: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ColdStart {
    /// Most messages of an app in a day to a region that is new to it.
    pub(crate) quota: u32,
    /// How long a region is new, in days from the first message.
    pub(crate) days: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Conversion {
    /// Whether apps tell of conversions, so that their absence means something.
    pub(crate) told: bool,
    /// The intents that it counts.
    #[schemars(with = "Vec<known::Intent>")]
    pub(crate) intents: Vec<String>,
    /// Unconverted messages to a region in a day that are always let pass.
    #[schemars(range(min = 1))]
    pub(crate) day: u32,
    /// And in an hour.
    #[schemars(range(min = 1))]
    pub(crate) hour: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Source {
    /// Most messages for one address.
    pub(crate) quota: u32,
    /// In any so many seconds.
    pub(crate) per_s: u32,
}

impl Default for Velocity {
    fn default() -> Self {
        Self { quota: 10, per_s: 60, run: 5, close_s: 900, close_max_s: 86_400 }
    }
}

impl Default for Fanout {
    fn default() -> Self {
        Self { quota: 3, per_s: 3_600, home: Vec::new() }
    }
}

impl Default for ColdStart {
    fn default() -> Self {
        Self { quota: 20, days: 7 }
    }
}

impl Default for Conversion {
    fn default() -> Self {
        Self { told: false, intents: vec!["otp".into()], day: 20, hour: 3 }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self { quota: 5, per_s: 600 }
    }
}

impl Settings {
    /// # Errors
    ///
    /// Times of nothing, what lets no message pass, and what is no beginning of a number.
    pub(crate) fn check(self) -> Result<Pumping, Vec<Problem>> {
        let mut problems = Vec::new();
        for (index, safe) in self.safe.iter().enumerate() {
            let digits = safe.strip_prefix('+').unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let detail = "is no beginning of a number in E.164, such as +9471123";
                problems.push(problem(format!("/safe/{index}"), detail));
            }
        }
        for (pointer, seconds) in [
            ("/velocity/per_s", self.velocity.per_s),
            ("/velocity/close_s", self.velocity.close_s),
            ("/fanout/per_s", self.fanout.per_s),
            ("/source/per_s", self.source.per_s),
        ] {
            if !(1..=2_592_000).contains(&seconds) {
                problems.push(problem(pointer, "is not from 1 to 2592000 (thirty days)"));
            }
        }
        // Every number is a row of one.
        if self.velocity.run == 1 {
            let detail = "is 1, and so no message could be sent; give 2 to 20, or 0 for none";
            problems.push(problem("/velocity/run", detail));
        }
        for (pointer, messages) in
            [("/conversion/day", self.conversion.day), ("/conversion/hour", self.conversion.hour)]
        {
            if messages == 0 {
                let detail = "is 0, and so no region could have its first message";
                problems.push(problem(pointer, detail));
            }
        }
        if !(self.velocity.close_s..=2_592_000).contains(&self.velocity.close_max_s) {
            let detail = "is not from `close_s` to 2592000 (thirty days)";
            problems.push(problem("/velocity/close_max_s", detail));
        }
        if problems.is_empty() { Ok(Pumping(self)) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::Case;

    use crate::Pumping;

    #[test]
    fn what_would_let_no_message_pass_is_refused() {
        for (settings, pointers) in [
            (r#"{"velocity": {"run": 1}}"#, &["/velocity/run"][..]),
            (r#"{"conversion": {"day": 0, "hour": 0}}"#, &["/conversion/day", "/conversion/hour"]),
        ] {
            let problems = Case::<Pumping>::problems(settings);
            let found: Vec<&str> = problems.iter().map(|each| each.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{settings}");
        }
        for run in [0, 2, 20] {
            Case::<Pumping>::new(&format!(r#"{{"velocity": {{"run": {run}}}}}"#));
        }
    }

    #[test]
    fn everything_that_does_not_fit_is_named_by_its_place() {
        let problems = Case::<Pumping>::problems(
            r#"{"safe": ["+94711", "94711", "+"], "velocity": {"per_s": 0, "close_s": 60, "close_max_s": 59},
                "source": {"per_s": 2592001}}"#,
        );
        let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/safe/1", "/safe/2", "/velocity/per_s", "/source/per_s", "/velocity/close_max_s"]
        );
    }
}
