//! Looking messages up.

use message::E164;

use crate::fixtures::{NOW, accept, bring, id, in_memory, new, open, record};
use crate::{Change, Filter, NewMessage, Page, Simple, Status, Store, StoreError};

fn to(number: &str) -> Option<E164> {
    Some(E164::parse(number, "").unwrap())
}

fn of(app: &str) -> Filter {
    Filter { app: Some(app.into()), ..Filter::default() }
}

fn from(which: &str, app: &str, number: &str) -> NewMessage {
    let mut new = new(which);
    (new.record.app, new.record.to) = (app.into(), to(number));
    new
}

fn ids(page: &Page) -> Vec<&str> {
    page.records.iter().map(|record| &*record.id.0).collect()
}

async fn list(store: &Store, filter: Filter) -> Page {
    store.list(&filter).await.unwrap()
}

#[tokio::test]
async fn an_app_sees_its_own_records_only() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let named = Change { message_uuid: Some("u1".into()), ..Change::at(NOW) };
    store.change(&id("m1"), named).await.unwrap();
    assert_eq!(store.get(Some("billing"), &id("m1")).await.unwrap().unwrap().id, id("m1"));
    assert_eq!(store.find(Some("billing"), "u1").await.unwrap().unwrap().id, id("m1"));
    assert_eq!(store.get(Some("shop"), &id("m1")).await, Ok(None));
    assert_eq!(store.find(Some("shop"), "u1").await, Ok(None));
    assert_eq!(list(&store, of("shop")).await, Page::default());
    let foreign = Filter { after: Some(id("m1")), ..of("shop") };
    assert_eq!(store.list(&foreign).await, Err(StoreError::NotFound));
}

#[tokio::test]
async fn a_list_goes_on_after_a_message_that_is_not_kept_any_more() {
    let store = open(&in_memory());
    let ids_of = |nth: usize| format!("019a0000-000{nth}-7000-8000-000000000001");
    let all: Vec<String> = [1, 3, 5].map(ids_of).into();
    accept(&store, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let after = async |nth| {
        let after = Some(id(&ids_of(nth)));
        let page = list(&store, Filter { after, ..of("billing") }).await;
        page.records.iter().map(|record| record.id.0.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(after(4).await, [ids_of(3), ids_of(1)]);
    assert_eq!(after(2).await, [ids_of(1)]);
    assert!(after(0).await.is_empty());
}

#[tokio::test]
async fn a_list_is_newest_first_and_goes_on_after_its_last() {
    let store = open(&in_memory());
    accept(&store, &["m1", "m2", "m3", "m4", "m5"]).await;
    store.accept(vec![from("x1", "shop", "+14155550123")], None).await.unwrap();
    let page = |after, limit| list(&store, Filter { after, limit, ..of("billing") });
    let first = page(None, 2).await;
    assert_eq!((ids(&first), &first.next), (vec!["m5", "m4"], &Some(id("m4"))));
    accept(&store, &["m6"]).await;
    let second = page(first.next, 2).await;
    assert_eq!((ids(&second), &second.next), (vec!["m3", "m2"], &Some(id("m2"))));
    let third = page(second.next, 2).await;
    assert_eq!((ids(&third), &third.next), (vec!["m1"], &None));
    assert_eq!(ids(&page(None, 0).await).len(), 6);
    assert_eq!(ids(&list(&store, Filter::default()).await)[1], "x1", "an operator sees all");
}

#[tokio::test]
async fn a_list_is_filtered_by_state_and_recipient_together_and_bounded() {
    let store = open(&in_memory());
    for n in 0..150 {
        let number = if n % 2 == 0 { "+14155550123" } else { "+14155550199" };
        store.accept(vec![from(&format!("m{n}"), "billing", number)], None).await.unwrap();
    }
    bring(&store, "m0", Status::Failed).await;
    bring(&store, "m1", Status::Expired).await;
    let all = list(&store, Filter { limit: 1_000, ..of("billing") }).await;
    assert_eq!((all.records.len(), all.next), (100, Some(id("m50"))));
    let failed = || Filter { status: Some(Status::Failed), ..of("billing") };
    assert_eq!(ids(&list(&store, failed()).await), ["m0"]);
    let simply = || Filter { simple: Some(Simple::Failed), ..of("billing") };
    assert_eq!(ids(&list(&store, simply()).await), ["m1", "m0"]);
    let number = to("+14155550199");
    assert_eq!(
        list(&store, Filter { to: number.clone(), ..of("billing") }).await.records.len(),
        75
    );
    let both = Filter { to: number.clone(), ..simply() };
    assert_eq!(ids(&list(&store, both).await), ["m1"]);
    assert_eq!(list(&store, Filter { to: number, ..failed() }).await, Page::default());
}

#[tokio::test]
async fn a_page_has_the_attempts_of_its_messages() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let attempt = crate::Attempt {
        number: 1,
        started: NOW,
        ended: None,
        outcome: None,
        http_status: None,
        code: None,
        account: None,
        plivo_time: None,
        given_up: None,
    };
    let call = Change { attempt: Some(attempt.clone()), ..Change::to(Status::Sending, NOW) };
    store.change(&id("m1"), call).await.unwrap();
    let listed = list(&store, of("billing")).await.records.remove(0).attempts;
    let alone = record(&store, "m1").await.attempts;
    assert_eq!((listed, alone), (vec![attempt.clone()], vec![attempt]));
}

#[tokio::test]
async fn the_newest_are_counted_by_their_state_in_the_order_of_the_way() {
    let store = open(&in_memory());
    assert_eq!(store.states(10).await, Ok(vec![]));
    accept(&store, &["m1", "m2", "m3", "m4", "m5"]).await;
    bring(&store, "m1", Status::Failed).await;
    bring(&store, "m2", Status::Delivered).await;
    bring(&store, "m3", Status::InDoubt).await;
    let all =
        [(Status::Accepted, 2), (Status::InDoubt, 1), (Status::Delivered, 1), (Status::Failed, 1)];
    assert_eq!(store.states(10).await, Ok(all.to_vec()));
    let newest = [(Status::Accepted, 2), (Status::InDoubt, 1)];
    assert_eq!(store.states(3).await, Ok(newest.to_vec()));
}
