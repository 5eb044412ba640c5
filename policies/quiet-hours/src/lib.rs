//! Marketing only in the hours in which it may be sent, wherever the recipient may be.
//!
//! A number's area may lie in several time zones, and then it must be open in all of them. What comes in quiet hours is
//! put off to the next opening. The rules are data with dates (`states.tsv`, the settings); none of it is legal advice.

mod hours;
mod opening;
mod rules;
mod settings;

use std::ops::RangeInclusive;

use policy_sdk::zones::Offset;
use policy_sdk::{
    Change, Context, Decision, Facts, Message, Policy, PolicyError, Problem, Rejection, export,
    reject, zones,
};

pub use settings::Settings;

use hours::{DAY_MS, Hours};
use rules::{Rule, Week};
use settings::ZoneUnknown;

/// The app's label that tells the recipient's time zone.
const ZONE_TAG: &str = "recipient_tz";
/// How far ahead a message is put off, in milliseconds: eight days, so that every day of the week comes.
const AHEAD_MS: u64 = 8 * 86_400_000;
/// How far ahead an opening is looked for that is too far for that: a rule may close whole weeks.
const LOOK_MS: u64 = 60 * 86_400_000;

/// Puts marketing off to the recipient's next opening.
#[derive(Debug)]
pub struct QuietHours {
    intents: Vec<String>,
    everywhere: Hours,
    rules: Vec<Rule>,
    zone_unknown: ZoneUnknown,
}

impl Policy for QuietHours {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "Marketing only in the hours in which it may be sent where the recipient may be";
    // A limit, an outage or a retry may move a call into quiet hours.
    const ASKED_AGAIN: bool = true;

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check()
    }

    fn check(
        &self,
        message: &Message,
        facts: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        if !self.intents.contains(&message.intent) {
            return Ok(Decision::accept());
        }
        let told = message.tags.iter().find(|(key, _)| key == ZONE_TAG);
        let names = match told {
            Some((_, zone)) => vec![zone.clone()],
            None => facts.number.zones.clone(),
        };
        let due_ms = message.not_before_ms.unwrap_or(0).max(context.now_ms);
        let until_ms = due_ms.saturating_add(AHEAD_MS);
        let clocks = zones::offsets(&names, due_ms, until_ms);
        // A zone that nobody knows is a place where it may be any time.
        if clocks.is_empty() || clocks.len() != names.len() || clocks.iter().any(Vec::is_empty) {
            return Ok(self.unknown());
        }

        let week = Week::of(&message.to, self.everywhere, &self.rules);
        let opening_ms = opening::next(&week, &clocks, due_ms, until_ms);
        let decision = match opening_ms {
            Some(opening_ms) if opening_ms == due_ms => Decision::accept(),
            Some(opening_ms) if lives_until(message, due_ms, opening_ms) => {
                let minutes = (opening_ms - context.now_ms).div_ceil(60_000);
                let detail = format!(
                    "it is not the hour for it where the recipient may be; sent in {minutes} min"
                );
                Change::new("quiet.deferred", detail).set_not_before_ms(opening_ms).into()
            }
            Some(opening_ms) => {
                let detail = "its time would be over before it may be sent where the recipient may be; let it live \
                              longer, or send it later";
                let wait_ms = opening_ms - context.now_ms;
                reject("quiet.would_expire", detail).retry_after_ms(wait_ms).into()
            }
            None => {
                let far_ms = due_ms.saturating_add(LOOK_MS);
                let clocks = zones::offsets(&names, due_ms, far_ms);
                let opening_ms = opening::next(&week, &clocks, due_ms, far_ms);
                shut(opening_ms, context.now_ms, names.len()).into()
            }
        };
        let decided = dates(&clocks, due_ms, opening_ms.unwrap_or(until_ms));
        Ok(noted(decision, &names, week.names(decided)))
    }
}

export!(QuietHours, cases = "../cases.toml");

impl QuietHours {
    fn unknown(&self) -> Decision {
        let detail =
            "nobody knows what time it is where this number is; say where with `recipient_tz`";
        match self.zone_unknown {
            ZoneUnknown::Reject => reject("quiet.zone_unknown", detail).into(),
            ZoneUnknown::Accept => Decision::accept().note("quiet.zones", "unknown"),
        }
    }
}

/// The refusal of what cannot be put off as far as its opening, which is in `zones` at once. It may be asked for again as
/// soon as that is near enough.
fn shut(opening_ms: Option<u64>, now_ms: u64, zones: usize) -> Rejection {
    let mut detail = String::from(
        "there is no hour within eight days in which it may be sent wherever the recipient may be",
    );
    if zones > 1 {
        detail += "; say where with `recipient_tz`";
    }
    let refusal = reject("quiet.would_expire", detail);
    match opening_ms {
        Some(opening_ms) => refusal.retry_after_ms(opening_ms - AHEAD_MS + 1 - now_ms),
        None => refusal,
    }
}

/// Whether a message that is due at `due_ms` may still be sent at `opening_ms`. Its time to live runs from when the app
/// would have it sent.
fn lives_until(message: &Message, due_ms: u64, opening_ms: u64) -> bool {
    message.ttl_s.is_none_or(|ttl_s| opening_ms < due_ms.saturating_add(u64::from(ttl_s) * 1_000))
}

/// Which clocks and which rules decided, for the record.
fn noted(decision: Decision, names: &[String], rules: String) -> Decision {
    let zones = match names {
        [one] => one.clone(),
        [first, ..] => format!("{first} and {} more", names.len() - 1),
        [] => String::new(),
    };
    let decision = decision.note("quiet.zones", zones);
    match rules.is_empty() {
        true => decision,
        false => decision.note("quiet.rules", rules),
    }
}

/// The dates from one instant to another, by whichever clock, in days since 1970.
fn dates(clocks: &[Vec<Offset>], from_ms: u64, to_ms: u64) -> RangeInclusive<i64> {
    let ahead = || clocks.iter().flatten().map(|offset| i64::from(offset.seconds) * 1_000);
    let date = |ms: u64, ahead: Option<i64>| {
        let local = i64::try_from(ms).unwrap_or(i64::MAX).saturating_add(ahead.unwrap_or(0));
        local.div_euclid(DAY_MS)
    };
    date(from_ms, ahead().min())..=date(to_ms, ahead().max())
}

#[cfg(test)]
mod tests;
