//! Making messages ours.

use std::time::Duration;

use message::{DEFAULT_ACCOUNT, Kind, MediaUrl, Note};

use crate::fixtures::{
    NOW, accept, bring, folder, id, ids, in_file, in_memory, later, new, open, record, relayed,
};
use crate::{
    Change, Claim, Decision, Fingerprint, KeyRow, MinFree, Report, ReportFacts, Secret, Status,
    Store, StoreError, StoreOptions, StoredAnswer,
};

/// A key that binds an answer about `which`.
async fn key(store: &Store, key: &str, which: &str) -> KeyRow {
    let fingerprint = Fingerprint::over(&Secret::from_words(b"k"), &[("text", vec!["x".into()])]);
    let Claim::New(guard) = store.claim("billing", key, fingerprint, NOW).await.unwrap() else {
        panic!("{key} is free")
    };
    let answer =
        StoredAnswer { status: 202, headers: vec![], body: vec![], message: Some(id(which)) };
    store.key_row(&guard, answer, NOW, NOW).unwrap()
}

fn bounded(messages: u64) -> Store {
    open(&StoreOptions { most_messages: messages, ..in_memory() })
}

#[tokio::test]
async fn it_is_known_when_what_made_room_was_changed_last() {
    let store = bounded(2);
    accept(&store, &["m1", "m2"]).await;
    let sent = |seconds: u64| Change::to(Status::Submitted, later(seconds));
    store.change(&id("m1"), sent(5)).await.unwrap();
    store.change(&id("m2"), sent(9)).await.unwrap();
    assert!(!store.made_room_since(NOW));
    accept(&store, &["m3"]).await;
    assert!(store.made_room_since(later(5)));
    assert!(!store.made_room_since(later(6)));

    let folder = folder();
    let full = StoreOptions { most_messages: 1, ..in_file(&folder) };
    let store = open(&full);
    accept(&store, &["m1"]).await;
    store.change(&id("m1"), sent(5)).await.unwrap();
    drop(store);
    let store = open(&full);
    assert!(!store.made_room_since(NOW), "a full store of which nothing has gone");
    accept(&store, &["m2"]).await;
    drop(store);
    let store = open(&full);
    assert!(
        store.made_room_since(later(5)) && !store.made_room_since(later(6)),
        "after a restart too"
    );
}

#[tokio::test]
async fn messages_are_recorded_as_they_were_accepted_in_their_order() {
    let store = open(&in_memory());
    accept(&store, &["m3", "m1"]).await;
    store.accept(vec![new("m2"), relayed("m4")], None).await.unwrap();
    assert_eq!(ids(&store).await, ["m4", "m2", "m1", "m3"]);
}

#[tokio::test]
async fn every_field_of_a_record_is_read_as_it_was_given() {
    let store = open(&in_memory());
    let mut full = relayed("full");
    let given = &mut full.record;
    given.kind = Kind::Mms;
    given.media_urls = vec![MediaUrl::parse("https://example.com/a.png", "").unwrap().0];
    given.media_ids = vec!["id-1".into(), "id-2".into()];
    (given.plivo_log, given.trackable) = (Some("false".into()), true);
    given.plivo_dlt = Some(r#"{"dlt_entity_id":"1101"}"#.into());
    given.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    given.not_before = Some(later(60));
    given.segments.ucs2_offsets = vec![1, 5];
    let note = Note { policy: "p".into(), key: "k".into(), value: "v".into(), shown: true };
    given.decisions = vec![Decision {
        policy: "p".into(),
        version: "1.0.0".into(),
        digest: "sha256:00".into(),
        verdict: "amend".into(),
        enforced: false,
        codes: vec!["mms.downgraded".into()],
        notes: vec![note],
        took: Duration::from_micros(1_234),
    }];
    for new in [new("plain"), full] {
        let mut given = new.record.clone();
        given.text = Some(new.text.clone());
        store.accept(vec![new], None).await.unwrap();
        let kept = record(&store, &given.id.0).await;
        assert!(kept == given, "{kept:?} is not {given:?} in every field");
    }
}

#[tokio::test]
async fn an_id_that_is_taken_leaves_nothing_of_its_whole_request() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    for twice in [["m2", "m1"], ["m2", "m2"]] {
        let key = key(&store, "k1", "m2").await;
        let taken = store.accept(twice.map(new).to_vec(), Some(key)).await;
        assert_eq!(taken, Err(StoreError::Exists), "{twice:?}");
        assert_eq!(ids(&store).await, ["m1"], "{twice:?}");
    }
    key(&store, "k1", "m2").await;
}

#[tokio::test]
async fn what_is_refused_does_not_count_against_the_bounds() {
    let folder = folder();
    let store = open(&StoreOptions { most_messages: 2, most_keys: 2, ..in_file(&folder) });
    accept(&store, &["m1"]).await;
    for _ in 0..5 {
        let key = key(&store, "k", "m1").await;
        assert_eq!(store.accept(vec![new("m1")], Some(key)).await, Err(StoreError::Exists));
    }
    let refused = store.accept(["a", "b", "c"].map(new).to_vec(), None).await;
    assert_eq!(refused, Err(StoreError::Full));
    let key = key(&store, "k", "m2").await;
    store.accept(vec![new("m2")], Some(key)).await.unwrap();
    assert_eq!(ids(&store).await, ["m2", "m1"]);
}

#[tokio::test]
async fn the_oldest_that_ask_nothing_more_of_us_make_room_and_others_never_do() {
    let store = bounded(3);
    accept(&store, &["m1", "m2", "m3"]).await;
    let another = |which| store.accept(vec![new(which)], None);
    assert_eq!(another("m4").await, Err(StoreError::Full));
    bring(&store, "m2", Status::Failed).await;
    store.change(&id("m3"), Change::to(Status::Delivered, later(1))).await.unwrap();
    another("m4").await.unwrap();
    assert_eq!(ids(&store).await, ["m4", "m3", "m1"], "the older of the two made room, alone");
    another("m5").await.unwrap();
    assert_eq!(ids(&store).await, ["m5", "m4", "m1"]);
    bring(&store, "m1", Status::RetryWait).await;
    assert_eq!(another("m6").await, Err(StoreError::Full));
}

#[tokio::test]
async fn messages_that_plivo_is_still_asked_about_make_room_after_those_that_ended_the_oldest_first()
 {
    let store = bounded(4);
    let ends = [("m1", Status::Submitted, 3), ("m2", Status::Sent, 2), ("m3", Status::Failed, 4)];
    accept(&store, &["m0", "m1", "m2", "m3"]).await;
    for (which, status, at) in ends {
        let change = Change { next_look: Some(later(60)), ..Change::to(status, later(at)) };
        store.change(&id(which), change).await.unwrap();
        store.looked(&id(which), Some(later(120))).await.unwrap();
    }
    for left in [["m4", "m2", "m1", "m0"], ["m5", "m4", "m1", "m0"], ["m6", "m5", "m4", "m0"]] {
        store.accept(vec![new(left[0])], None).await.unwrap();
        assert_eq!(ids(&store).await, left);
    }
    assert_eq!(store.accept(vec![new("m7")], None).await, Err(StoreError::Full));
    assert_eq!(
        store.due_looks(DEFAULT_ACCOUNT, later(999), 10).await.unwrap(),
        [],
        "nobody asks about them"
    );
}

#[tokio::test]
async fn a_message_that_only_a_report_has_moved_to_plivo_makes_room() {
    let store = bounded(1);
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::InDoubt).await;
    let facts = ReportFacts { status: "sent".into(), ..ReportFacts::default() };
    let status = Some(Status::Sent);
    let report = Report { status, facts, sequence: 1, error_code: None, message_uuid: None };
    store.report(&id("m1"), report, NOW).await.unwrap();
    store.accept(vec![new("m2")], None).await.unwrap();
    assert_eq!(ids(&store).await, ["m2"]);
}

#[tokio::test]
async fn a_request_of_many_makes_as_much_room_as_it_needs_or_none() {
    let store = bounded(100);
    let names: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
    store.accept(names.iter().map(|name| new(name)).collect(), None).await.unwrap();
    for name in &names[..80] {
        bring(&store, name, Status::Failed).await;
    }
    let many = |count: usize| (0..count).map(|n| new(&format!("n{n}"))).collect();
    assert_eq!(store.accept(many(81), None).await, Err(StoreError::Full));
    assert_eq!(ids(&store).await.len(), 100, "nothing was dropped for what was refused");
    store.accept(many(80), None).await.unwrap();
    let left = ids(&store).await;
    assert!(left.len() == 100 && left[99] == "m80", "{left:?}");
}

#[tokio::test]
async fn what_made_room_is_gone_with_all_that_belonged_to_it_but_its_events() {
    let folder = folder();
    let store = open(&StoreOptions { most_messages: 1, ..in_file(&folder) });
    for n in 0..4 {
        let which = format!("m{n}");
        accept(&store, &[&which]).await;
        let facts = ReportFacts { status: "delivered".into(), ..ReportFacts::default() };
        let status = Some(Status::Delivered);
        let message_uuid = Some("u".into());
        let report = Report { status, facts, sequence: 1, error_code: None, message_uuid };
        store.report(&id(&which), report, NOW).await.unwrap();
    }
    let rows = async |table: &'static str| {
        let sql = format!("SELECT count(*) FROM {table}");
        let count = move |connection: &rusqlite::Connection| {
            Ok(connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
        };
        store.database.read(count).await.unwrap()
    };
    let counted = [rows("messages").await, rows("reports").await, rows("events").await];
    assert_eq!(counted, [1, 1, 4]);
}

#[tokio::test]
async fn a_disk_with_too_little_free_takes_nothing_new_and_all_else() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    drop(store);
    // No disk in use is free to the last byte.
    let min_free = MinFree { percent: 100, bytes: u64::MAX };
    let store = open(&StoreOptions { min_free, ..in_file(&folder) });
    assert_eq!(store.accept(vec![new("m2")], None).await, Err(StoreError::LowSpace));
    assert_eq!(store.trouble(), Some(StoreError::LowSpace));
    assert_eq!(bring(&store, "m1", Status::Submitted).await, Status::Submitted);
}

#[tokio::test]
async fn keys_are_bounded_and_those_that_ended_make_room() {
    let store = open(&StoreOptions { most_keys: 1, ..in_memory() });
    let (first, second) = (key(&store, "a", "m1").await, key(&store, "b", "m2").await);
    store.accept(vec![new("m1")], Some(first)).await.unwrap();
    assert_eq!(store.accept(vec![new("m2")], Some(second)).await, Err(StoreError::KeysFull));
    assert_eq!(ids(&store).await, ["m1"]);
    let fingerprint = || Fingerprint::over(store.secret(), &[]);
    let now = NOW.after(store.key_retention());
    let before = message::Timestamp(now.0 - 1);
    let full = store.claim("billing", "c", fingerprint(), before).await;
    assert!(matches!(full, Err(StoreError::KeysFull)), "{full:?}");
    // One that lives for seconds has a place of its own.
    let brief = store.claim_briefly("billing", "d", fingerprint(), before).await.unwrap();
    let Claim::New(guard) = brief else { panic!("d is free") };
    let answer = || StoredAnswer { status: 202, headers: vec![], body: vec![], message: None };
    let row = store.key_row(&guard, answer(), NOW, NOW).unwrap();
    store.accept(vec![new("m2")], Some(row)).await.unwrap();
    drop(guard);
    let again = store.claim_briefly("billing", "d", fingerprint(), before).await.unwrap();
    assert!(matches!(again, Claim::Replay(_)), "{again:?}");
    let Claim::New(guard) = store.claim("billing", "c", fingerprint(), now).await.unwrap() else {
        panic!("c is free")
    };
    let row = store.key_row(&guard, answer(), now, now).unwrap();
    let mut late = new("m3");
    late.record.created = now;
    store.accept(vec![late], Some(row)).await.unwrap();
}
