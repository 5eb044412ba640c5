use policy_sdk::{Kind, Message};

/// A name for what `message` says and to whom, which shows neither.
///
/// Content is the exact bytes of the text and the media in their order; two one-time codes differ in one digit. The
/// app's own key stands for the content where it gave one. The recipient counts always: one request to several handsets
/// is several messages with one key.
pub(crate) fn mark(salt: &str, message: &Message, app: &str, fold: bool) -> String {
    if !message.dedup.is_empty() {
        return policy_sdk::mark(salt, ["key", app, &message.to, &message.dedup]);
    }
    let kind = match message.kind {
        Kind::Sms => "sms",
        Kind::Mms => "mms",
    };
    let text = if fold { folded(&message.text) } else { message.text.clone() };
    // How many URLs there are keeps them apart from the ids that follow.
    let urls = message.media_urls.len().to_string();
    let head = ["content", app, &message.to, kind, &text, &urls];
    let media = message.media_urls.iter().chain(&message.media_ids).map(String::as_str);
    policy_sdk::mark(salt, head.into_iter().chain(media))
}

/// Lower case, with every run of white space as one space.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use policy_sdk::Message;
    use policy_sdk::testing::{mms, sms};

    use super::mark;

    #[test]
    fn equal_content_has_one_mark_whatever_its_id_and_time() {
        let later = Message { id: "m2".into(), not_before_ms: Some(5), ..sms() };
        assert_eq!(mark("", &sms(), "app", false), mark("", &later, "app", false));
    }

    #[test]
    fn anything_that_a_reader_would_tell_apart_has_its_own_mark() {
        let others = [
            ("text", Message { text: "Hi".into(), ..mms() }),
            ("recipient", Message { to: "+14155550199".into(), ..mms() }),
            ("kind", sms()),
            (
                "media",
                Message { media_urls: vec!["https://cdn.example.com/b.jpg".into()], ..mms() },
            ),
            ("media id", Message { media_ids: vec!["id".into()], ..mms() }),
            ("key", Message { dedup: "k".into(), ..mms() }),
        ];
        for (what, other) in others {
            assert_ne!(mark("", &mms(), "app", false), mark("", &other, "app", false), "{what}");
        }
        assert_ne!(mark("", &mms(), "app", false), mark("", &mms(), "other", false), "app");
        assert_ne!(mark("", &mms(), "app", false), mark("salt", &mms(), "app", false), "salt");
    }

    #[test]
    fn the_order_of_media_counts_and_a_url_is_no_id() {
        let with = |urls: &[&str], ids: &[&str]| Message {
            media_urls: urls.iter().map(|&url| url.into()).collect(),
            media_ids: ids.iter().map(|&id| id.into()).collect(),
            ..mms()
        };
        let marks = [
            with(&["a", "b"], &[]),
            with(&["b", "a"], &[]),
            with(&["a"], &["b"]),
            with(&[], &["a", "b"]),
        ]
        .map(|message| mark("", &message, "app", false));
        let different: std::collections::HashSet<&String> = marks.iter().collect();
        assert_eq!(different.len(), marks.len(), "{marks:?}");
    }

    #[test]
    fn the_apps_own_key_stands_for_the_content_but_not_for_the_recipient() {
        let keyed = |text: &str, to: &str| {
            let message =
                Message { dedup: "order-7".into(), text: text.into(), to: to.into(), ..sms() };
            mark("", &message, "app", false)
        };
        assert_eq!(keyed("one", "+14155550123"), keyed("two", "+14155550123"));
        assert_ne!(keyed("one", "+14155550123"), keyed("one", "+14155550199"));
    }

    #[test]
    fn folding_hides_case_and_spacing_alone() {
        let folded = |text: &str| mark("", &Message { text: text.into(), ..sms() }, "app", true);
        assert_eq!(folded("Sale  TODAY\n"), folded("sale today"));
        assert_ne!(folded("sale today"), folded("sale to day"));
    }

    #[test]
    fn a_mark_shows_no_number() {
        let mark = mark("", &sms(), "app", false);
        assert!(mark.len() == 32 && mark.bytes().all(|byte| byte.is_ascii_hexdigit()), "{mark}");
    }
}
