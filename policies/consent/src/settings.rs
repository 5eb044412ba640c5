use std::collections::BTreeMap;

use policy_sdk::{Problem, known, problem};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Consent;
use crate::words::{Words, letters, plain};

/// Longest time for a confirmation, in seconds: a day.
const LONGEST_CONFIRMATION_S: u32 = 86_400;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Senders that an opt-out covers together, by the campaign's name: numbers in E.164, short codes, names, UUIDs of
    /// pools.
    #[schemars(with = "BTreeMap<String, Vec<known::Sender>>")]
    campaigns: BTreeMap<String, Vec<String>>,
    /// Whole texts that mean no more messages, in any case.
    stop_words: Vec<String>,
    /// Whole texts that mean messages again.
    start_words: Vec<String>,
    /// Words within any other text that a person is to look at.
    review_words: Vec<String>,
    /// The intents of the one message that may confirm an opt-out.
    #[schemars(with = "Vec<known::Intent>")]
    confirmation_intents: Vec<String>,
    /// How long after the opt-out it may come, in seconds.
    confirmation_s: u32,
    /// Intents that are sent all the same.
    #[schemars(with = "Vec<known::Intent>")]
    exempt_intents: Vec<String>,
    /// Whether Plivo's error 200 (the recipient has opted out) is an opt-out here too.
    learn_from_reports: bool,
    /// A secret that keeps marks from being found by trying numbers.
    salt: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            campaigns: BTreeMap::new(),
            // The last three: 47 CFR 64.1200(a)(10).
            stop_words: owned(&[
                "STOP",
                "STOPALL",
                "END",
                "QUIT",
                "CANCEL",
                "UNSUBSCRIBE",
                "UNSUB",
                "REVOKE",
                "OPT OUT",
                "OPTOUT",
            ]),
            start_words: owned(&["START", "UNSTOP", "YES", "RESUME", "GO"]),
            review_words: owned(&["STOP", "STOPALL", "UNSUBSCRIBE", "UNSUB", "OPT OUT", "REMOVE"]),
            confirmation_intents: owned(&["optout_confirmation"]),
            confirmation_s: 300,
            exempt_intents: Vec::new(),
            learn_from_reports: true,
            salt: String::new(),
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Settings {
    /// # Errors
    ///
    /// A word that cannot be one, or means both; a sender in two campaigns.
    pub(crate) fn check(self) -> Result<Consent, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut read = |pointer: &str, words: &[String]| -> Vec<String> {
            let plain: Vec<String> = words.iter().map(|word| plain(word)).collect();
            for (index, _) in plain.iter().enumerate().filter(|(_, word)| word.is_empty()) {
                problems
                    .push(problem(format!("{pointer}/{index}"), "has neither letter nor digit"));
            }
            plain
        };
        let stop = read("/stop_words", &self.stop_words);
        let start = read("/start_words", &self.start_words);
        let review = read("/review_words", &self.review_words);
        let stops: Vec<String> = stop.iter().map(|word| letters(word)).collect();
        let is_stop = |word: &String| stops.contains(&letters(word));
        for (index, word) in start.iter().enumerate().filter(|(_, word)| is_stop(word)) {
            let detail = format!("is `{word}`, which is one of `stop_words` too");
            problems.push(problem(format!("/start_words/{index}"), detail));
        }
        if self.confirmation_s > LONGEST_CONFIRMATION_S {
            problems.push(problem("/confirmation_s", "is longer than a day (86400)"));
        }
        let mut campaigns: BTreeMap<String, String> = BTreeMap::new();
        for (campaign, senders) in self.campaigns {
            let place = format!("/campaigns/{}", campaign.replace('~', "~0").replace('/', "~1"));
            // Opt-outs are kept under the name.
            if campaign.trim().is_empty() {
                problems.push(problem(&place, "has no name; give the campaign one"));
            }
            if senders.is_empty() {
                problems.push(problem(&place, "has no sender; name them, or leave it out"));
            }
            for sender in senders {
                if let Some(other) = campaigns.insert(sender.to_ascii_lowercase(), campaign.clone())
                {
                    let detail = format!("a sender of it belongs to `{other}` already");
                    problems.push(problem(&place, detail));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Consent {
            campaigns,
            words: Words { stop, start, review },
            confirmation_intents: self.confirmation_intents,
            confirmation_ms: u64::from(self.confirmation_s) * 1_000,
            exempt_intents: self.exempt_intents,
            learn_from_reports: self.learn_from_reports,
            salt: self.salt,
        })
    }
}

/// The words of the default settings.
#[cfg(test)]
pub(crate) fn words() -> Words {
    Settings::default().check().expect("settings that hold").words
}

/// With these in the place of `review_words`.
#[cfg(test)]
pub(crate) fn reviewing(words: &[&str]) -> Words {
    let settings = Settings { review_words: owned(words), ..Settings::default() };
    settings.check().expect("settings that hold").words
}

/// With these in the place of `stop_words` and `review_words`.
#[cfg(test)]
pub(crate) fn stopping(stop: &[&str], review: &[&str]) -> Words {
    let (stop_words, review_words) = (owned(stop), owned(review));
    let settings = Settings { stop_words, review_words, ..Settings::default() };
    settings.check().expect("settings that hold").words
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::Case;

    use crate::Consent;

    #[test]
    fn everything_that_does_not_fit_is_named_by_its_place() {
        let problems = Case::<Consent>::problems(
            r#"{"stop_words": ["ARRET", "!"], "start_words": ["OUI", "arret."], "confirmation_s": 86401,
                "campaigns": {"": [], "a": ["+14155551212"], "b/c": ["12345", "+14155551212"]}}"#,
        );
        let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/stop_words/1",
                "/start_words/1",
                "/confirmation_s",
                "/campaigns/",
                "/campaigns/",
                "/campaigns/b~1c"
            ]
        );
    }
}
