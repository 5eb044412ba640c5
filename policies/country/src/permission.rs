use policy_sdk::{Fault, Kind, Rejection, reject};

use crate::settings::{Action, RuleKind, Rules, holds};

/// Never texted, and no setting changes that: countries under comprehensive United States sanctions, whose carriers
/// Plivo does not reach either (Cuba, Iran, North Korea, Syria).
const HARD_DENIED: [&str; 4] = ["CU", "IR", "KP", "SY"];

/// Whether a country may be texted.
pub(crate) enum Permission {
    Given,
    Refused(Rejection),
}

impl Rules {
    /// Whether a message of this kind may go there, but for its media. Hard denial beats denial, denial beats allowance,
    /// and allowance beats the default.
    pub(crate) fn permission(&self, region: &str, app: &str, kind: Kind) -> Permission {
        if region.is_empty() || region == "001" {
            let said = "belongs to no country, so that no rule by country can hold for it";
            let fault = Fault::new("/to", "country.non_geographic", said);
            let refusal = reject("country.non_geographic", format!("the number {said}"));
            return Permission::Refused(refusal.fault(fault));
        }
        let refused = |code: &str, said: &str| {
            let fault = Fault::new("/to", code, format!("is in {region}, which {said}"));
            Permission::Refused(reject(code, format!("{region} {said}")).fault(fault))
        };
        if HARD_DENIED.contains(&region) {
            return refused("country.hard_denied", "is never texted; no setting changes that");
        }
        let says = |action: Action| {
            self.rules.iter().any(|rule| {
                // Those for `mms` are about media.
                let is_about = rule.kind != Some(RuleKind::Mms) && rule.is_about(kind);
                rule.action == action && is_about && rule.is_for(region, app)
            })
        };
        if holds(&self.deny, region) || says(Action::Block) {
            return refused("country.denied", "may not be texted");
        }
        if holds(&self.allow, region) || says(Action::Allow) {
            return Permission::Given;
        }
        refused("country.not_allowed", "is not among the countries that may be texted")
    }

    /// Whether media may go to `region`.
    pub(crate) fn takes_media(&self, region: &str, app: &str) -> bool {
        let says = |action: Action| {
            self.rules.iter().any(|rule| {
                rule.action == action
                    && rule.kind == Some(RuleKind::Mms)
                    && rule.is_for(region, app)
            })
        };
        !says(Action::Block) && (holds(&self.mms, region) || says(Action::Allow))
    }

    pub(crate) fn monitored(&self, region: &str, kind: Kind, app: &str) -> bool {
        self.rules.iter().any(|rule| {
            rule.action == Action::Monitor && rule.is_about(kind) && rule.is_for(region, app)
        })
    }
}
