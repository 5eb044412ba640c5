use message::facts::{media_faults, number_faults, segments_fault, text_faults, type_fault};
use policy_sdk::{Context, Facts, Fault, Message};

use crate::settings::{Rules, UnknownFields};
use crate::vocabulary;

/// Codes that say "refused here" (422, 403), not "can never be right as written" (400).
const REFUSALS: [&str; 3] =
    ["phone.type_denied", "text.too_many_segments", "country.non_geographic"];

/// What is said of a member that has no meaning.
const UNKNOWN: &str = "means nothing here; remove it or mend its spelling";

/// Every fault, those that can never be right first: the first one's code is the refusal's.
pub(crate) fn find(
    rules: &Rules,
    message: &Message,
    facts: &Facts,
    context: &Context,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if rules.unknown_fields == UnknownFields::Deny {
        faults.extend(facts.unknown_fields.iter().map(|pointer| {
            let fault = Fault::new(pointer, "body.unknown_field", UNKNOWN);
            if fault.pointer == *pointer {
                return fault;
            }
            Fault { detail: format!("a member whose name is too long to show {UNKNOWN}"), ..fault }
        }));
    }
    let number = vocabulary::number(&facts.number);
    faults.extend(number_faults(&number, "/to").map(vocabulary::fault));
    faults.extend(type_fault(&number, &rules.types, "/to").map(vocabulary::fault));
    faults.extend(text(rules, message, facts, context));
    faults.extend(facts.media.iter().enumerate().filter_map(|(index, media)| {
        let pointer = format!("/media_urls/{index}");
        media_faults(&vocabulary::media(media), &pointer, &rules.media).map(vocabulary::fault)
    }));
    faults.sort_by_key(|fault| REFUSALS.contains(&fault.code.as_str()));
    faults
}

fn text(rules: &Rules, message: &Message, facts: &Facts, context: &Context) -> Vec<Fault> {
    let segments = vocabulary::segments(&facts.text);
    let kind = vocabulary::kind(message.kind);
    // The door of the seed's clients keeps the seed's rule: a text always, also with media.
    if context.door == "mms-send" && message.text.trim().is_empty() {
        let detail = "is blank; this door takes no message without text";
        return vec![Fault::new("/text", "text.empty", detail)];
    }
    let most = rules.max_segments.unwrap_or(u32::MAX);
    let mut faults = text_faults(&message.text, kind, &segments, "/text");
    if faults.is_empty() {
        faults.extend(segments_fault(kind, &segments, most, "/text"));
    }
    faults.into_iter().map(vocabulary::fault).collect()
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, facts, mms, sms};
    use policy_sdk::{Facts, Message};

    use crate::Validation;

    /// The code of the refusal, then every fault as pointer and code.
    fn refusal(
        settings: &str,
        message: &Message,
        facts: &Facts,
    ) -> (String, Vec<(String, String)>) {
        let decision = Case::<Validation>::new(settings).check_with(message, facts);
        let rejection = decision.rejection().unwrap_or_else(|| panic!("passed: {decision:?}"));
        let faults = rejection.faults.iter().map(|f| (f.pointer.clone(), f.code.clone())).collect();
        (rejection.code.clone(), faults)
    }

    #[test]
    fn a_text_must_show_something_hold_no_controls_and_fit() {
        let of = |text: &str| Message { text: text.into(), ..sms() };
        for (text, expected) in [
            ("   \n\t ", "text.empty"),
            ("a\0b", "text.control_char"),
            ("a\u{202e}b", "text.control_char"),
            (&"a".repeat(1_601), "text.too_long"),
            (&"я".repeat(738), "text.too_long"),
        ] {
            let (code, faults) = refusal("{}", &of(text), &facts(&of(text)));
            assert_eq!((code.as_str(), faults[0].0.as_str()), (expected, "/text"));
        }
    }

    #[test]
    fn segments_may_be_bounded_for_texts() {
        let long = Message { text: "a".repeat(161), ..sms() };
        let (code, _) = refusal(r#"{"max_segments": 1}"#, &long, &facts(&long));
        assert_eq!(code, "text.too_many_segments");
        let with_media = Message { text: long.text, ..mms() };
        let decision = Case::<Validation>::new(r#"{"max_segments": 1}"#).check(&with_media);
        assert_eq!(decision.refused_with(), None);
    }

    #[test]
    fn each_media_url_is_judged_at_its_place() {
        let message = Message { media_urls: vec![String::new(); 4], ..mms() };
        let one = facts(&mms()).media.remove(0);
        let mut facts = facts(&message);
        facts.media = vec![one; 4];
        facts.media[0].host_class = "private-address".into();
        facts.media[2].port = 22;
        facts.media[3].host_class = "a-class-of-tomorrow".into();
        let (code, faults) = refusal("{}", &message, &facts);
        assert_eq!(code, "url.ip_private");
        let expected = [
            ("/media_urls/0", "url.ip_private"),
            ("/media_urls/2", "url.port"),
            ("/media_urls/3", "url.host_private"),
        ];
        assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    }

    #[test]
    fn ports_extensions_and_https_are_settings() {
        let judged = |settings: &str, port: u16, scheme: &str, extension: &str| {
            let mut facts = facts(&mms());
            let media = &mut facts.media[0];
            (media.port, media.scheme, media.extension) = (port, scheme.into(), extension.into());
            let decision = Case::<Validation>::new(settings).check_with(&mms(), &facts);
            decision.refused_with().unwrap_or("passed").to_owned()
        };
        assert_eq!(judged("{}", 443, "https", "html"), "url.not_media");
        assert_eq!(judged(r#"{"denied_extensions": ["svg"]}"#, 443, "https", "html"), "passed");
        assert_eq!(
            judged(r#"{"denied_extensions": ["svg"]}"#, 443, "https", "svg"),
            "url.not_media"
        );
        assert_eq!(judged("{}", 9000, "https", "jpg"), "url.port");
        assert_eq!(judged(r#"{"ports": [9000]}"#, 9000, "https", "jpg"), "passed");
        assert_eq!(judged("{}", 80, "http", "jpg"), "passed");
        assert_eq!(judged(r#"{"https_only": true}"#, 80, "http", "jpg"), "url.scheme");
    }
}
