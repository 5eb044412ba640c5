use super::*;
use crate::fixtures::{NOW, accept, bring, id, in_memory, later, new, open, relayed};
use crate::{Change, Status};

/// Two messages whose events are relayed, each submitted and then delivered.
async fn two_delivered() -> Store {
    let store = open(&in_memory());
    for which in ["m1", "m2"] {
        store.accept(vec![relayed(which)], None).await.unwrap();
    }
    for (status, at) in [(Status::Submitted, 1), (Status::Delivered, 2)] {
        for which in ["m1", "m2"] {
            store.change(&id(which), Change::to(status, later(at))).await.unwrap();
        }
    }
    store
}

async fn due(store: &Store, now: Timestamp) -> Vec<(String, Status, u32)> {
    let events = store.due_relays(now, 10).await.unwrap();
    events.into_iter().map(|each| (each.message.to_string(), each.state, each.tries)).collect()
}

fn is(message: &str, state: Status, tries: u32) -> (String, Status, u32) {
    (message.to_owned(), state, tries)
}

#[tokio::test]
async fn an_apps_events_come_in_order_after_the_cursor_and_none_of_anybody_elses() {
    let store = two_delivered().await;
    let mut foreign = new("x1");
    foreign.record.app = "shop".into();
    store.accept(vec![foreign], None).await.unwrap();
    bring(&store, "x1", Status::Failed).await;
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        let page = store.events_after("billing", cursor, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.is_sorted_by(|one, next| one.number < next.number), "{page:?}");
        cursor = last.number;
        seen.extend(page.into_iter().map(|event| (event.message.to_string(), event.state)));
    }
    let states = [Status::Submitted, Status::Delivered];
    let all = states.map(|state| [("m1".to_owned(), state), ("m2".to_owned(), state)]);
    assert_eq!(seen, all.concat());
    bring(&store, "m1", Status::Failed).await;
    assert_eq!(store.events_after("billing", cursor, 3).await.unwrap(), [], "it had ended");
    accept(&store, &["m3"]).await;
    bring(&store, "m3", Status::Expired).await;
    let next = store.events_after("billing", cursor, 3).await.unwrap();
    assert_eq!(next.iter().map(|event| event.state).collect::<Vec<_>>(), [Status::Expired]);
    let again = store.events_after("billing", cursor, 3).await.unwrap();
    assert_eq!(again, next, "the same cursor gives the same events");
    assert_eq!(store.events_after("billing", u64::MAX, 3).await, Ok(vec![]));
}

#[tokio::test]
async fn what_is_still_to_be_told_is_counted_whenever_it_is_due() {
    let store = two_delivered().await;
    assert_eq!(store.untold().await, Ok(4));
    let [first, second] = &store.due_relays(later(10), 2).await.unwrap()[..] else { panic!() };
    let later = Relayed::Again { at: later(1_000_000), fault: "answered 500".into() };

    store.relayed(first.number, later).await.unwrap();
    store.relayed(second.number, Relayed::Done).await.unwrap();

    assert_eq!(store.untold().await, Ok(3));
}

#[tokio::test]
async fn of_one_message_only_the_first_event_still_to_be_told_is_due() {
    let store = two_delivered().await;
    assert_eq!(due(&store, NOW).await, []);
    let first = [is("m1", Status::Submitted, 0), is("m2", Status::Submitted, 0)];
    assert_eq!(due(&store, later(60)).await, first);
    let events = store.due_relays(later(60), 10).await.unwrap();
    store.relayed(events[0].number, Relayed::Done).await.unwrap();
    let again = Relayed::Again { at: later(90), fault: "503".into() };
    store.relayed(events[1].number, again).await.unwrap();
    assert_eq!(due(&store, later(60)).await, [is("m1", Status::Delivered, 0)]);
    let both = [is("m1", Status::Delivered, 0), is("m2", Status::Submitted, 1)];
    assert_eq!(due(&store, later(90)).await, both);
    let retried = store.due_relays(later(90), 10).await.unwrap();
    assert_eq!(retried[1].fault.as_deref(), Some("503"));
    assert_eq!(store.due_relays(later(90), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tries_are_the_calls_that_were_made_and_not_the_times_that_an_event_was_put_off() {
    let store = two_delivered().await;
    let event = &store.due_relays(later(60), 10).await.unwrap()[0];
    let again = || Relayed::Again { at: NOW, fault: "busy".into() };
    for _ in 0..3 {
        store.not_called(event.number, again()).await.unwrap();
    }
    assert_eq!(due(&store, later(60)).await[0], is("m1", Status::Submitted, 0));
    store.relayed(event.number, again()).await.unwrap();
    store.not_called(event.number, again()).await.unwrap();
    assert_eq!(due(&store, later(60)).await[0], is("m1", Status::Submitted, 1));
}

#[tokio::test]
async fn an_event_that_the_app_has_is_never_due_or_given_up_again() {
    let store = two_delivered().await;
    let events = store.due_relays(later(60), 10).await.unwrap();
    let fault = || "503".to_owned();
    for relayed in [Relayed::Again { at: NOW, fault: fault() }, Relayed::Dead { fault: fault() }] {
        store.relayed(events[0].number, Relayed::Done).await.unwrap();
        store.relayed(events[0].number, relayed.clone()).await.unwrap();
        store.not_called(events[0].number, relayed).await.unwrap();
    }
    let next = [is("m2", Status::Submitted, 0), is("m1", Status::Delivered, 0)];
    assert_eq!(due(&store, later(60)).await, next);
    assert_eq!(store.dead_letters(None, 10).await, Ok(vec![]));
}

#[tokio::test]
async fn events_of_a_message_without_a_target_are_kept_and_nobody_is_called() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::Failed).await;
    assert_eq!(due(&store, later(60)).await, []);
    assert_eq!(store.events_after("billing", 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_given_up_is_listed_lets_the_next_event_pass_and_is_told_when_revived() {
    let store = two_delivered().await;
    let events = store.due_relays(later(60), 10).await.unwrap();
    for event in &events {
        let fault = || "410".to_owned();
        store.relayed(event.number, Relayed::Dead { fault: fault() }).await.unwrap();
    }
    let next = [is("m1", Status::Delivered, 0), is("m2", Status::Delivered, 0)];
    assert_eq!(due(&store, later(60)).await, next);
    let letters = store.dead_letters(Some("billing"), 10).await.unwrap();
    let shown: Vec<_> =
        letters.iter().map(|each| (&*each.message.0, each.tries, each.fault.as_deref())).collect();
    assert_eq!(shown, [("m2", 1, Some("410")), ("m1", 1, Some("410"))], "newest first");
    assert_eq!(store.dead_letters(Some("shop"), 10).await, Ok(vec![]));
    assert_eq!(store.dead_letters(None, 1).await.unwrap().len(), 1);
    assert_eq!(store.revive_dead_letters("shop", later(70)).await, Ok(0));
    assert_eq!(store.revive_dead_letters("billing", later(70)).await, Ok(2));
    let first = [is("m1", Status::Submitted, 0), is("m2", Status::Submitted, 0)];
    assert_eq!(due(&store, later(70)).await, first);
    let revived: Vec<_> = store.due_relays(later(70), 10).await.unwrap();
    assert_eq!(revived.iter().map(|each| each.revived).collect::<Vec<_>>(), [Some(later(70)); 2]);
    assert_eq!(store.dead_letters(None, 10).await, Ok(vec![]));
}
