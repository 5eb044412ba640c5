//! Only verified numbers while the Plivo account is on trial.

use std::collections::BTreeSet;

use policy_sdk::{
    Context, Decision, Facts, Message, Policy, PolicyError, Problem, export, problem, reject,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which numbers a trial account may send to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether the account is on trial. `false` lets every number pass.
    enabled: bool,
    /// The numbers verified in Plivo's console ("Sandbox Numbers"), in E.164.
    verified: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, verified: Vec::new() }
    }
}

/// Refuses here what Plivo would refuse anyway, before it is called.
#[derive(Debug)]
pub struct Trial {
    enabled: bool,
    verified: BTreeSet<String>,
}

impl Policy for Trial {
    type Settings = Settings;
    const SUMMARY: &'static str = "Only verified numbers while the Plivo account is on trial";

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let problems: Vec<Problem> = settings
            .verified
            .iter()
            .enumerate()
            .filter(|(_, number)| !is_e164(number))
            .map(|(index, _)| {
                let detail = "is not E.164: a plus sign, then 7 to 15 digits, such as +14155550123";
                problem(format!("/verified/{index}"), detail)
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { enabled: settings.enabled, verified: settings.verified.into_iter().collect() })
    }

    fn check(&self, message: &Message, _: &Facts, _: &Context) -> Result<Decision, PolicyError> {
        if !self.enabled || self.verified.contains(&message.to) {
            return Ok(Decision::accept());
        }
        let detail = "the Plivo account is on trial and this number is not verified; verify it in Plivo's console and \
                      add it to the policy's `verified`";
        Ok(reject("trial.not_verified", detail).into())
    }
}

export!(Trial, cases = "../cases.toml");

fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}
