use store::{Status, StoreOptions};

use super::*;
use crate::relay::testing::{NOW, accept, become_, store};

fn read(query: &str, source: &Source) -> Result<Asked, Vec<String>> {
    let pointers = |faults: Vec<Fault>| faults.iter().map(|each| each.pointer.clone()).collect();
    Asked::read(query, source).map_err(pointers)
}

async fn ask(store: &Store, query: &str) -> Value {
    let source = Source::of(store);
    let asked = read(query, &source).unwrap_or_else(|faults| panic!("{query}: {faults:?}"));
    asked.answer(store, "demo", &source, &CancellationToken::new()).await.unwrap()
}

fn subjects(answer: &Value) -> Vec<(&str, &str)> {
    let events = answer["events"].as_array().unwrap();
    let of = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned().leak() as &str;
    events.iter().map(|event| (of(event, "subject"), of(event, "type"))).collect()
}

#[tokio::test]
async fn an_app_pages_through_its_events_oldest_first() {
    let store = store();
    for id in ["m1", "m2"] {
        accept(&store, id, None).await;
        become_(&store, id, Status::Submitted, NOW).await;
    }
    become_(&store, "m1", Status::Delivered, NOW).await;

    let first = ask(&store, "limit=2").await;
    let (one, two) = (("m1", "sms.message.submitted.v1"), ("m2", "sms.message.submitted.v1"));
    assert_eq!(subjects(&first), [one, two]);
    let second = ask(&store, &format!("after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(subjects(&second), [("m1", "sms.message.delivered.v1")]);
    let third = ask(&store, &format!("after={}", second["next"].as_str().unwrap())).await;
    assert_eq!((subjects(&third), &third["next"]), (vec![], &second["next"]));
}

#[tokio::test]
async fn another_apps_events_are_not_told() {
    let store = store();
    accept(&store, "m1", None).await;
    become_(&store, "m1", Status::Submitted, NOW).await;
    let source = Source::of(&store);
    let asked = read("", &source).unwrap();
    let answer = asked.answer(&store, "other", &source, &CancellationToken::new()).await.unwrap();
    assert_eq!(answer["events"], serde_json::json!([]));
    assert!(answer["next"].is_string(), "{answer}");
}

#[tokio::test]
async fn who_waits_is_told_as_soon_as_something_happens() {
    let store = store();
    accept(&store, "m1", None).await;
    let asking = store.clone();
    let asked = tokio::spawn(async move { ask(&asking, "wait=30").await });
    tokio::task::yield_now().await;
    become_(&store, "m1", Status::Submitted, NOW).await;
    assert_eq!(subjects(&asked.await.unwrap()).len(), 1);
}

#[tokio::test]
async fn the_end_of_the_process_ends_the_wait() {
    let store = store();
    let (source, draining) = (Source::of(&store), CancellationToken::new());
    let asked = read("wait=30", &source).unwrap();
    draining.cancel();
    let within = Duration::from_secs(20);
    let answered = tokio::time::timeout(within, asked.answer(&store, "demo", &source, &draining));
    let answer = answered.await.expect("an answer before the wait was over").unwrap();
    assert_eq!(answer["events"], serde_json::json!([]));
}

#[tokio::test]
async fn the_cursor_of_a_store_that_is_gone_begins_at_the_beginning_and_says_so() {
    let (before, now) = (store(), store());
    accept(&now, "m1", None).await;
    become_(&now, "m1", Status::Submitted, NOW).await;
    let cursor = Source::of(&before).cursor(700);
    let answer = ask(&now, &format!("after={cursor}")).await;
    assert_eq!((subjects(&answer).len(), &answer["reset"]), (1, &Value::Bool(true)));
}

#[tokio::test]
async fn a_cursor_whose_next_events_made_room_is_told_once() {
    let day = Duration::from_secs(24 * 60 * 60);
    let store =
        Store::open(StoreOptions { retention: day, ..StoreOptions::default() }, NOW).unwrap();
    for (id, at) in [("m1", NOW), ("m2", NOW), ("m3", NOW.after(2 * day))] {
        accept(&store, id, None).await;
        become_(&store, id, Status::Submitted, at).await;
    }
    let first = ask(&store, "limit=1").await;
    assert_eq!(first["reset"], Value::Null, "{first}");
    store.sweep(NOW.after(day)).await.unwrap();

    let after = |answer: &Value| format!("after={}", answer["next"].as_str().unwrap());
    let second = ask(&store, &after(&first)).await;
    assert_eq!(subjects(&second), [("m3", "sms.message.submitted.v1")]);
    assert_eq!(second["reset"], true, "{second}");
    store.sweep(NOW.after(4 * day)).await.unwrap();
    let third = ask(&store, &after(&first)).await;
    assert_eq!((subjects(&third), &third["reset"]), (vec![], &Value::Bool(true)));
    for query in ["", &*after(&second), &*after(&third)] {
        let answer = ask(&store, query).await;
        assert_eq!(answer["reset"], Value::Null, "{query}: {answer}");
    }
}

#[tokio::test]
async fn every_fault_is_told_by_its_parameter() {
    let source = Source::of(&store());
    assert_eq!(
        read("after=x&wait=31&limit=0&of=m1&a/~=", &source),
        Err(["/after", "/wait", "/limit", "/of", "/a~1~0"].map(str::to_owned).to_vec())
    );
    for query in ["wait=-1", "wait=soon", "limit=101"] {
        assert_eq!(read(query, &source).map_err(|faults| faults.len()), Err(1), "{query}");
    }
    let asked = Asked { after: None, reset: false, wait: Duration::from_secs(30), limit: 100 };
    assert_eq!(read("wait=30&limit=100", &source), Ok(asked));
}
