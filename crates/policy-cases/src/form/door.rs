//! What a door makes of an intent and a time to live, and lets through, and whom it knows: of others no policy is ever
//! asked. Texts are another matter: a policy may refuse by itself what can never be one, and its cases show that.

use message::{Fault, Message, is_intent, limits};

/// Longest `ttl_s`: seven days.
const MOST_TTL_S: u32 = 7 * 86_400;
/// Longest name of an app.
const MOST_APP_BYTES: usize = 64;

/// `message` as a door passes it on.
///
/// # Errors
///
/// A member that no door lets through.
pub(super) fn passed(mut message: Message) -> Result<Message, Fault> {
    message.intent.make_ascii_lowercase();
    if !is_intent(&message.intent) {
        let detail =
            "is no intent that a message can have; use at most 64 letters, digits, `_` and `-`";
        return Err(Fault::new("/intent", "body.bad_intent", detail));
    }
    let ttl_s = *limits::EXPIRY_S.start()..=MOST_TTL_S;
    if message.ttl_s.is_some_and(|given| !ttl_s.contains(&given)) {
        let detail = format!(
            "is not from {} to {MOST_TTL_S} seconds, and no door takes another",
            ttl_s.start()
        );
        return Err(Fault::new("/ttl_s", "ttl.out_of_range", detail));
    }
    Ok(message)
}

/// Whether an app can be configured by this name.
pub(crate) fn is_app(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.len() <= MOST_APP_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::form;

    fn read(members: &Value) -> Result<message::Message, String> {
        form::message("m1", &[members.as_object().expect("members of a message")])
    }

    #[test]
    fn capitals_in_an_intent_are_small_before_a_policy_reads_them() {
        let message = read(&json!({ "intent": "One-Time_Code2" })).expect("a message");
        assert_eq!(message.intent, "one-time_code2");
    }

    #[test]
    fn what_no_door_lets_through_is_refused_with_its_member() {
        for (members, wanted) in [
            (json!({ "intent": "one time" }), "message.intent: is no intent"),
            (json!({ "intent": "x".repeat(65) }), "message.intent: is no intent"),
            (json!({ "ttl_s": 4 }), "message.ttl_s: is not from 5 to 604800 seconds"),
            (json!({ "ttl_s": 604_801 }), "message.ttl_s: is not from 5 to 604800 seconds"),
        ] {
            let told = read(&members).expect_err("no door lets this through");
            assert!(told.starts_with(wanted), "wanted {wanted}, told {told}");
        }
        let pool = "c1a1f8a8-0000-4000-8000-000000000001";
        let both = read(&json!({ "from": "+14155551212", "powerpack_uuid": pool }));
        let told = both.expect_err("one of both");
        assert!(told.starts_with("message.from: stands beside a pool"), "{told}");
        for members in [json!({ "ttl_s": 5 }), json!({ "ttl_s": 604_800 }), json!({ "intent": "" })]
        {
            assert!(read(&members).is_ok(), "{members}");
        }
    }

    #[test]
    fn the_sender_of_a_later_layer_takes_the_place_of_the_one_below() {
        let pool = "c1a1f8a8-0000-4000-8000-000000000001";
        let (from, pooled) = (json!({ "from": "+14155551213" }), json!({ "powerpack_uuid": pool }));
        for (below, above, wanted) in [(&from, &pooled, pool), (&pooled, &from, "+14155551213")] {
            let layers = [below, above].map(|layer| layer.as_object().expect("members"));
            let message = form::message("m1", &layers).expect("a message");
            assert_eq!(message.sender.as_str(), wanted);
        }
    }
}
