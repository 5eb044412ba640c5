use policy_sdk::{Kind, Rejection, reject};

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
    /// Hard denial beats denial, denial beats allowance, and allowance beats the default.
    pub(crate) fn permission(&self, region: &str, app: &str) -> Permission {
        let refused = |code: &str, detail: String| Permission::Refused(reject(code, detail));
        if region.is_empty() || region == "001" {
            let detail =
                "the number belongs to no country, so that no rule by country can hold for it";
            return refused("country.non_geographic", detail.into());
        }
        if HARD_DENIED.contains(&region) {
            let detail = format!("{region} is never texted; no setting changes that");
            return refused("country.hard_denied", detail);
        }
        let blocked = |rule: &crate::settings::Rule| {
            rule.action == Action::Block
                && rule.kind != Some(RuleKind::Mms)
                && rule.is_for(region, app)
        };
        if holds(&self.deny, region) || self.rules.iter().any(blocked) {
            return refused("country.denied", format!("{region} may not be texted"));
        }
        let allowed = |rule: &crate::settings::Rule| {
            rule.action == Action::Allow
                && rule.kind != Some(RuleKind::Mms)
                && rule.is_for(region, app)
        };
        if holds(&self.allow, region) || self.rules.iter().any(allowed) {
            return Permission::Given;
        }
        refused(
            "country.not_allowed",
            format!("{region} is not among the countries that may be texted"),
        )
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

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, facts, handset, mms, sms};
    use policy_sdk::{Decision, Message};

    use crate::Country;

    /// What the policy with `settings` says of `message` to `region`.
    fn ask(settings: &str, message: &Message, region: &str) -> Decision {
        let mut facts = facts(message);
        facts.number = handset(region, 1);
        Case::<Country>::new(settings).check_with(message, &facts)
    }

    fn code(settings: &str, region: &str) -> String {
        ask(settings, &sms(), region).refused_with().unwrap_or("accepted").to_owned()
    }

    #[test]
    fn every_country_but_the_hard_denied_may_be_texted_by_default() {
        for region in ["US", "CA", "PR", "JM", "FR", "GG"] {
            assert_eq!(code("{}", region), "accepted", "{region}");
        }
        for region in ["CU", "IR", "KP", "SY"] {
            assert_eq!(code("{}", region), "country.hard_denied", "{region}");
        }
    }

    #[test]
    fn an_allow_list_lets_only_its_own_countries_pass() {
        let settings = r#"{"allow": ["US", "CA"]}"#;
        assert_eq!(code(settings, "CA"), "accepted");
        for region in ["JM", "DO", "GU", "VI", "FR"] {
            assert_eq!(code(settings, region), "country.not_allowed", "{region}");
        }
    }

    #[test]
    fn no_setting_allows_a_hard_denied_country() {
        let settings =
            r#"{"allow": ["IR", "*"], "rules": [{"regions": ["IR"], "action": "allow"}]}"#;
        assert_eq!(code(settings, "IR"), "country.hard_denied");
    }

    #[test]
    fn denial_beats_allowance_in_either_direction() {
        assert_eq!(code(r#"{"allow": ["IN"], "deny": ["IN"]}"#, "IN"), "country.denied");
        let allowed_by_rule =
            r#"{"deny": ["IN"], "rules": [{"regions": ["IN"], "action": "allow"}]}"#;
        assert_eq!(code(allowed_by_rule, "IN"), "country.denied");
        let blocked_by_rule =
            r#"{"allow": ["IN"], "rules": [{"regions": ["IN"], "action": "block"}]}"#;
        assert_eq!(code(blocked_by_rule, "IN"), "country.denied");
    }

    #[test]
    fn a_number_without_a_country_is_refused_even_where_all_are_allowed() {
        assert_eq!(code("{}", "001"), "country.non_geographic");
        assert_eq!(code(r#"{"allow": ["*"]}"#, ""), "country.non_geographic");
    }

    #[test]
    fn a_rule_for_an_app_holds_for_that_app_alone() {
        let rule = |app: &str| {
            format!(
                r#"{{"allow": ["US"], "rules": [{{"regions": ["FR"], "apps": ["{app}"], "action": "allow"}}]}}"#
            )
        };
        assert_eq!(code(&rule("app"), "FR"), "accepted");
        assert_eq!(code(&rule("other"), "FR"), "country.not_allowed");
    }

    #[test]
    fn media_may_be_blocked_or_allowed_by_rule_without_touching_texts() {
        let blocked = r#"{"rules": [{"regions": ["US"], "kind": "mms", "action": "block"}]}"#;
        assert_eq!(ask(blocked, &mms(), "US").refused_with(), Some("country.mms_unsupported"));
        assert_eq!(ask(blocked, &sms(), "US"), Decision::accept());
        let allowed = r#"{"rules": [{"regions": ["PR"], "kind": "mms", "action": "allow"}]}"#;
        assert_eq!(ask(allowed, &mms(), "PR"), Decision::accept());
        let only_media = r#"{"allow": ["US"], "rules": [{"regions": ["PR"], "kind": "mms", "action": "allow"}]}"#;
        assert_eq!(ask(only_media, &sms(), "PR").refused_with(), Some("country.not_allowed"));
    }

    #[test]
    fn a_monitored_country_is_noted_and_not_refused() {
        let settings = r#"{"rules": [{"regions": ["LK"], "kind": "sms", "action": "monitor"}]}"#;
        let decision = ask(settings, &sms(), "LK");
        assert_eq!(
            (decision.refused_with(), decision.noted("country.monitor")),
            (None, Some("LK is monitored"))
        );
        assert_eq!(ask(settings, &sms(), "US").noted("country.monitor"), None);
    }
}
