use policy_sdk::state::LimitKind;
use policy_sdk::{Context, Facts, Message};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One limit, checked.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) kind: LimitKind,
    pub(crate) cost: Cost,
    pub(crate) on_limit: OnLimit,
    pub(crate) mode: Mode,
    pub(crate) only: Only,
    pub(crate) exempt: Exempt,
}

/// Whose usage counts together.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    App,
    Recipient,
    /// One sender and one recipient: what finds loops between two machines.
    Pair,
    Sender,
    /// The recipient's region.
    Country,
    /// All that is sent with the message's account at Plivo.
    Account,
}

/// What one message costs.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cost {
    #[default]
    Messages,
    Segments,
}

/// What becomes of a message above the limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-needs-grant" = {"amend": ["queue"]}))]
pub(crate) enum OnLimit {
    #[default]
    Reject,
    /// Accepted, and sent when its turn comes.
    Queue,
}

/// Whether the limit refuses or only says that it would have.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Enforce,
    Monitor,
}

/// The messages that a limit is for; all where nothing is given.
#[derive(Debug, Default)]
pub(crate) struct Only {
    pub(crate) apps: Option<Vec<String>>,
    pub(crate) intents: Option<Vec<String>>,
    pub(crate) regions: Option<Vec<String>>,
}

/// The messages that a limit is not for.
#[derive(Debug, Default)]
pub(crate) struct Exempt {
    pub(crate) apps: Vec<String>,
    pub(crate) intents: Vec<String>,
}

impl Limit {
    pub(crate) fn is_for(&self, message: &Message, facts: &Facts, context: &Context) -> bool {
        let listed = |list: &Option<Vec<String>>, value: &String| {
            list.as_ref().is_none_or(|list| list.contains(value))
        };
        listed(&self.only.apps, &context.app)
            && listed(&self.only.intents, &message.intent)
            && listed(&self.only.regions, &facts.number.region)
            && !self.exempt.apps.contains(&context.app)
            && !self.exempt.intents.contains(&message.intent)
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::Message;
    use policy_sdk::testing::{Case, facts, handset, sms};

    use crate::Throttle;

    /// Whether a limit of one message is over after one message of `intent` by `app` to `region`.
    fn counts(filter: &str, app: &str, intent: &str, region: &str) -> bool {
        let mut case = Case::<Throttle>::new(&format!(
            r#"{{"limits": [{{"name": "one", "scope": "account", "quota": 1, "per_s": 60, {filter}}}]}}"#
        ));
        case.context.app = app.into();
        let message = Message { intent: intent.into(), ..sms() };
        let mut facts = facts(&message);
        facts.number = handset(region, 1);
        case.check_with(&message, &facts);
        case.check_with(&message, &facts).rejection().is_some()
    }

    #[test]
    fn a_limit_holds_for_the_apps_intents_and_regions_it_names() {
        for (filter, app, intent, region) in [
            (r#""apps": ["a"]"#, "b", "otp", "US"),
            (r#""intents": ["marketing"]"#, "a", "otp", "US"),
            (r#""regions": ["CA"]"#, "a", "otp", "US"),
            (r#""exempt_apps": ["a"]"#, "a", "otp", "US"),
            (r#""exempt_intents": ["otp"]"#, "a", "otp", "US"),
        ] {
            assert!(
                !counts(filter, app, intent, region),
                "{filter} counted {app} {intent} {region}"
            );
        }
        for filter in [
            r#""apps": ["a", "b"]"#,
            r#""intents": ["otp"]"#,
            r#""regions": ["US"]"#,
            r#""exempt_apps": ["b"]"#,
            r#""exempt_intents": ["marketing"]"#,
        ] {
            assert!(counts(filter, "a", "otp", "US"), "{filter} did not count");
        }
    }
}
