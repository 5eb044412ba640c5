use policy_sdk::state::Charge;
use policy_sdk::{Context, Facts, Kind, Message, mark};

use crate::limit::{Cost, Limit, Mode, OnLimit, Scope};

/// What `message` is charged against `limit`. Numbers are kept as marks.
pub(crate) fn charge(
    limit: &Limit,
    salt: &str,
    message: &Message,
    facts: &Facts,
    context: &Context,
) -> Charge {
    Charge {
        limit: limit.name.clone(),
        key: key(limit.scope, salt, message, facts, context),
        kind: limit.kind.clone(),
        cost: cost(limit.cost, message, facts),
        // What only monitors holds nothing up.
        queue: limit.on_limit == OnLimit::Queue && limit.mode == Mode::Enforce,
    }
}

fn key(scope: Scope, salt: &str, message: &Message, facts: &Facts, context: &Context) -> String {
    let sender = [message.sender.kind.as_str(), message.sender.value.as_str()];
    match scope {
        Scope::App => context.app.clone(),
        Scope::Recipient => mark(salt, [message.to.as_str()]),
        Scope::Pair => mark(salt, [sender[0], sender[1], &message.to]),
        Scope::Sender => mark(salt, sender),
        // A number without a country has usage of its own.
        Scope::Country if facts.number.region.is_empty() => "none".into(),
        Scope::Country => facts.number.region.clone(),
        Scope::Account => "account".into(),
    }
}

/// An MMS is one unit at Plivo, however long its text.
fn cost(cost: Cost, message: &Message, facts: &Facts) -> u32 {
    match cost {
        Cost::Segments if message.kind == Kind::Sms => facts.text.segments.max(1),
        Cost::Segments | Cost::Messages => 1,
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, facts, mms, sms};
    use policy_sdk::{Message, Sender};

    use super::{charge, cost, key};
    use crate::Throttle;
    use crate::limit::{Cost, Scope};

    #[test]
    fn usage_is_separate_for_what_the_scope_names_and_together_for_the_rest() {
        let context = Case::<Throttle>::new("{}").context;
        let other_recipient = Message { to: "+14155550199".into(), ..sms() };
        let sender = Sender { kind: "short-code".into(), value: "12345".into() };
        let other_sender = Message { sender, ..sms() };
        for (scope, by_recipient, by_sender) in [
            (Scope::App, false, false),
            (Scope::Recipient, true, false),
            (Scope::Pair, true, true),
            (Scope::Sender, false, true),
            (Scope::Country, false, false),
            (Scope::Account, false, false),
        ] {
            let of = |message: &Message| key(scope, "", message, &facts(message), &context);
            assert_eq!(of(&sms()) != of(&other_recipient), by_recipient, "{scope:?} by recipient");
            assert_eq!(of(&sms()) != of(&other_sender), by_sender, "{scope:?} by sender");
        }
    }

    #[test]
    fn no_key_shows_a_number_and_a_salt_changes_it() {
        let context = Case::<Throttle>::new("{}").context;
        for scope in [Scope::Recipient, Scope::Pair, Scope::Sender] {
            let of = |salt: &str| key(scope, salt, &sms(), &facts(&sms()), &context);
            assert!(!of("").contains("4155"), "{scope:?}: {}", of(""));
            assert_ne!(of(""), of("salt"), "{scope:?}");
        }
    }

    #[test]
    fn segments_are_the_cost_of_texts_and_an_mms_is_one() {
        let mut three = facts(&sms());
        three.text.segments = 3;
        assert_eq!(cost(Cost::Segments, &sms(), &three), 3);
        assert_eq!(cost(Cost::Segments, &mms(), &three), 1);
        assert_eq!(cost(Cost::Messages, &sms(), &three), 1);
    }

    #[test]
    fn a_charge_carries_the_limits_name_so_that_usage_survives_a_new_quota() {
        let settings = crate::Settings::default();
        let throttle = settings.check().expect("settings that hold");
        let context = Case::<Throttle>::new("{}").context;
        let charge = charge(&throttle.limits[0], "", &sms(), &facts(&sms()), &context);
        assert_eq!((charge.limit.as_str(), charge.key.as_str(), charge.cost), ("app", "app", 1));
    }
}
