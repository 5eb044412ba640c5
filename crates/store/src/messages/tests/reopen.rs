//! What a process that ended left behind.

use message::{Charge, Gcra, LimitKind, Pace, Reserved, Taken, Window};
use std::time::Duration;

use crate::fixtures::{
    NOW, accept, bring, folder, id, ids, in_file, killed, later, new, open, record, relayed,
};
use crate::{
    Attempt, Change, GivenUp, Keep, LONGEST_DOUBT, NewMessage, Record, Status, Store, StoreOptions,
};

/// A message with a reservation and a charge.
async fn holding(store: &Store, which: &str) -> NewMessage {
    let (ledger, by, mut new) = (store.ledger(), id(which), new(which));
    let reserved = ledger.reserve("dedup", which, Duration::from_secs(30), &by, NOW).await;
    let Reserved::Yes(hold) = reserved.unwrap() else { panic!("{which} is free") };
    let kind = LimitKind::Window(Window { quota: 9, per: Duration::from_secs(60) });
    let charge = Charge { limit: "app".into(), key: "k".into(), kind, cost: 1, queue: false };
    let Taken::Ok { holds, .. } = ledger.take("throttle", &[charge], NOW).await.unwrap() else {
        panic!("nine may pass")
    };
    new.holds = [vec![hold], holds].concat();
    new
}

#[tokio::test]
async fn everything_acknowledged_is_found_by_whoever_comes_after_a_kill() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let mut given = Vec::new();
    for which in ["m1", "m2", "m3"] {
        let new = holding(&store, which).await;
        given.push((which, new.holds.clone()));
        store.accept(vec![new], None).await.unwrap();
    }
    let mut last = relayed("m4");
    last.record.account = "europe".into();
    store.accept(vec![last], None).await.unwrap();
    bring(&store, "m2", Status::Sending).await;
    let taken = Change { message_uuid: Some("u4".into()), ..Change::to(Status::Submitted, NOW) };
    store.change(&id("m4"), taken).await.unwrap();
    // The log is never brought into the database here: the store is open, and then it is gone.
    let left = killed(&folder);
    let after = open(&in_file(&left));
    assert_eq!(ids(&after).await, ["m4", "m3", "m2", "m1"]);
    let last = record(&after, "m4").await;
    assert_eq!((last.message_uuid.as_deref(), &*last.account), (Some("u4"), "europe"));
    let events = after.due_relays(NOW, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.state).collect::<Vec<_>>(), [Status::Submitted]);
    let unfinished = after.unfinished().await.unwrap();
    let found: Vec<(&str, _)> =
        unfinished.iter().map(|each| (&*each.record.id.0, each.holds.clone())).collect();
    assert_eq!(found, given, "in the order of acceptance, with their holds");
    assert_eq!(unfinished[1].record.status, Status::Sending);
    let (message, sent) = (&unfinished[0].message, new("m1"));
    assert!(message.text == sent.text && Some(&message.to) == sent.record.to.as_ref());
    assert_eq!((&message.intent, &message.tags), (&sent.record.intent, &sent.record.tags));
}

#[tokio::test]
async fn what_was_asked_before_a_store_is_dropped_is_there_when_it_is_opened_again() {
    let folder = folder();
    for n in 0..20 {
        let store = open(&in_file(&folder));
        drop(store.accept(vec![new(&format!("m{n}"))], None));
        drop(store);
    }
    assert_eq!(ids(&open(&in_file(&folder))).await.len(), 20);
}

#[tokio::test]
async fn a_message_whose_way_has_ended_is_not_unfinished() {
    let folder = folder();
    let store = open(&StoreOptions { numbers: Keep::None, ..in_file(&folder) });
    accept(&store, &["m1", "m2", "m3", "m4"]).await;
    bring(&store, "m1", Status::Submitted).await;
    bring(&store, "m2", Status::Failed).await;
    bring(&store, "m3", Status::Held).await;
    let unfinished = store.unfinished().await.unwrap();
    let found: Vec<&str> = unfinished.iter().map(|each| &*each.record.id.0).collect();
    assert_eq!(found, ["m3", "m4"]);
    assert!(store.unfinished_one(&id("m1")).await.unwrap().is_none());
    assert!(store.unfinished_one(&id("m3")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_given_up_in_doubt_is_known_by_number_and_by_its_calls() {
    for numbers in [Keep::Full, Keep::Hash, Keep::None] {
        what_was_given_up_is_known(numbers).await;
    }
}

async fn what_was_given_up_is_known(numbers: Keep) {
    let folder = folder();
    let options = StoreOptions { numbers, ..in_file(&folder) };
    let store = open(&options);
    accept(&store, &["m1", "m2", "m3", "m4", "m5"]).await;
    let attempt = |which: &str, number| Attempt {
        number,
        started: later(u64::from(number)),
        ended: None,
        outcome: None,
        http_status: None,
        code: None,
        account: Some(which.into()),
        plivo_time: None,
        given_up: None,
    };
    for (which, code) in
        [("m1", "send.unresolved"), ("m2", "upstream.rejected"), ("m3", "send.canceled_in_doubt")]
    {
        for number in 1..=2 {
            let call = Change { attempt: Some(attempt(which, number)), ..Change::at(later(5)) };
            store.change(&id(which), call).await.unwrap();
        }
        let failed =
            Change { error_code: Some(code.into()), ..Change::to(Status::Failed, later(9)) };
        store.change(&id(which), failed).await.unwrap();
    }
    // One that was sent again, and taken then; and one that was sent again twice and ended in doubt all the same.
    for (which, calls, status, code) in [
        ("m4", 2, Status::Submitted, None),
        ("m5", 3, Status::Failed, Some("send.unresolved".to_owned())),
    ] {
        for number in 1..=calls {
            let call = Change { attempt: Some(attempt(which, number)), ..Change::at(later(5)) };
            store.change(&id(which), call).await.unwrap();
            let again = Change { given_up: Some(number), ..Change::at(later(6)) };
            if number < calls {
                store.change(&id(which), again).await.unwrap();
            }
        }
        let ends = Change { error_code: code, ..Change::to(status, later(9)) };
        store.change(&id(which), ends).await.unwrap();
    }
    store.sweep(later(9)).await.unwrap();
    drop(store);
    let store = open(&options);
    let mut found = store.given_up_in_doubt(NOW).await.unwrap();
    found.sort_by_key(|call| (call.message.clone(), call.began));
    let mark = store.mark_of(&new("m1").record.to.unwrap());
    let called = |which: &str, number: u64| GivenUp {
        message: id(which),
        account: which.to_owned(),
        mark: mark.clone(),
        began: later(number),
    };
    let wanted = [("m1", 2), ("m3", 2), ("m4", 1), ("m5", 1), ("m5", 2), ("m5", 3)];
    assert_eq!(found, wanted.map(|(which, number)| called(which, number)), "numbers = {numbers:?}");
    assert_eq!(store.given_up_in_doubt(later(10)).await.unwrap(), []);
    // What was certainly not sent leaves no more than the operator wants; what may have been, once nobody asks.
    let hash_of = |of: Record| of.to_hash;
    let certain = (numbers == Keep::Hash).then_some(mark);
    assert_eq!(hash_of(record(&store, "m2").await), certain, "numbers = {numbers:?}");
    store.sweep(later(10).after(LONGEST_DOUBT)).await.unwrap();
    assert_eq!(hash_of(record(&store, "m1").await), certain, "numbers = {numbers:?}");
}

#[tokio::test]
async fn the_limits_kept_at_sending_and_the_latest_call_are_known_after_a_kill() {
    let folder = folder();
    let store = open(&in_file(&folder));
    assert_eq!(store.latest_call().await, Ok(None));
    let gcra = Gcra { quota: 15, per: Duration::from_secs(60), burst: 3 };
    let (owner, limit, key) = ("throttle".into(), "sender".into(), "mark".into());
    let paces = vec![Pace { owner, limit, key, gcra, cost: 2 }];
    let mut paced = new("m1");
    paced.record.paces.clone_from(&paces);
    store.accept(vec![paced, new("m2")], None).await.unwrap();
    for (which, at) in [("m1", 5), ("m2", 3)] {
        let attempt = Attempt {
            number: 1,
            started: later(at),
            ended: None,
            outcome: None,
            http_status: None,
            code: None,
            account: None,
            plivo_time: None,
            given_up: None,
        };
        let change = Change { attempt: Some(attempt), ..Change::to(Status::Sending, later(at)) };
        store.change(&id(which), change).await.unwrap();
    }

    let left_behind = killed(&folder);
    let store = open(&in_file(&left_behind));

    let left = store.unfinished().await.unwrap();
    let kept: Vec<_> = left.iter().map(|left| &left.record.paces[..]).collect();
    assert_eq!(kept, [&paces[..], &[]]);
    assert_eq!(store.latest_call().await, Ok(Some(later(5))));
}

#[tokio::test]
async fn a_store_in_memory_knows_what_is_held_for_a_message_too() {
    let store = open(&crate::fixtures::in_memory());
    let new = holding(&store, "m1").await;
    let holds = new.holds.clone();
    store.accept(vec![new], None).await.unwrap();
    assert_eq!(store.unfinished_one(&id("m1")).await.unwrap().unwrap().holds, holds);
}

#[tokio::test]
async fn numbers_of_events_never_repeat_over_restarts() {
    let folder = folder();
    let mut numbers = Vec::new();
    for which in ["m1", "m2"] {
        let store = open(&in_file(&folder));
        accept(&store, &[which]).await;
        bring(&store, which, Status::Failed).await;
        let events = store.events_after("billing", 0, 10).await.unwrap();
        numbers.push(events.last().unwrap().number);
        // All events go, and their numbers do not come back.
        store.sweep(later(86_400 * 60)).await.unwrap();
    }
    assert!(numbers[0] < numbers[1], "{numbers:?}");
}
