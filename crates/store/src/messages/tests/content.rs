//! What is kept of a message that has left.

use std::fs;

use message::{E164, Timestamp};
use tempfile::TempDir;

use crate::fixtures::{
    NOW, NUMBER, TEXT, accept, bring, folder, id, in_file, later, new, open, path, record,
};
use crate::{Filter, Keep, Report, ReportFacts, Secret, Status, Store, StoreOptions};

/// Sweeps until `is_gone`, a few times at most: while the check after the start reads, the log is not emptied.
async fn swept(store: &Store, now: Timestamp, is_gone: impl Fn() -> bool) {
    for _ in 0..100 {
        store.sweep(now).await.unwrap();
        if is_gone() {
            return;
        }
    }
}

fn keeping(folder: &TempDir, text: Keep, numbers: Keep) -> Store {
    let hash_key = Some(Secret::from_words(b"words"));
    open(&StoreOptions { text, numbers, hash_key, ..in_file(folder) })
}

/// Whether the files of the store have these bytes anywhere.
fn found(folder: &TempDir, bytes: &str) -> bool {
    ["", "-wal"].into_iter().any(|suffix| {
        let name = folder.path().join(format!("sendgate.db{suffix}"));
        let file = fs::read(name).unwrap_or_default();
        file.windows(bytes.len()).any(|window| window == bytes.as_bytes())
    })
}

#[tokio::test]
async fn number_and_text_are_whole_until_the_message_has_left_and_then_as_was_chosen() {
    use Keep::{Full, Hash, None as Nothing};

    for (text, numbers) in
        [(Full, Full), (Hash, Hash), (Nothing, Nothing), (Nothing, Full), (Full, Hash)]
    {
        let folder = folder();
        let store = keeping(&folder, text, numbers);
        accept(&store, &["m1"]).await;
        for status in [Status::Waiting, Status::Sending, Status::InDoubt, Status::Held] {
            bring(&store, "m1", status).await;
            let kept = record(&store, "m1").await;
            let whole = (kept.to.as_ref().map(E164::as_str), kept.text.as_deref());
            assert_eq!(whole, (Some(NUMBER), Some(TEXT)), "{status:?}");
            assert_eq!((kept.to_hash, kept.text_hash), (None, None), "{status:?}");
        }
        bring(&store, "m1", Status::Submitted).await;
        let kept = record(&store, "m1").await;
        assert_eq!((kept.to.is_some(), kept.to_hash.is_some()), (numbers == Full, numbers == Hash));
        assert_eq!((kept.text.is_some(), kept.text_hash.is_some()), (text == Full, text == Hash));
        assert_eq!(kept.text_bytes, TEXT.len());
        let is_gone = || {
            found(&folder, NUMBER) == (numbers == Full) && found(&folder, TEXT) == (text == Full)
        };
        swept(&store, later(1), is_gone).await;
        assert_eq!(found(&folder, NUMBER), numbers == Full, "{text:?} {numbers:?}");
        assert_eq!(found(&folder, TEXT), text == Full, "{text:?} {numbers:?}");
    }
}

#[tokio::test]
async fn every_way_out_drops_what_is_not_kept() {
    for status in [Status::Submitted, Status::Failed, Status::Expired, Status::Canceled] {
        let folder = folder();
        let store = keeping(&folder, Keep::None, Keep::None);
        accept(&store, &["m1"]).await;
        bring(&store, "m1", status).await;
        let kept = record(&store, "m1").await;
        assert_eq!((kept.to, kept.text), (None, None), "{status:?}");
    }
    let folder = folder();
    let store = keeping(&folder, Keep::None, Keep::None);
    accept(&store, &["m1"]).await;
    let facts = ReportFacts { status: "delivered".into(), ..ReportFacts::default() };
    let status = Some(Status::Delivered);
    let report = Report { status, facts, sequence: 1, error_code: None, message_uuid: None };
    store.report(&id("m1"), report, NOW).await.unwrap();
    let kept = record(&store, "m1").await;
    assert_eq!((kept.to, kept.text), (None, None), "a report that overtook the answer");
}

#[tokio::test]
async fn of_many_messages_that_left_in_any_order_no_byte_stays_behind() {
    let folder = folder();
    let store = keeping(&folder, Keep::None, Keep::Hash);
    let count = 400;
    let number = |n: usize| format!("+1415555{n:04}");
    for n in 0..count {
        let mut new = new(&format!("m{n}"));
        new.record.to = Some(E164::parse(&number(n), "").unwrap());
        // Some are longer than a page of the database.
        new.text = format!("text-{n:04} ").repeat(1 + n % 7 * 100);
        store.accept(vec![new], None).await.unwrap();
        if n % 3 == 0 {
            bring(&store, &format!("m{}", n / 2), Status::Submitted).await;
        }
    }
    store.sweep(later(1)).await.unwrap();
    assert!(found(&folder, "+1415555") && found(&folder, "text-"), "some have not left");
    for n in (0..count).map(|n| n * 7 % count) {
        bring(&store, &format!("m{n}"), Status::Submitted).await;
    }
    swept(&store, later(100), || !found(&folder, "+1415555") && !found(&folder, "text-0")).await;
    for start in ["+1415555", "text-0"] {
        assert!(!found(&folder, start), "something that begins with {start} is left");
    }
}

#[tokio::test]
async fn a_number_that_is_kept_as_a_hash_still_finds_its_messages() {
    for numbers in [Keep::Full, Keep::Hash, Keep::None] {
        let folder = folder();
        let store = keeping(&folder, Keep::None, numbers);
        accept(&store, &["m1", "m2"]).await;
        bring(&store, "m1", Status::Submitted).await;
        let to = Some(E164::parse(NUMBER, "").unwrap());
        let page = store.list(&Filter { to, ..Filter::default() }).await.unwrap();
        let found: Vec<&str> = page.records.iter().map(|record| &*record.id.0).collect();
        let expected: &[&str] = if numbers == Keep::None { &["m2"] } else { &["m2", "m1"] };
        assert_eq!(found, expected, "{numbers:?}");
        let other = Some(E164::parse("+14155550199", "").unwrap());
        let page = store.list(&Filter { to: other, ..Filter::default() }).await.unwrap();
        assert!(page.records.is_empty(), "{numbers:?}");
    }
}

#[tokio::test]
async fn hashes_are_the_same_after_a_restart_and_of_no_use_without_their_key() {
    let hash = |folder: TempDir| async move {
        let mut hashes = Vec::new();
        for which in ["m1", "m2"] {
            let options =
                StoreOptions { numbers: Keep::Hash, text: Keep::Hash, ..in_file(&folder) };
            let store = open(&options);
            accept(&store, &[which]).await;
            bring(&store, which, Status::Submitted).await;
            let kept = record(&store, which).await;
            hashes.push((kept.to_hash.unwrap(), kept.text_hash.unwrap()));
        }
        assert!(path(&folder).with_extension("db.key").exists());
        hashes
    };
    let (one, other) = (hash(folder()).await, hash(folder()).await);
    assert_eq!(one[0], one[1]);
    assert_ne!(one[0].0, other[0].0);
    assert_ne!(one[0].1, other[0].1);
}
