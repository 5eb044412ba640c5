//! Sends marketing in office hours only; what comes outside them waits for the next opening.

mod hours;

use policy_sdk::{
    Change, Context, Decision, Facts, Message, Policy, PolicyError, Problem, export, known, reject,
};
use schemars::JsonSchema;
use serde::Deserialize;

use hours::Hours;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-needs-grant" = {"amend": true}))]
pub struct Settings {
    /// The first hour of the office, from 0 to 23.
    opens: u8,
    /// The hour in which nothing is sent any more, from 1 to 24; later than `opens`.
    closes: u8,
    /// Minutes that the office's clock is ahead of UTC, such as -300 for New York in winter.
    utc_offset_min: i32,
    /// The intents that wait.
    #[schemars(with = "Vec<known::Intent>")]
    intents: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { opens: 9, closes: 18, utc_offset_min: 0, intents: vec!["marketing".into()] }
    }
}

/// Knows the hours and whom they are for.
#[derive(Debug)]
pub struct OfficeHours {
    hours: Hours,
    intents: Vec<String>,
}

impl Policy for OfficeHours {
    type Settings = Settings;
    const SUMMARY: &'static str = "Sends marketing in office hours only";

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let hours = Hours::new(settings.opens, settings.closes, settings.utc_offset_min)?;
        Ok(Self { hours, intents: settings.intents })
    }

    fn check(
        &self,
        message: &Message,
        _: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        let sent_ms = message.not_before_ms.unwrap_or(0).max(context.now_ms);
        let due_ms = self.hours.open_from(sent_ms);
        if due_ms == sent_ms || !self.intents.contains(&message.intent) {
            return Ok(Decision::accept());
        }
        let wait_ms = due_ms - sent_ms;
        if message.ttl_s.is_some_and(|ttl_s| wait_ms > u64::from(ttl_s) * 1_000) {
            let detail = "the office opens only after the message's time to live; send it then, or without \
                          `ttl_s`";
            return Ok(reject("office_hours.closed", detail)
                .retry_after_ms(due_ms - context.now_ms)
                .into());
        }
        let detail = format!("waits {} minutes for the office to open", wait_ms.div_ceil(60_000));
        Ok(Change::new("office_hours.deferred", detail).set_not_before_ms(due_ms).into())
    }
}

export!(OfficeHours, cases = "../cases.toml");
