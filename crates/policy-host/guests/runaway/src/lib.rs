//! A guest that misbehaves on request, so that the host can be seen to bear it.
//!
//! The first word of the message's text says what it does, the rest is its argument; see [`Policy::check`] below. Any
//! other text is accepted. `{to}` in it stands for the recipient's digits, `{dashed}` and `{spaced}` for them as people write
//! those of North America. It imports `state` and `log`.

mod amends;
mod misdeeds;

use std::collections::BTreeMap;

use policy_sdk::{
    Context, Decision, Facts, Message, Policy, PolicyError, Problem, export, log, problem, reject,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What it does besides.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Other texts that stand for a request.
    on_text: BTreeMap<String, String>,
    /// Never comes to an end of `configure`.
    spin_on_configure: bool,
    /// Panics in `configure`.
    panic_on_configure: bool,
    /// Finds a problem with this detail in its settings.
    problem: Option<String>,
    /// Refuses longer texts, in characters.
    most_chars: Option<u32>,
}

/// Does what it is told.
#[derive(Debug)]
pub struct Runaway {
    on_text: BTreeMap<String, String>,
    most_chars: Option<u32>,
}

impl Policy for Runaway {
    type Settings = Settings;
    const SUMMARY: &'static str = "A guest that spins, hoards, panics or overflows on request";
    // And again, before a late call.
    const ASKED_AGAIN: bool = true;

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        if settings.spin_on_configure {
            misdeeds::spin();
        }
        assert!(!settings.panic_on_configure, "as the settings ask");
        match settings.problem {
            Some(detail) => Err(vec![problem("/problem", detail)]),
            None => Ok(Self { on_text: settings.on_text, most_chars: settings.most_chars }),
        }
    }

    fn check(
        &self,
        message: &Message,
        _: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        if self.most_chars.is_some_and(|most| message.text.chars().count() > most as usize) {
            return Ok(reject("test.too_long", "is longer than the settings have it").into());
        }
        let request = self.on_text.get(&message.text).unwrap_or(&message.text);
        let request = &misdeeds::telling(request, &message.to);
        let (word, argument) = request.split_once(' ').unwrap_or((request, ""));
        match word {
            "spin" => misdeeds::spin(),
            "hoard" => misdeeds::hoard(),
            "panic" => panic!("as the message asks"),
            "overflow" => misdeeds::overflow(),
            "log" => log::info(argument),
            "chatty" => misdeeds::chatty(argument),
            "greedy" => misdeeds::greedy(argument),
            "undecided" => return Err(misdeeds::undecided(argument)),
            "refuse" => return Ok(reject(argument, "as the message asks").into()),
            "note" => return Ok(misdeeds::note(argument)),
            "notes" => return Ok(misdeeds::notes(argument)),
            _ => return Ok(amends::amend(word, argument, context)),
        }
        Ok(Decision::accept())
    }
}

export!(Runaway, log_panics);

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, facts, lines, sms};
    use policy_sdk::{Decision, Message};

    use super::Runaway;

    fn ask(text: &str) -> Decision {
        Case::<Runaway>::new("{}").check(&Message { text: text.into(), ..sms() })
    }

    #[test]
    fn its_cases_hold_without_a_host() {
        policy_sdk::testing::cases::<Runaway>(include_str!("../cases.toml"));
    }

    #[test]
    fn an_ordinary_text_is_accepted() {
        assert_eq!(ask("see you at five"), Decision::accept());
    }

    #[test]
    fn a_text_may_stand_for_a_request() {
        let mut case = Case::<Runaway>::new(r#"{"on_text": {"hi": "refuse test.asked"}}"#);
        assert_eq!(case.check(&sms()).refused_with(), Some("test.asked"));
    }

    #[test]
    fn it_can_be_undecided() {
        let message = Message { text: "undecided".into(), ..sms() };
        let error = Case::<Runaway>::new("{}").try_check(&message, &facts(&message));
        assert_eq!(error.expect_err("no decision").kind, "undecided");
    }

    #[test]
    #[should_panic(expected = "as the message asks")]
    fn it_can_panic() {
        ask("panic");
    }

    #[test]
    fn it_chats_and_takes_as_often_as_it_is_told() {
        ask("chatty 3");
        assert_eq!(lines().len(), 3);
        assert_eq!(ask("greedy 65"), Decision::accept());
    }

    #[test]
    fn its_settings_can_be_at_fault() {
        let problems = Case::<Runaway>::problems(r#"{"problem": "as asked"}"#);
        assert_eq!(
            (problems[0].pointer.as_str(), problems[0].detail.as_str()),
            ("/problem", "as asked")
        );
    }
}
