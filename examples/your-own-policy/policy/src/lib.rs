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

export!(OfficeHours);

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, NOON_MS, sms};
    use policy_sdk::{Decision, Edit, Message};

    use super::OfficeHours;

    const HOUR_S: u64 = 3_600;

    fn marketing() -> Message {
        Message { intent: "marketing".into(), ..sms() }
    }

    /// Until when an amended message waits.
    fn due_ms(decision: &Decision) -> u64 {
        match decision.changes() {
            [change] if change.code == "office_hours.deferred" => match change.edits[..] {
                [Edit::SetNotBeforeMs(due_ms)] => due_ms,
                _ => panic!("other edits: {change:?}"),
            },
            _ => panic!("not deferred: {decision:?}"),
        }
    }

    #[test]
    fn marketing_passes_at_noon() {
        assert_eq!(Case::<OfficeHours>::new("{}").check(&marketing()), Decision::accept());
    }

    #[test]
    fn marketing_in_the_evening_waits_for_the_morning() {
        let decision = Case::<OfficeHours>::new("{}").at(7 * HOUR_S).check(&marketing());
        assert_eq!(due_ms(&decision), NOON_MS + 21 * HOUR_S * 1_000);
    }

    #[test]
    fn a_message_meant_for_the_office_hours_of_tomorrow_keeps_its_time() {
        let tomorrow =
            Message { not_before_ms: Some(NOON_MS + 24 * HOUR_S * 1_000), ..marketing() };
        let decision = Case::<OfficeHours>::new("{}").at(7 * HOUR_S).check(&tomorrow);
        assert_eq!(decision, Decision::accept());
    }

    #[test]
    fn other_intents_pass_at_any_time() {
        let otp = Message { intent: "otp".into(), ..sms() };
        let decision = Case::<OfficeHours>::new("{}").at(10 * HOUR_S).check(&otp);
        assert_eq!(decision, Decision::accept());
    }

    #[test]
    fn what_would_not_live_until_the_opening_is_refused() {
        let short_lived = Message { ttl_s: Some(600), ..marketing() };
        let decision = Case::<OfficeHours>::new("{}").at(7 * HOUR_S).check(&short_lived);
        assert_eq!(decision.refused_with(), Some("office_hours.closed"));
        let retry_after_ms = decision.rejection().and_then(|rejection| rejection.retry_after_ms);
        assert_eq!(retry_after_ms, Some(14 * HOUR_S * 1_000));
    }

    #[test]
    fn the_hours_and_whom_they_are_for_are_settings() {
        let mut case = Case::<OfficeHours>::new(
            r#"{"opens": 8, "closes": 9, "utc_offset_min": -240, "intents": ["newsletter"]}"#,
        );
        let newsletter = Message { intent: "newsletter".into(), ..marketing() };
        assert_eq!(case.check(&newsletter), Decision::accept(), "it is 08:00 there");
        assert_eq!(due_ms(&case.at(HOUR_S).check(&newsletter)), NOON_MS + 24 * HOUR_S * 1_000);
        assert_eq!(case.check(&marketing()), Decision::accept());
    }
}
