use policy_sdk::{Change, Context, Decision, Sender};

/// The amendment that `word` asks for, or acceptance.
pub(crate) fn amend(word: &str, argument: &str, context: &Context) -> Decision {
    let change = Change::new(format!("test.{word}"), "as the message asks");
    let number: Option<u64> = argument.parse().ok();
    let change = match word {
        "amend" => change.set_text(argument),
        "redirect" => change.set_recipient(argument),
        "from" => change.set_sender(Sender { kind: "number".into(), value: argument.into() }),
        "media" => change.set_media_urls(argument.split_whitespace().map(str::to_owned).collect()),
        "later" => change.set_not_before_ms(context.now_ms + number.unwrap_or(1)),
        "earlier" => change.set_not_before_ms(0),
        "tag" => change.set_tag("test", argument),
        _ => return Decision::accept(),
    };
    change.into()
}

#[cfg(test)]
mod tests {
    use policy_sdk::Edit;
    use policy_sdk::testing::{Case, NOON_MS};

    use super::amend;
    use crate::Runaway;

    #[test]
    fn each_word_makes_its_edit() {
        let context = Case::<Runaway>::new("{}").context;
        let sender = policy_sdk::Sender { kind: "number".into(), value: "+1".into() };
        for (word, argument, edit) in [
            ("amend", "a b", Edit::SetText("a b".into())),
            ("redirect", "+1", Edit::SetRecipient("+1".into())),
            ("from", "+1", Edit::SetSender(sender)),
            ("media", "", Edit::SetMediaUrls(vec![])),
            ("media", "a b", Edit::SetMediaUrls(vec!["a".into(), "b".into()])),
            ("later", "500", Edit::SetNotBeforeMs(NOON_MS + 500)),
            ("earlier", "", Edit::SetNotBeforeMs(0)),
            ("tag", "x", Edit::SetTag(("test".into(), "x".into()))),
        ] {
            let decision = amend(word, argument, &context);
            assert_eq!(decision.changes()[0].edits, [edit], "{word} {argument}");
        }
    }
}
