//! Refuses texts that hold a listed word.

use policy_sdk::{Context, Decision, Facts, Message, Policy, PolicyError, Problem, export, reject};
use schemars::JsonSchema;
use serde::Deserialize;

/// What an operator may write under `[policies.settings]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Words that no text may hold.
    words: Vec<String>,
}

impl Policy for Words {
    type Settings = Self;
    const SUMMARY: &'static str = "Refuses texts that hold a listed word";

    fn configure(settings: Self) -> Result<Self, Vec<Problem>> {
        Ok(settings)
    }

    fn check(&self, message: &Message, _: &Facts, _: &Context) -> Result<Decision, PolicyError> {
        Ok(match self.words.iter().find(|word| message.text.contains(word.as_str())) {
            Some(_) => reject("words.listed", "the text holds a listed word").into(),
            None => Decision::accept(),
        })
    }
}

export!(Words, cases = "../cases.toml", log_panics);
