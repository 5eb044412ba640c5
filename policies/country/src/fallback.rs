use policy_sdk::{Change, Decision, Message, reject};

use crate::settings::Fallback;

/// What becomes of a message with media to a country without MMS. Never silent: a change says so to the app.
pub(crate) fn without_media(fallback: Fallback, message: &Message, region: &str) -> Decision {
    let links = match fallback {
        Fallback::Deny => {
            let detail = format!("{region} may not have media; send text alone");
            return reject("country.mms_unsupported", detail).into();
        }
        Fallback::Strip => "",
        // Media that Plivo keeps have no address that a handset could open.
        Fallback::Link => &message.media_urls.join(" "),
    };
    let text = match (message.text.trim().is_empty(), links.is_empty()) {
        (true, true) => {
            let detail =
                format!("{region} may not have media, and nothing would be left without them");
            return reject("mms.empty_after_fallback", detail).into();
        }
        (false, true) => message.text.clone(),
        (true, false) => links.to_owned(),
        (false, false) => format!("{} {links}", message.text),
    };
    let how = if links.is_empty() { "were left away" } else { "became links in the text" };
    let mut change =
        Change::new("mms.downgraded", format!("{region} may not have media; they {how}"));
    if text != message.text {
        change = change.set_text(text);
    }
    change.set_media_urls(Vec::new()).into()
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, facts, handset, mms};
    use policy_sdk::{Decision, Edit, Message};

    use crate::Country;

    fn ask(fallback: &str, message: &Message) -> Decision {
        let mut facts = facts(message);
        facts.number = handset("FR", 33);
        Case::<Country>::new(&format!(r#"{{"mms_fallback": "{fallback}"}}"#))
            .check_with(message, &facts)
    }

    /// The text and the media that an amended message has; no text where it stays.
    fn edits(decision: &Decision) -> (Option<&str>, Option<&[String]>) {
        let [change] = decision.changes() else { panic!("not one change: {decision:?}") };
        assert_eq!(change.code, "mms.downgraded");
        let text = change.edits.iter().find_map(|edit| match edit {
            Edit::SetText(text) => Some(text.as_str()),
            _ => None,
        });
        let media = change.edits.iter().find_map(|edit| match edit {
            Edit::SetMediaUrls(urls) => Some(urls.as_slice()),
            _ => None,
        });
        (text, media)
    }

    #[test]
    fn denying_is_the_default() {
        let mut facts = facts(&mms());
        facts.number = handset("PR", 1);
        let decision = Case::<Country>::new("{}").check_with(&mms(), &facts);
        assert_eq!(decision.refused_with(), Some("country.mms_unsupported"));
    }

    #[test]
    fn stripping_keeps_the_text_and_takes_the_media_away() {
        assert_eq!(edits(&ask("strip", &mms())), (None, Some(&[][..])));
    }

    #[test]
    fn linking_appends_every_address_to_the_text() {
        let urls =
            vec!["https://cdn.example.com/a.jpg".into(), "https://cdn.example.com/b.jpg".into()];
        let decision = ask("link", &Message { media_urls: urls, ..mms() });
        let text = "hi https://cdn.example.com/a.jpg https://cdn.example.com/b.jpg";
        assert_eq!(edits(&decision), (Some(text), Some(&[][..])));
    }

    #[test]
    fn links_alone_are_a_text() {
        let decision = ask("link", &Message { text: String::new(), ..mms() });
        assert_eq!(edits(&decision).0, Some("https://cdn.example.com/a.jpg"));
    }

    #[test]
    fn nothing_left_to_send_is_refused() {
        let blank = Message { text: " \n".into(), ..mms() };
        assert_eq!(ask("strip", &blank).refused_with(), Some("mms.empty_after_fallback"));
        let kept_at_plivo = Message {
            text: String::new(),
            media_urls: Vec::new(),
            media_ids: vec!["id".into()],
            ..mms()
        };
        assert_eq!(ask("link", &kept_at_plivo).refused_with(), Some("mms.empty_after_fallback"));
    }
}
