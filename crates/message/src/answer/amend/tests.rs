#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::{Amendment, Breach, Edit};
use super::{FURTHEST, TAGS, Terms, amended};
use crate::facts::{self, Facts};
use crate::{Change, Dedup, E164, MediaUrl, Message, MessageId, Sender, Timestamp};

const NOW: Timestamp = Timestamp(500);
const BOTH: Terms = Terms { amend: true, recipient: true, now: NOW };

fn message() -> Message {
    Message {
        id: MessageId("m1".into()),
        to: E164::parse("+14155550123", "/to").unwrap(),
        sender: Sender::parse("+14155551212", "/sender").unwrap(),
        text: "hello".to_owned(),
        media_urls: vec![MediaUrl::parse("https://cdn.example.com/a.jpg", "").unwrap().0],
        media_ids: vec!["media-1".to_owned()],
        intent: String::new(),
        ttl_s: None,
        not_before: Some(Timestamp(1_000)),
        callback_url: None,
        dedup: Dedup::Content,
        tags: vec![("team".to_owned(), "a".to_owned())],
    }
}

fn amend(terms: Terms, edits: Vec<Edit>) -> Result<(Message, Facts), Breach> {
    let message = message();
    let facts = facts::survey(&message, vec!["/extra".to_owned()]).unwrap();
    let change = Change { policy: "p".into(), code: "test.change".into(), detail: "why".into() };
    amended(&message, &facts, &[Amendment { change, edits }], terms)
}

fn refusal(edit: Edit) -> String {
    let said = format!("{edit:?}");
    match amend(BOTH, vec![edit]) {
        Err(Breach::IllegalAmend(why)) => why,
        other => panic!("{said} ended in {other:?}"),
    }
}

fn sender(kind: &str, value: &str) -> Edit {
    Edit::SetSender { kind: kind.to_owned(), value: value.to_owned() }
}

#[test]
fn every_edit_is_applied_and_the_facts_are_found_anew() {
    let edits = vec![
        Edit::SetText("héllo 😀".to_owned()),
        Edit::SetRecipient("+447911123456".to_owned()),
        sender("alphanumeric", "Acme"),
        Edit::SetMediaUrls(Vec::new()),
        Edit::SetNotBeforeMs(2_000),
        Edit::SetTag("team".to_owned(), "b".to_owned()),
        Edit::SetTag("new".to_owned(), "c".to_owned()),
    ];
    let (message, facts) = amend(BOTH, edits).unwrap();
    assert_eq!(message.text, "héllo 😀");
    assert_eq!((facts.text.count, facts.number.region.as_str()), (1, "GG"));
    assert_eq!(facts.unknown_fields, ["/extra"]);
    assert_eq!(message.sender.as_str(), "Acme");
    assert_eq!((message.media_urls.len(), message.media_ids.len(), facts.media.len()), (0, 0, 0));
    assert_eq!(message.not_before, Some(Timestamp(2_000)));
    let tags: Vec<_> = message.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(tags, [("team", "b"), ("new", "c")]);
}

#[test]
fn nothing_is_changed_without_its_grant() {
    let text = vec![Edit::SetText("x".to_owned())];
    assert!(matches!(amend(Terms { amend: false, ..BOTH }, text), Err(Breach::IllegalAmend(_))));
    let to = vec![Edit::SetRecipient("+447911123456".to_owned())];
    assert!(matches!(amend(Terms { recipient: false, ..BOTH }, to), Err(Breach::IllegalAmend(_))));
}

#[test]
fn a_change_that_leaves_nothing_fit_to_send_is_refused() {
    let urls = |urls: &[&str]| Edit::SetMediaUrls(urls.iter().map(|&url| url.to_owned()).collect());
    let eleven = ["https://cdn.example.com/a.jpg"; 11];
    let cases = [
        (Edit::SetText("x".repeat(1_601)), "text.too_long"),
        (Edit::SetText("a\u{0}".to_owned()), "text.control_char"),
        (Edit::SetRecipient("4155550123".to_owned()), "phone.not_e164"),
        (Edit::SetRecipient("+10000000000".to_owned()), "phone.invalid"),
        (Edit::SetRecipient("+14155551212".to_owned()), "phone.same_as_sender"),
        (sender("number", "+14155550123"), "phone.same_as_sender"),
        (sender("number", "Acme"), "not what its kind says"),
        (sender("pool", "not-a-uuid"), "UUID"),
        (urls(&["ftp://cdn.example.com/a.jpg"]), "url.scheme"),
        (urls(&["http://127.0.0.1/a.jpg"]), "url.ip_private"),
        (urls(&["http://metadata.internal/a.jpg"]), "url.host_private"),
        (urls(&eleven), "media.too_many"),
        (Edit::SetNotBeforeMs(999), "earlier"),
        (Edit::SetNotBeforeMs(NOW.0 + 31 * 86_400_000 + 1), "31 days"),
        (Edit::SetNotBeforeMs(u64::MAX), "31 days"),
        (Edit::SetTag(String::new(), "x".to_owned()), "/tags"),
        (Edit::SetTag("k".to_owned(), "x".repeat(257)), "/tags"),
    ];
    for (edit, expected) in cases {
        let said = refusal(edit);
        assert!(said.contains(expected), "expected {expected}, was told: {said}");
    }
}

#[test]
fn a_message_may_be_put_off_for_thirty_one_days() {
    let furthest = NOW.after(FURTHEST);
    let amended = amend(BOTH, vec![Edit::SetNotBeforeMs(furthest.0)]).unwrap();
    assert_eq!(amended.0.not_before, Some(furthest));
}

#[test]
fn media_may_go_only_where_a_text_is_left() {
    let edits = vec![Edit::SetText(String::new()), Edit::SetMediaUrls(Vec::new())];
    let failure = amend(BOTH, edits).unwrap_err();
    assert!(
        matches!(&failure, Breach::IllegalAmend(why) if why.contains("text.empty")),
        "{failure:?}"
    );
}

#[test]
fn a_message_has_a_bounded_number_of_tags() {
    let tag = |n| Edit::SetTag(format!("t{n}"), String::new());
    assert_eq!(amend(BOTH, (1..TAGS).map(tag).collect()).unwrap().0.tags.len(), TAGS);
    assert!(amend(BOTH, (0..TAGS).map(tag).collect()).is_err(), "{} tags were taken", TAGS + 1);
}
