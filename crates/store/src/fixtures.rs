//! What the tests start from.

use std::fs;
use std::path::PathBuf;

use message::{E164, Message, MessageId, Segments, Sender, Timestamp};
use tempfile::TempDir;

use crate::{Change, Durability, MinFree, NewMessage, Place, Record, Status, Store, StoreOptions};

/// A Wednesday in 2026.
pub(crate) const NOW: Timestamp = Timestamp(1_780_000_000_000);
pub(crate) const NUMBER: &str = "+14155550123";
pub(crate) const TEXT: &str = "secret code 1234";

/// `seconds` after [`NOW`].
pub(crate) fn later(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000)
}

pub(crate) fn id(text: &str) -> MessageId {
    MessageId(text.into())
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The database of a store in `folder`.
pub(crate) fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("sendgate.db")
}

/// A store in `folder` that is not slowed by the disk.
pub(crate) fn in_file(folder: &TempDir) -> StoreOptions {
    let place = Place::File(path(folder));
    StoreOptions { place, durability: Durability::Process, ..in_memory() }
}

pub(crate) fn in_memory() -> StoreOptions {
    StoreOptions { min_free: MinFree::NONE, ..StoreOptions::default() }
}

pub(crate) fn open(options: &StoreOptions) -> Store {
    Store::open(options.clone(), NOW).unwrap()
}

/// What a process that is killed now would leave behind.
pub(crate) fn killed(folder: &TempDir) -> TempDir {
    let left = self::folder();
    for suffix in ["", "-wal", ".key"] {
        let name = format!("sendgate.db{suffix}");
        let (from, to) = (folder.path().join(&name), left.path().join(&name));
        if from.exists() {
            fs::copy(from, to).unwrap();
        }
    }
    left
}

/// A message of the app `billing`, accepted at [`NOW`].
pub(crate) fn new(which: &str) -> NewMessage {
    let message = Message {
        intent: "otp".into(),
        ttl_s: Some(300),
        tags: vec![("order".into(), "7".into())],
        ..Message::plain(
            id(which),
            E164::parse(NUMBER, "/to").unwrap(),
            Sender::ShortCode("12345".into()),
            TEXT,
        )
    };
    let segments = Segments::of(&message.text);
    let record = Record::of(&message, segments, "billing", "messages", NOW, later(300));
    NewMessage { record, text: message.text, holds: vec![] }
}

/// The same, whose events are relayed.
pub(crate) fn relayed(which: &str) -> NewMessage {
    let mut new = new(which);
    new.record.relay = Some("http://127.0.0.1:3000/reports".into());
    new
}

pub(crate) async fn accept(store: &Store, which: &[&str]) {
    for each in which {
        store.accept(vec![new(each)], None).await.unwrap();
    }
}

/// Moves a message and says where it is then.
pub(crate) async fn bring(store: &Store, which: &str, status: Status) -> Status {
    store.change(&id(which), Change::to(status, NOW)).await.unwrap()
}

pub(crate) async fn record(store: &Store, which: &str) -> Record {
    let found = store.get(None, &id(which)).await.unwrap();
    found.unwrap_or_else(|| panic!("{which} is not there"))
}

/// The ids of all messages, newest first.
pub(crate) async fn ids(store: &Store) -> Vec<String> {
    let page = store.list(&crate::Filter::default()).await.unwrap();
    page.records.iter().map(|record| record.id.to_string()).collect()
}
