//! The first message to a handset says who writes and how to end it: the twin, in Rust, of the policies in
//! `examples/javascript-policy` and `examples/python-policy`, which decide the same.

use policy_sdk::{
    Context, Decision, Facts, Fault, Message, Policy, PolicyError, Problem, export, mark, problem,
    reject, state,
};
use schemars::JsonSchema;
use serde::Deserialize;

const DAY_MS: u64 = 86_400_000;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name that the first message must hold.
    #[schemars(length(min = 1))]
    brand: String,
    /// The word that it must hold too.
    #[serde(default = "stop")]
    #[schemars(length(min = 1))]
    stop: String,
    /// How long it counts, in days.
    #[serde(default = "days")]
    #[schemars(range(min = 1, max = 31))]
    days: u64,
    /// What needs it.
    #[serde(default = "intents")]
    intents: Vec<String>,
}

fn stop() -> String {
    "STOP".to_owned()
}

fn days() -> u64 {
    30
}

fn intents() -> Vec<String> {
    vec!["marketing".to_owned()]
}

/// Knows what the first message must hold.
#[derive(Debug)]
pub struct Introduction(Settings);

impl Policy for Introduction {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "The first message to a handset says who writes and how to end it";
    const BUCKETS: &'static [&'static str] = &["handsets that were introduced to the brand"];

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        if settings.stop.to_lowercase() == settings.brand.to_lowercase() {
            let detail = "is the brand itself; name the word that ends the messages";
            return Err(vec![problem("/stop", detail)]);
        }
        Ok(Self(settings))
    }

    fn check(&self, message: &Message, _: &Facts, _: &Context) -> Result<Decision, PolicyError> {
        let Self(settings) = self;
        if !settings.intents.contains(&message.intent) || !self.is_first(&message.to)? {
            return Ok(Decision::accept());
        }
        let text = message.text.to_lowercase();
        let missing: Vec<String> = [&settings.brand, &settings.stop]
            .into_iter()
            .filter(|word| !text.contains(&word.to_lowercase()))
            .map(|word| format!("\"{word}\""))
            .collect();
        let decision = if missing.is_empty() {
            Decision::accept()
        } else {
            let code = "introduction.missing";
            let missing = missing.join(" and ");
            let detail = format!("the first message to a handset must hold {missing}");
            reject(code, &detail).fault(Fault::new("/text", code, &detail)).into()
        };
        Ok(decision.note("introduction.first", "true"))
    }
}

impl Introduction {
    /// The host takes the reservation back where nothing is sent, so only a message that went out is a first one.
    fn is_first(&self, number: &str) -> Result<bool, PolicyError> {
        Ok(state::reserve(&mark("", [number]), self.0.days * DAY_MS)?.is_none())
    }
}

export!(Introduction, cases = "../../../../../examples/javascript-policy/cases.toml");
