//! Which countries may be texted, and which may have media.
//!
//! The region is that of the number, never of its calling code: `+1` is shared by 25 countries.

mod fallback;
mod permission;
mod settings;

use policy_sdk::{Context, Decision, Facts, Kind, Message, Policy, PolicyError, Problem, export};

pub use settings::Settings;

use permission::Permission;
use settings::Rules;

/// Asks for permission by region, then by region and media.
#[derive(Debug)]
pub struct Country(Rules);

impl Policy for Country {
    type Settings = Settings;
    const SUMMARY: &'static str = "Which countries may be texted, and which may have media";

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check().map(Self)
    }

    fn check(
        &self,
        message: &Message,
        facts: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        let region = facts.number.region.as_str();
        let permission = |kind| self.0.permission(region, &context.app, kind);
        let has_media = message.kind == Kind::Mms;
        let decision = match permission(message.kind) {
            Permission::Given if !has_media || self.0.takes_media(region, &context.app) => {
                Decision::accept()
            }
            Permission::Refused(refusal) if !has_media => return Ok(refusal.into()),
            // Without its media it would be a text.
            _ => match permission(Kind::Sms) {
                Permission::Refused(refusal) => return Ok(refusal.into()),
                Permission::Given => fallback::without_media(self.0.mms_fallback, message, region),
            },
        };
        Ok(match self.0.monitored(region, message.kind, &context.app) {
            true if decision.rejection().is_none() => {
                decision.note("country.monitor", format!("{region} is monitored"))
            }
            _ => decision,
        })
    }
}

export!(Country, cases = "../cases.toml");
