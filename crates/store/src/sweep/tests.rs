use std::time::Duration;

use message::MessageId;

use super::*;
use crate::fixtures::{
    NOW, accept, bring, folder, id, ids, in_file, in_memory, later, new, open, relayed,
};
use crate::{Attempt, Change, Claim, Fingerprint, Relayed, Status, StoreOptions, StoredAnswer};

const DAY: u64 = 86_400;

async fn count(store: &Store, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let count = move |connection: &Connection| {
        Ok(connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
    };
    u64::try_from(store.database.read(count).await.unwrap()).unwrap()
}

#[tokio::test]
async fn messages_that_ask_nothing_more_go_after_the_retention_and_no_others() {
    let store = open(&StoreOptions { retention: Duration::from_secs(DAY), ..in_memory() });
    accept(&store, &["open", "old", "young"]).await;
    bring(&store, "old", Status::Delivered).await;
    store.change(&id("young"), Change::to(Status::Failed, later(60))).await.unwrap();
    store.sweep(later(DAY - 1)).await.unwrap();
    assert_eq!(ids(&store).await.len(), 3);
    store.sweep(later(DAY)).await.unwrap();
    assert_eq!(ids(&store).await, ["young", "open"]);
    store.sweep(later(DAY * 365)).await.unwrap();
    assert_eq!(ids(&store).await, ["open"]);
}

#[tokio::test]
async fn events_go_after_the_retention_unless_an_app_is_still_to_be_called() {
    let store = open(&StoreOptions { retention: Duration::from_secs(DAY), ..in_memory() });
    accept(&store, &["m1"]).await;
    store.accept(vec![relayed("m2")], None).await.unwrap();
    for which in ["m1", "m2"] {
        bring(&store, which, Status::Failed).await;
    }
    store.sweep(later(DAY)).await.unwrap();
    let left = store.events_after("billing", 0, 10).await.unwrap();
    assert_eq!(left.iter().map(|event| &*event.message.0).collect::<Vec<_>>(), ["m2"]);
    store.relayed(left[0].number, Relayed::Dead { fault: "410".into() }).await.unwrap();
    store.sweep(later(DAY)).await.unwrap();
    assert_eq!(store.events_after("billing", 0, 10).await, Ok(vec![]));
}

#[tokio::test]
async fn what_is_over_stays_for_a_minute_in_case_the_clock_is_set_back() {
    let folder = folder();
    let store =
        open(&StoreOptions { key_retention: Duration::from_secs(3_600), ..in_file(&folder) });
    let ledger = store.ledger();
    ledger.put("p", "k", b"v".to_vec(), Duration::from_secs(3_600), false, NOW).await.unwrap();
    let by = id("m1");
    let reserved = ledger.reserve("p", "k", Duration::from_secs(3_600), &by, NOW).await.unwrap();
    let message::Reserved::Yes(hold) = reserved else { panic!("k is free") };
    let fingerprint = Fingerprint::over(store.secret(), &[]);
    let Claim::New(guard) = store.claim("billing", "k", fingerprint, NOW).await.unwrap() else {
        panic!("k is free")
    };
    let answer = StoredAnswer { status: 202, headers: vec![], body: vec![], message: None };
    let row = store.key_row(&guard, answer, NOW, NOW).unwrap();
    let mut message = new("m1");
    message.holds = vec![hold];
    store.accept(vec![message], Some(row)).await.unwrap();
    assert_eq!(store.sweep(later(3_659)).await, Ok(0));
    assert_eq!(store.sweep(later(3_660)).await, Ok(3));
    for table in ["policy_state", "holds", "idempotency_keys"] {
        assert_eq!(count(&store, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn one_sweep_is_bounded_and_the_next_goes_on() {
    let store = open(&in_memory());
    let total = ROWS as usize + 50;
    let many: Vec<_> = (0..total).map(|n| new(&format!("m{n}"))).collect();
    let every: Vec<MessageId> = many.iter().map(|new| new.record.id.clone()).collect();
    store.accept(many, None).await.unwrap();
    for id in &every {
        store.change(id, Change::to(Status::Canceled, NOW)).await.unwrap();
    }
    let long_after = later(DAY * 365);
    assert_eq!(store.sweep(long_after).await, Ok(2 * ROWS as usize), "messages and events");
    assert_eq!(store.sweep(long_after).await, Ok(100));
    assert_eq!(store.sweep(long_after).await, Ok(0));
    assert_eq!((count(&store, "messages").await, count(&store, "events").await), (0, 0));
}

#[tokio::test]
async fn events_of_messages_that_made_room_are_bounded_too() {
    let store = open(&StoreOptions { most_messages: 2, ..in_memory() });
    for n in 0..20 {
        let which = format!("m{n}");
        accept(&store, &[&which]).await;
        bring(&store, &which, Status::Submitted).await;
        bring(&store, &which, Status::Delivered).await;
    }
    store.sweep(NOW).await.unwrap();
    let left = store.events_after("billing", 0, 100).await.unwrap();
    let of: Vec<&str> = left.iter().map(|event| &*event.message.0).collect();
    assert_eq!(of, ["m16", "m16", "m17", "m17", "m18", "m18", "m19", "m19"]);
}

#[tokio::test]
async fn what_an_app_is_still_to_be_told_outlasts_its_message_and_no_longer() {
    let store = open(&StoreOptions { most_messages: 1, ..in_memory() });
    let departed = async || [count(&store, "departed").await, count(&store, "attempts").await];
    store.accept(vec![relayed("m1")], None).await.unwrap();
    let (outcome, http_status, code) = (None, None, None);
    let attempt = Attempt {
        number: 1,
        started: NOW,
        ended: Some(NOW),
        outcome,
        http_status,
        code,
        account: None,
        plivo_time: None,
        given_up: None,
    };
    let sent = Change { attempt: Some(attempt), ..Change::to(Status::Submitted, NOW) };
    store.change(&id("m1"), sent).await.unwrap();
    bring(&store, "m1", Status::Delivered).await;
    accept(&store, &["m2"]).await;

    assert_eq!((ids(&store).await, departed().await), (vec!["m2".to_owned()], [1, 1]));
    let record = store.to_be_told(&id("m1")).await.unwrap().unwrap();
    assert_eq!((record.status, record.text, record.attempts.len()), (Status::Delivered, None, 1));
    assert_eq!(record.relay, relayed("m1").record.relay);

    let fault = || "410".to_owned();
    let events = store.events_of(&id("m1")).await.unwrap();
    store.relayed(events[0].number, Relayed::Dead { fault: fault() }).await.unwrap();
    store.relayed(events[1].number, Relayed::Done).await.unwrap();
    assert_eq!(departed().await, [1, 1], "a dead letter may be revived");
    store.revive_dead_letters("billing", NOW).await.unwrap();
    assert!(store.to_be_told(&id("m1")).await.unwrap().is_some());
    store.relayed(events[0].number, Relayed::Done).await.unwrap();
    assert_eq!(departed().await, [0, 0]);
    assert_eq!(store.to_be_told(&id("m1")).await, Ok(None));
}

#[tokio::test]
async fn of_too_many_events_that_wait_for_their_apps_the_oldest_become_dead_letters() {
    let store = open(&StoreOptions { most_messages: 2, ..in_memory() });
    for n in 0..6 {
        let which = format!("m{n}");
        store.accept(vec![relayed(&which)], None).await.unwrap();
        bring(&store, &which, Status::Failed).await;
    }
    store.sweep(NOW).await.unwrap();
    let of = |events: Vec<crate::Event>| -> Vec<String> {
        events.into_iter().map(|event| event.message.to_string()).collect()
    };
    assert_eq!(of(store.due_relays(NOW, 10).await.unwrap()), ["m2", "m3", "m4", "m5"]);
    let dead = store.dead_letters(None, 10).await.unwrap();
    assert!(dead[0].fault.as_deref().unwrap().contains("too many"), "{dead:?}");
    assert_eq!(of(dead), ["m1", "m0"]);
    // All of them are more than may be: the dead go.
    for n in 6..12 {
        let which = format!("m{n}");
        store.accept(vec![relayed(&which)], None).await.unwrap();
        bring(&store, &which, Status::Failed).await;
    }
    while store.sweep(NOW).await.unwrap() > 0 {}
    assert_eq!(of(store.due_relays(NOW, 20).await.unwrap()), ["m8", "m9", "m10", "m11"]);
    assert_eq!(of(store.dead_letters(None, 20).await.unwrap()), ["m7", "m6", "m5", "m4"]);
    assert_eq!((count(&store, "events").await, count(&store, "departed").await), (8, 6));
}

#[tokio::test]
async fn sizes_are_what_the_tables_have() {
    let store = open(&StoreOptions { most_messages: 5, ..in_memory() });
    for n in 0..9 {
        let which = format!("m{n}");
        accept(&store, &[&which]).await;
        assert!(store.accept(vec![new(&which)], None).await.is_err());
        bring(&store, &which, Status::Failed).await;
    }
    for table in ["messages", "idempotency_keys", "events"] {
        let counted = store.database.read(move |connection| Ok(rows_of(connection, table)?)).await;
        assert_eq!(counted, Ok(count(&store, table).await), "{table}");
    }
    assert_eq!(count(&store, "messages").await, 5);
}
