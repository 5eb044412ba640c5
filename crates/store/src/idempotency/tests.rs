use std::collections::BTreeSet;

use message::{Dedup, E164, Message, Sender};

use super::*;

const NOW: Timestamp = Timestamp(1_780_000_000_000);

fn message(to: &str, text: &str) -> Message {
    Message {
        id: MessageId("m1".into()),
        to: E164::parse(to, "/to").unwrap(),
        sender: Sender::Pool("pool".into()),
        text: text.into(),
        media_urls: vec![],
        media_ids: vec![],
        intent: String::new(),
        ttl_s: None,
        not_before: None,
        callback_url: None,
        dedup: Dedup::Content,
        tags: vec![],
    }
}

fn request(text: &str) -> Fingerprint {
    Fingerprint::of("messages", &[message("+14155550123", text)])
}

fn answer(body: &str) -> StoredAnswer {
    StoredAnswer {
        status: 202,
        headers: vec![("location".into(), "/v1/messages/m1".into())],
        body: body.into(),
        message: Some(MessageId("m1".into())),
    }
}

async fn claim(keys: &IdempotencyKeys, text: &str, now: Timestamp) -> Claim {
    keys.claim("billing", "k1", request(text), now).await.unwrap()
}

async fn bind(keys: &IdempotencyKeys, text: &str, now: Timestamp) {
    let Claim::New(guard) = claim(keys, text, now).await else { panic!("the key is free") };
    guard.bind(answer(text), now, now).await.unwrap();
}

#[tokio::test]
async fn an_equal_request_gets_the_same_answer_again() {
    let keys = IdempotencyKeys::default();
    bind(&keys, "code 1234", NOW).await;
    for _ in 0..2 {
        let again = claim(&keys, "code 1234", NOW.after(Duration::from_secs(5))).await;
        assert!(
            matches!(&again, Claim::Replay(stored) if *stored == answer("code 1234")),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn another_request_under_the_key_is_told_which_fields_differ() {
    let keys = IdempotencyKeys::default();
    let Claim::New(guard) = claim(&keys, "code 1234", NOW).await else { panic!("the key is free") };
    let in_flight = claim(&keys, "code 1235", NOW).await;
    assert!(
        matches!(&in_flight, Claim::Mismatch { fields } if *fields == ["text"]),
        "{in_flight:?}"
    );
    guard.bind(answer(""), NOW, NOW).await.unwrap();
    let other = Fingerprint::of("messages", &[message("+14155550199", "x")]);
    let bound = keys.claim("billing", "k1", other, NOW).await.unwrap();
    assert!(matches!(&bound, Claim::Mismatch { fields } if *fields == ["to", "text"]), "{bound:?}");
}

#[tokio::test]
async fn a_request_that_was_refused_does_not_bind_its_key() {
    let keys = IdempotencyKeys::default();
    drop(claim(&keys, "code 1234", NOW).await);
    assert!(matches!(claim(&keys, "another text", NOW).await, Claim::New(_)));
}

#[tokio::test]
async fn keys_belong_to_their_app() {
    let keys = IdempotencyKeys::default();
    bind(&keys, "code 1234", NOW).await;
    let other = keys.claim("shop", "k1", request("code 1234"), NOW).await.unwrap();
    assert!(matches!(other, Claim::New(_)), "{other:?}");
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_or_until_the_messages_own_deadline() {
    let (keys, day) = (IdempotencyKeys::default(), Duration::from_secs(86_400));
    bind(&keys, "code 1234", NOW).await;
    let before = Timestamp(NOW.after(day).0 - 1);
    assert!(matches!(claim(&keys, "code 1234", before).await, Claim::Replay(_)));
    let Claim::New(guard) = claim(&keys, "code 1234", NOW.after(day)).await else {
        panic!("the key ended")
    };
    let scheduled = NOW.after(3 * day);
    guard.bind(answer(""), scheduled, scheduled.after(2 * day)).await.unwrap();
    let last = Timestamp(scheduled.after(2 * day).0 - 1);
    assert!(matches!(claim(&keys, "code 1234", last).await, Claim::Replay(_)));
    assert!(matches!(claim(&keys, "code 1234", scheduled.after(2 * day)).await, Claim::New(_)));
}

#[test]
fn the_retention_is_between_an_hour_and_a_week() {
    let of = |seconds| IdempotencyKeys::new(1, Duration::from_secs(seconds)).retention().as_secs();
    assert_eq!((of(0), of(7_200), of(u64::MAX)), (3_600, 7_200, 604_800));
}

#[tokio::test]
async fn who_waits_for_a_request_in_flight_wakes_when_it_is_answered_or_refused() {
    for answered in [true, false] {
        let keys = IdempotencyKeys::default();
        let Claim::New(guard) = claim(&keys, "code 1234", NOW).await else {
            panic!("the key is free")
        };
        let Claim::InFlight(waiting) = claim(&keys, "code 1234", NOW).await else {
            panic!("it is in flight")
        };
        let Claim::InFlight(late) = claim(&keys, "code 1234", NOW).await else {
            panic!("it is in flight")
        };
        let waiter = tokio::spawn(waiting.settled());
        match answered {
            true => guard.bind(answer("code 1234"), NOW, NOW).await.unwrap(),
            false => drop(guard),
        }
        waiter.await.unwrap();
        late.settled().await;
        let again = claim(&keys, "code 1234", NOW).await;
        assert_eq!(matches!(again, Claim::Replay(_)), answered, "{again:?}");
        assert_eq!(matches!(again, Claim::New(_)), !answered, "{again:?}");
    }
}

#[tokio::test]
async fn of_fifty_equal_requests_at_once_one_goes_on() {
    let keys = IdempotencyKeys::default();
    let requests = (0..50).map(|_| {
        let keys = keys.clone();
        tokio::spawn(async move {
            loop {
                match claim(&keys, "code 1234", NOW).await {
                    Claim::New(guard) => {
                        tokio::task::yield_now().await;
                        guard.bind(answer("code 1234"), NOW, NOW).await.unwrap();
                        return true;
                    }
                    Claim::Replay(_) => return false,
                    Claim::InFlight(other) => other.settled().await,
                    Claim::Mismatch { fields } => panic!("equal requests differ in {fields:?}"),
                }
            }
        })
    });
    let mut sends = 0;
    for request in requests.collect::<Vec<_>>() {
        sends += usize::from(request.await.unwrap());
    }
    assert_eq!(sends, 1);
}

#[tokio::test]
async fn keys_and_claims_are_bounded_together_and_ended_ones_make_room() {
    let keys = IdempotencyKeys::new(2, DEFAULT_RETENTION);
    let claim = |key: &'static str, now| keys.claim("billing", key, request("x"), now);
    let Claim::New(first) = claim("a", NOW).await.unwrap() else { panic!("free") };
    let second = claim("b", NOW).await.unwrap();
    assert_eq!(claim("c", NOW).await.unwrap_err(), StoreError::Full);
    first.bind(answer(""), NOW, NOW).await.unwrap();
    assert_eq!(claim("c", NOW).await.unwrap_err(), StoreError::Full);
    drop(second);
    let third = claim("c", NOW).await.unwrap();
    assert!(matches!(third, Claim::New(_)));
    assert!(
        matches!(claim("d", NOW.after(DEFAULT_RETENTION)).await.unwrap(), Claim::New(_)),
        "a has ended"
    );
}

#[tokio::test]
async fn the_bytes_of_all_answers_are_bounded() {
    let keys = IdempotencyKeys::default();
    let most = ALL_BYTES / ANSWER_BYTES;
    for n in 0..=most {
        match keys.claim("billing", &n.to_string(), request("x"), NOW).await {
            Ok(Claim::New(guard)) if n < most => {
                let body = vec![b'b'; ANSWER_BYTES];
                let answer = StoredAnswer { status: 202, headers: vec![], body, message: None };
                guard.bind(answer, NOW, NOW).await.unwrap();
            }
            other => assert!(n == most && matches!(other, Err(StoreError::Full)), "{n}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn keys_and_answers_out_of_bounds_are_invalid() {
    let keys = IdempotencyKeys::default();
    for key in [String::new(), "k".repeat(256)] {
        let refused = keys.claim("billing", &key, request("x"), NOW).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    assert!(keys.claim("billing", &"k".repeat(255), request("x"), NOW).await.is_ok());
    let Claim::New(guard) = claim(&keys, "x", NOW).await else { panic!("free") };
    let refused = guard.bind(answer(&"b".repeat(ANSWER_BYTES)), NOW, NOW).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert!(matches!(claim(&keys, "x", NOW).await, Claim::New(_)), "the key is free again");
}

#[test]
fn a_fingerprint_sees_every_field_that_changes_the_message_and_no_other() {
    let plain = message("+14155550123", "hi");
    let same = Message {
        id: MessageId("m2".into()),
        callback_url: Some("http://127.0.0.1/".into()),
        dedup: Dedup::Off,
        tags: vec![("a".into(), "b".into())],
        ..plain.clone()
    };
    let differences = |changed: Message| {
        Fingerprint::of("messages", std::slice::from_ref(&plain))
            .differences(&Fingerprint::of("messages", &[changed]))
    };
    assert!(differences(same).is_empty());
    let changed = [
        (Message { text: "hi ".into(), ..plain.clone() }, vec!["text"]),
        (Message { to: E164::parse("+14155550199", "").unwrap(), ..plain.clone() }, vec!["to"]),
        (Message { sender: Sender::ShortCode("pool".into()), ..plain.clone() }, vec!["from"]),
        (Message { media_ids: vec!["a".into()], ..plain.clone() }, vec!["type", "media_ids"]),
        (Message { intent: "otp".into(), ..plain.clone() }, vec!["intent"]),
        (Message { ttl_s: Some(0), ..plain.clone() }, vec!["ttl_s"]),
        (Message { not_before: Some(NOW), ..plain.clone() }, vec!["not_before"]),
    ];
    for (message, fields) in changed {
        assert_eq!(differences(message), fields);
    }
    let pair = |a: &str, b: &str| Message { media_ids: vec![a.into(), b.into()], ..plain.clone() };
    let of = |message| Fingerprint::of("messages", &[message]);
    assert_eq!(of(pair("a", "bc")).differences(&of(pair("ab", "c"))), ["media_ids"]);
    assert_eq!(
        of(pair("a", "b")).differences(&of(pair("b", "a"))),
        ["media_ids"],
        "their order counts"
    );
    assert_eq!(
        Fingerprint::of("plivo", &[]).differences(&Fingerprint::of("messages", &[])),
        ["operation"]
    );
    let two = [plain.clone(), message("+14155550199", "hi")];
    let fields: BTreeSet<_> =
        Fingerprint::of("messages", &two).differences(&of(plain.clone())).into_iter().collect();
    assert!(fields.contains("to"), "{fields:?}");
}

#[test]
fn no_hash_shows_in_debug() {
    assert_eq!(format!("{:?}", request("code 1234")).matches(char::is_numeric).count(), 0);
}
