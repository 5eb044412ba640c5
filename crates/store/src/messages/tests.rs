use message::{Dedup, Kind, Message, Segments, Sender, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp(1_780_000_000_000);

fn record(id: &str, app: &str, to: &str) -> Record {
    let message = Message {
        id: MessageId(id.into()),
        to: E164::parse(to, "/to").unwrap(),
        sender: Sender::ShortCode("12345".into()),
        text: "secret code 1234".into(),
        media_urls: vec![],
        media_ids: vec![],
        intent: "otp".into(),
        ttl_s: Some(300),
        not_before: None,
        callback_url: None,
        dedup: Dedup::Content,
        tags: vec![("order".into(), "7".into())],
    };
    Record::of(&message, Segments::of(&message.text), app, "messages", NOW)
}

fn id(text: &str) -> MessageId {
    MessageId(text.into())
}

async fn insert(messages: &Messages, ids: &[&str]) {
    for each in ids {
        messages.insert(record(each, "billing", "+14155550123")).await.unwrap();
    }
}

async fn become_(messages: &Messages, which: &str, status: Status) {
    messages.update(&id(which), |record| record.status = status).await.unwrap();
}

fn ids(page: &Page) -> Vec<&str> {
    page.records.iter().map(|record| &*record.id.0).collect()
}

#[test]
fn a_new_record_says_what_was_accepted_without_its_text() {
    let record = record("m1", "billing", "+14155550123");
    assert_eq!(
        (record.status, record.kind, record.text.as_ref()),
        (Status::Accepted, Kind::Sms, None)
    );
    assert_eq!((record.text_bytes, record.segments.count), (16, 1));
    assert_eq!(record.deadline, Some(Timestamp(NOW.0 + 300_000)));
    let shown = format!("{record:?}");
    assert!(!shown.contains("5550123") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn an_app_sees_its_own_records_only() {
    let messages = Messages::default();
    insert(&messages, &["m1"]).await;
    messages.update(&id("m1"), |record| record.message_uuid = Some("u1".into())).await.unwrap();
    assert_eq!(messages.get("billing", &id("m1")).await.unwrap().unwrap().id, id("m1"));
    assert_eq!(messages.find_by_uuid("billing", "u1").await.unwrap().unwrap().id, id("m1"));
    assert_eq!(messages.get("shop", &id("m1")).await, Ok(None));
    assert_eq!(messages.find_by_uuid("shop", "u1").await, Ok(None));
    assert_eq!(messages.list("shop", &Filter::default()).await, Ok(Page::default()));
    let foreign = Filter { after: Some(id("m1")), ..Filter::default() };
    assert_eq!(messages.list("shop", &foreign).await, Err(StoreError::NotFound));
}

#[tokio::test]
async fn an_id_is_taken_once_and_an_unknown_one_is_not_found() {
    let messages = Messages::default();
    insert(&messages, &["m1"]).await;
    assert_eq!(
        messages.insert(record("m1", "shop", "+14155550123")).await,
        Err(StoreError::Exists)
    );
    assert_eq!(messages.update(&id("m2"), |_| ()).await, Err(StoreError::NotFound));
    assert_eq!(messages.get("billing", &id("m2")).await, Ok(None));
}

#[tokio::test]
async fn an_update_keeps_id_and_app_and_moves_the_uuid() {
    let messages = Messages::default();
    insert(&messages, &["m1"]).await;
    let set = async |uuid: &'static str| {
        let change = |record: &mut Record| {
            (record.id, record.app) = (id("other"), "other".into());
            record.message_uuid.replace(uuid.into())
        };
        messages.update(&id("m1"), change).await
    };
    assert_eq!(set("u1").await, Ok(None));
    assert_eq!(set("u2").await, Ok(Some("u1".into())));
    assert_eq!(messages.find_by_uuid("billing", "u1").await, Ok(None));
    let found = messages.find_by_uuid("billing", "u2").await.unwrap().unwrap();
    assert_eq!((found.id, found.app.as_str()), (id("m1"), "billing"));
}

#[tokio::test]
async fn a_list_is_newest_first_and_goes_on_after_its_last() {
    let messages = Messages::default();
    insert(&messages, &["m1", "m2", "m3", "m4", "m5"]).await;
    messages.insert(record("x1", "shop", "+14155550123")).await.unwrap();
    let page = |after, limit| {
        let filter = Filter { after, limit, ..Filter::default() };
        let messages = &messages;
        async move { messages.list("billing", &filter).await.unwrap() }
    };
    let first = page(None, 2).await;
    assert_eq!((ids(&first), &first.next), (vec!["m5", "m4"], &Some(id("m4"))));
    let second = page(first.next, 2).await;
    assert_eq!((ids(&second), &second.next), (vec!["m3", "m2"], &Some(id("m2"))));
    let third = page(second.next, 2).await;
    assert_eq!((ids(&third), &third.next), (vec!["m1"], &None));
    assert_eq!(ids(&page(None, 0).await).len(), 5);
}

#[tokio::test]
async fn a_list_is_filtered_by_state_and_recipient_and_bounded() {
    let messages = Messages::default();
    for n in 0..150 {
        let to = if n % 2 == 0 { "+14155550123" } else { "+14155550199" };
        messages.insert(record(&format!("m{n}"), "billing", to)).await.unwrap();
    }
    become_(&messages, "m0", Status::Failed).await;
    become_(&messages, "m1", Status::Expired).await;
    let list = |filter: Filter| {
        let messages = &messages;
        async move { messages.list("billing", &filter).await.unwrap() }
    };
    let all = list(Filter { limit: 1_000, ..Filter::default() }).await;
    assert_eq!((all.records.len(), all.next), (100, Some(id("m50"))));
    assert_eq!(
        ids(&list(Filter { status: Some(Status::Failed), ..Filter::default() }).await),
        ["m0"]
    );
    assert_eq!(
        ids(&list(Filter { simple: Some(Simple::Failed), ..Filter::default() }).await),
        ["m1", "m0"]
    );
    let to = Some(E164::parse("+14155550199", "").unwrap());
    assert_eq!(list(Filter { to, ..Filter::default() }).await.records.len(), 75);
}

#[tokio::test]
async fn the_oldest_records_that_ask_nothing_of_us_make_room_and_others_never_do() {
    let messages = Messages::new(3);
    insert(&messages, &["m1", "m2", "m3"]).await;
    let full = messages.insert(record("m4", "billing", "+14155550123")).await;
    assert_eq!(full, Err(StoreError::Full));
    become_(&messages, "m3", Status::Delivered).await;
    become_(&messages, "m2", Status::Failed).await;
    insert(&messages, &["m4"]).await;
    assert_eq!(
        messages.get("billing", &id("m2")).await,
        Ok(None),
        "the oldest of the two finished"
    );
    insert(&messages, &["m5"]).await;
    let page = messages.list("billing", &Filter::default()).await.unwrap();
    assert_eq!(ids(&page), ["m5", "m4", "m1"]);
    become_(&messages, "m1", Status::RetryWait).await;
    let still_full = messages.insert(record("m6", "billing", "+14155550123")).await;
    assert_eq!(still_full, Err(StoreError::Full));
    become_(&messages, "m1", Status::Submitted).await;
    insert(&messages, &["m6"]).await;
    let page = messages.list("billing", &Filter::default()).await.unwrap();
    assert_eq!(ids(&page), ["m6", "m5", "m4"], "what Plivo has asks nothing more of us");
}

#[tokio::test]
async fn what_made_room_is_gone_from_every_index() {
    let messages = Messages::new(1);
    for n in 0..5 {
        let which = format!("m{n}");
        messages.insert(record(&which, &format!("app{n}"), "+14155550123")).await.unwrap();
        let finish = |record: &mut Record| {
            record.message_uuid = Some("u".into());
            record.status = Status::Delivered;
        };
        messages.update(&id(&which), finish).await.unwrap();
    }
    let records = messages.locked();
    let sizes =
        [records.by_number.len(), records.by_id.len(), records.by_app.len(), records.by_uuid.len()];
    assert_eq!((sizes, records.finished.len()), ([1; 4], 1));
}
