use message::{E164, MediaUrl, MessageId};

use super::*;

fn message(text: &str) -> Message {
    Message::plain(
        MessageId("01a2".into()),
        E164::parse("+14155550123", "").unwrap(),
        Sender::parse("+14155551212", "").unwrap(),
        text,
    )
}

#[test]
fn only_what_may_help_is_tried() {
    let senders = [Sender::ShortCode("12345".into()), message("").sender];
    let other = Edit::Sender(senders[0].clone());
    let other_alone = std::slice::from_ref(&other);
    let tried = |message: &Message, code: &str| edits(message, code, &senders);
    assert_eq!(tried(&message("hi"), "dup.content"), [Edit::Meant, other.clone()]);
    let keyed = Message { dedup: Dedup::Key("k".into()), ..message("hi") };
    assert_eq!(tried(&keyed, "dup.content"), other_alone);
    assert_eq!(tried(&message("it’s"), "text.too_long"), [Edit::Plain, other.clone()]);
    assert_eq!(tried(&message("it’s"), "country.not_allowed"), other_alone);
    let (url, _) = MediaUrl::parse("https://cdn.example.com/a.jpg", "").unwrap();
    let mms = Message { media_urls: vec![url], ..message("hi") };
    assert_eq!(tried(&mms, "mms.not_allowed"), [Edit::WithoutMedia, other.clone()]);
    let bare = Message { text: String::new(), ..mms };
    assert_eq!(tried(&bare, "mms.not_allowed"), other_alone);
    assert_eq!(sizes(&message("hi"), "budget.exceeded"), [Size::Chars]);
    assert_eq!(sizes(&message(""), "quiet.would_expire"), [Size::Ttl]);
    assert_eq!(sizes(&message("hi"), "throttle.would_expire"), [Size::Chars, Size::Ttl]);
    assert_eq!(sizes(&message(""), "acme.too_long"), []);
    assert_eq!(sizes(&bare, "media.too_many"), [Size::Media]);
    assert_eq!(sizes(&bare, "media.type_denied"), []);
}

#[test]
fn a_change_changes_what_it_says_and_no_character_is_cut_in_two() {
    let shorter = Edit::Chars(2).of(&message("añ😀b"));
    assert_eq!(shorter.text, "añ");
    assert_eq!(Edit::Chars(3).of(&message("añ😀b")).text, "añ😀");
    assert_eq!(Edit::Plain.of(&message("it’s")).text, "it's");
    assert_eq!(Size::Chars.same(&message("abx\u{20ac}")).unwrap().text, "xxy|");
    assert_eq!(Size::Chars.same(&message("añ\u{2019}😂")).unwrap().text, "xxя😀");
    assert_eq!(Size::Chars.bounds(&message("a")), None);
    assert_eq!(Size::Chars.bounds(&message("\n\n a lot")), Some((4, 8)));
    assert_eq!(Size::Chars.bounds(&message("\u{200f} שלום")), Some((3, 6)));
    assert_eq!(Size::Chars.bounds(&message(" \n")), None);
    assert_eq!(Size::Ttl.bounds(&message("a")), Some((604_800, 0)));
}

#[test]
fn of_media_the_first_are_kept_and_ids_come_after_urls() {
    let url = |nth| MediaUrl::parse(&format!("https://cdn.example.com/{nth}.jpg"), "").unwrap().0;
    let media_ids = vec!["m1".to_owned(), "m2".to_owned()];
    let mms = Message { media_urls: (0..3).map(url).collect(), media_ids, ..message("") };
    for (most, urls, ids) in [(1, 1, 0), (3, 3, 0), (4, 3, 1), (9, 3, 2)] {
        let kept = Edit::Media(most).of(&mms);
        assert_eq!((kept.media_urls.len(), kept.media_ids.len()), (urls, ids), "of {most}");
        assert!(mms.media_urls.starts_with(&kept.media_urls));
    }
    assert_eq!(Size::Media.bounds(&mms), Some((1, 5)));
    assert_eq!(Size::Media.bounds(&Edit::Media(1).of(&mms)), None);
    assert_eq!(Edit::Media(4).told(&mms)[0]["pointer"], "/media_urls");
}
