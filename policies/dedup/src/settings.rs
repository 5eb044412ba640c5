use std::collections::BTreeMap;

use policy_sdk::{Problem, problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest window, in seconds: a day. Longer memory is what idempotency keys are for.
const LONGEST_S: u32 = 86_400;

/// The one intent whose texts may be folded: two one-time codes differ in one character.
const FOLDABLE: &str = "marketing";

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long content is remembered, in seconds; 0 is off. Carriers drop repeats within 5 to 10 seconds.
    window_s: u32,
    /// What becomes of a repeat. Where absent: marketing is coalesced, everything else refused.
    mode: Option<Mode>,
    /// Other values for an intent.
    #[schemars(extend("propertyNames" = {"format": "intent"}))]
    #[schemars(extend("default" = {}))]
    by_intent: BTreeMap<String, ByIntent>,
    /// A secret that keeps marks from being found by trying numbers.
    salt: String,
    /// Where replicas share what they remember and the shared store is away: `local` has each remember alone. Sendgate
    /// itself reads it; no verdict depends on it.
    on_unavailable: OnUnavailable,
}

/// What becomes of the marks while a shared store is away.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnUnavailable {
    #[default]
    Reject,
    Local,
}

/// What becomes of a repeat.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Refused, with the first message's id.
    Reject,
    /// Answered as the first message was.
    Coalesce,
    /// Sent, with a warning.
    Flag,
}

/// Values for one intent; what is absent is as for all.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ByIntent {
    window_s: Option<u32>,
    mode: Option<Mode>,
    /// Whether texts that differ in case and spacing alone are the same. For `marketing` only.
    fold: bool,
}

/// Checked settings.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) salt: String,
    settings: Settings,
}

/// What holds for one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) window_ms: u64,
    pub(crate) mode: Mode,
    pub(crate) fold: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_s: 30,
            mode: None,
            by_intent: BTreeMap::new(),
            salt: String::new(),
            on_unavailable: OnUnavailable::Reject,
        }
    }
}

impl Settings {
    /// # Errors
    ///
    /// Windows out of bounds, and folding where it would merge what differs.
    pub(crate) fn check(mut self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut window = |pointer: String, seconds: u32| {
            if seconds > LONGEST_S {
                problems.push(problem(pointer, "is longer than a day (86400)"));
            }
        };
        window("/window_s".into(), self.window_s);
        for (intent, by_intent) in &self.by_intent {
            let window_s = by_intent.window_s.unwrap_or_default();
            window(format!("/by_intent/{}/window_s", escaped(intent)), window_s);
        }
        for (intent, by_intent) in &self.by_intent {
            if by_intent.fold && intent != FOLDABLE {
                let detail = "folding is for `marketing` alone: two one-time codes may differ in one character";
                problems.push(problem(format!("/by_intent/{}/fold", escaped(intent)), detail));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Rules { salt: std::mem::take(&mut self.salt), settings: self })
    }
}

impl Rules {
    /// What holds for a message of `intent`.
    pub(crate) fn rule(&self, intent: &str) -> Rule {
        let own = self.settings.by_intent.get(intent);
        let default_mode = if intent == "marketing" { Mode::Coalesce } else { Mode::Reject };
        let window_s = own.and_then(|own| own.window_s).unwrap_or(self.settings.window_s);
        Rule {
            window_ms: u64::from(window_s) * 1_000,
            mode: own.and_then(|own| own.mode).or(self.settings.mode).unwrap_or(default_mode),
            fold: own.is_some_and(|own| own.fold),
        }
    }
}

/// A name as a JSON pointer has it (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use policy_sdk::testing::Case;

    use super::{ByIntent, Mode, Rule, Rules, Settings};
    use crate::Dedup;

    fn by_intent(intent: &str, own: ByIntent) -> Rules {
        let by_intent = BTreeMap::from([(intent.to_owned(), own)]);
        let settings =
            Settings { window_s: 10, mode: Some(Mode::Flag), by_intent, ..Settings::default() };
        settings.check().expect("settings that hold")
    }

    #[test]
    fn an_intents_own_values_come_before_those_for_all() {
        let rules = by_intent("otp", ByIntent { mode: Some(Mode::Reject), ..ByIntent::default() });
        assert_eq!(rules.rule("otp"), Rule { window_ms: 10_000, mode: Mode::Reject, fold: false });
        assert_eq!(
            rules.rule("marketing"),
            Rule { window_ms: 10_000, mode: Mode::Flag, fold: false }
        );
    }

    #[test]
    fn what_holds_without_the_shared_store_is_one_of_two_words() {
        for word in ["reject", "local"] {
            Case::<Dedup>::new(&format!(r#"{{"on_unavailable": "{word}"}}"#));
        }
        let problems = Case::<Dedup>::problems(r#"{"on_unavailable": "accept"}"#);
        assert_eq!(problems[0].pointer, "/on_unavailable", "{}", problems[0].detail);
    }

    #[test]
    fn an_unknown_mode_is_named() {
        let problems = Case::<Dedup>::problems(r#"{"mode": "drop"}"#);
        assert_eq!(problems[0].pointer, "/mode", "{}", problems[0].detail);
    }
}
