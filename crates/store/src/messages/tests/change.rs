//! What happens to a message on its way.

use message::{DEFAULT_ACCOUNT, Hold, Settlement};

use crate::fixtures::{
    NOW, accept, bring, folder, id, in_file, in_memory, later, new, open, record,
};
use crate::{Attempt, AttemptOutcome, Change, Settle, Status, Store, StoreError};

fn attempt(number: u32, outcome: Option<AttemptOutcome>) -> Attempt {
    let ended = outcome.map(|_| later(2));
    Attempt {
        number,
        started: later(1),
        ended,
        outcome,
        http_status: Some(202),
        code: None,
        account: None,
        plivo_time: None,
        given_up: None,
    }
}

/// What the app was told of, in order.
async fn told(store: &Store) -> Vec<(String, Status, Option<String>)> {
    let events = store.events_after("billing", 0, 100).await.unwrap();
    events.into_iter().map(|event| (event.message.to_string(), event.state, event.code)).collect()
}

#[tokio::test]
async fn a_change_says_where_the_message_stands_then_and_keeps_what_it_does_not_name() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let waits =
        Change { error_code: Some("limit.app".into()), ..Change::to(Status::Waiting, later(1)) };
    assert_eq!(store.change(&id("m1"), waits).await, Ok(Status::Waiting));
    let call = Change { attempt: Some(attempt(1, None)), ..Change::at(later(2)) };
    assert_eq!(store.change(&id("m1"), call).await, Ok(Status::Waiting));
    let kept = record(&store, "m1").await;
    assert_eq!((kept.error_code.as_deref(), kept.updated), (Some("limit.app"), later(2)));
    assert_eq!(kept.attempts, [attempt(1, None)]);
    let taken = Change {
        message_uuid: Some("u1".into()),
        attempt: Some(attempt(1, Some(AttemptOutcome::Accepted))),
        ..Change::to(Status::Submitted, later(3))
    };
    assert_eq!(store.change(&id("m1"), taken).await, Ok(Status::Submitted));
    let kept = record(&store, "m1").await;
    assert_eq!(kept.attempts, [attempt(1, Some(AttemptOutcome::Accepted))]);
    assert_eq!(kept.error_code, None, "why it waited is of no interest any more");
    assert_eq!(store.find(Some("billing"), "u1").await.unwrap().unwrap().id, id("m1"));
}

#[tokio::test]
async fn a_message_that_is_not_there_is_not_found() {
    let store = open(&in_memory());
    let unknown = store.change(&id("m9"), Change::to(Status::Failed, NOW)).await;
    assert_eq!(unknown, Err(StoreError::NotFound));
    assert_eq!(store.get(None, &id("m9")).await, Ok(None));
}

#[tokio::test]
async fn our_own_doing_never_undoes_an_ending() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let failed =
        Change { error_code: Some("plivo.rejected".into()), ..Change::to(Status::Failed, NOW) };
    store.change(&id("m1"), failed).await.unwrap();
    let late = Change { error_code: Some("late".into()), ..Change::to(Status::Submitted, NOW) };
    assert_eq!(store.change(&id("m1"), late).await, Ok(Status::Failed));
    assert_eq!(record(&store, "m1").await.error_code.as_deref(), Some("plivo.rejected"));
    assert_eq!(told(&store).await.len(), 1);
}

#[tokio::test]
async fn every_announced_state_makes_one_event_and_no_other_makes_any() {
    use Status::*;

    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    for status in [Waiting, Sending, RetryWait, Sending, InDoubt, InDoubt, Held, Waiting, Sending] {
        bring(&store, "m1", status).await;
    }
    for status in [Submitted, Submitted, Sent, Submitted] {
        bring(&store, "m1", status).await;
    }
    let lost = Change { error_code: Some("450".into()), ..Change::to(Undelivered, NOW) };
    store.change(&id("m1"), lost).await.unwrap();
    let event = |state, code: Option<&str>| ("m1".to_owned(), state, code.map(str::to_owned));
    let states = [InDoubt, Held, Submitted, Sent].map(|state| event(state, None));
    assert_eq!(told(&store).await, [&states[..], &[event(Undelivered, Some("450"))]].concat());
}

#[tokio::test]
async fn of_an_outages_attempts_the_first_the_latest_fifteen_and_those_given_up_are_kept() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    for number in 1..=40 {
        for outcome in [None, Some(AttemptOutcome::NotSent)] {
            let call = Change { attempt: Some(attempt(number, outcome)), ..Change::at(NOW) };
            store.change(&id("m1"), call).await.unwrap();
        }
        if number == 3 {
            // After it the message was sent again although Plivo may have heard it, which nobody may forget.
            let again = Change { given_up: Some(3), ..Change::to(Status::Waiting, later(9)) };
            store.change(&id("m1"), again).await.unwrap();
        }
    }
    let kept = record(&store, "m1").await.attempts;
    let numbers: Vec<u32> = kept.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [vec![1, 3], (26..=40).collect()].concat());
    let given_up =
        Attempt { given_up: Some(later(9)), ..attempt(3, Some(AttemptOutcome::NotSent)) };
    assert_eq!(kept[1], given_up, "its own end and outcome stay");
    let ended = |kept: &Attempt| *kept == attempt(kept.number, Some(AttemptOutcome::NotSent));
    assert!(kept.iter().filter(|kept| kept.number != 3).all(ended), "{kept:#?}");
}

#[tokio::test]
async fn a_call_is_not_given_up_where_a_report_has_shown_that_it_sent_the_message() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let call = attempt(1, Some(AttemptOutcome::InDoubt));
    let change = Change { attempt: Some(call.clone()), ..Change::to(Status::Sent, NOW) };
    store.change(&id("m1"), change).await.unwrap();
    let again = Change { given_up: Some(1), ..Change::to(Status::Waiting, later(9)) };
    assert_eq!(store.change(&id("m1"), again).await, Ok(Status::Sent));
    assert_eq!(record(&store, "m1").await.attempts, [call]);
}

#[tokio::test]
async fn the_time_of_the_next_try_is_known_while_a_message_waits_for_it_and_no_longer() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let next_try = |at| Change { next_try: Some(at), ..Change::at(NOW) };
    let waits = Change { status: Some(Status::RetryWait), ..next_try(later(60)) };
    for (change, known) in [
        (next_try(later(30)), Some(later(30))),
        (waits, Some(later(60))),
        (Change::at(NOW), Some(later(60))),
        (Change::to(Status::Sending, NOW), None),
    ] {
        store.change(&id("m1"), change.clone()).await.unwrap();
        assert_eq!(record(&store, "m1").await.next_try, known, "{change:?}");
    }
}

#[tokio::test]
async fn plivo_is_asked_about_a_message_from_its_next_look_on_until_it_ends() {
    let store = open(&in_memory());
    accept(&store, &["m1", "m2", "m3"]).await;
    let taken = |uuid: &str, look| Change {
        message_uuid: Some(uuid.into()),
        next_look: Some(look),
        ..Change::to(Status::Submitted, NOW)
    };
    store.change(&id("m1"), taken("u1", later(60))).await.unwrap();
    store.change(&id("m2"), taken("u2", later(30))).await.unwrap();
    let due = |now| async move {
        let records = store.due_looks(DEFAULT_ACCOUNT, now, 10).await.unwrap();
        let ids = records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>();
        (store, ids)
    };
    let (store, none) = due(later(29)).await;
    assert!(none.is_empty(), "{none:?}");
    let longest: Vec<_> = store.due_looks(DEFAULT_ACCOUNT, later(60), 10).await.unwrap();
    let ids: Vec<_> = longest.iter().map(|record| &*record.id.0).collect();
    assert_eq!(ids, ["m2", "m1"], "the longest due first");
    assert_eq!(store.due_looks(DEFAULT_ACCOUNT, later(60), 1).await.unwrap().len(), 1);
    store.looked(&id("m2"), Some(later(120))).await.unwrap();
    let again = record(&store, "m2").await;
    assert_eq!((again.looks, again.next_look), (1, Some(later(120))));
    bring(&store, "m1", Status::Delivered).await;
    assert_eq!(record(&store, "m1").await.next_look, None);
    store.looked(&id("m1"), Some(later(120))).await.unwrap();
    assert_eq!(record(&store, "m1").await.next_look, None, "it has ended meanwhile");
    assert_eq!(store.due_looks(DEFAULT_ACCOUNT, later(100), 10).await.unwrap().len(), 0);
    assert_eq!(store.due_looks("another", later(120), 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_another_ledger_holds_is_known_until_it_is_settled() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let hold = |token| Hold { owner: "dedup".into(), key: "k".into(), token };
    for which in ["m1", "m2"] {
        let mut message = new(which);
        message.holds = vec![hold(u64::MAX), hold(7)];
        store.accept(vec![message], None).await.unwrap();
    }
    let held = |which: &'static str| {
        let store = store.clone();
        async move { store.unfinished_one(&id(which)).await.unwrap().unwrap().holds }
    };
    for which in ["m1", "m2"] {
        let tokens: Vec<u64> = held(which).await.iter().map(|hold| hold.token).collect();
        assert!(tokens.len() == 2 && tokens.contains(&7), "{which}: {tokens:?}");
    }
    for settlement in [Settlement::Keep, Settlement::GiveBack] {
        let which = if settlement == Settlement::Keep { "m1" } else { "m2" };
        let settle = Change { settle: Settle::As(settlement), ..Change::at(NOW) };
        store.change(&id(which), settle).await.unwrap();
        assert_eq!(held(which).await, [], "{settlement:?}");
    }
}

#[tokio::test]
async fn every_id_that_plivo_gave_a_message_is_owned_until_the_message_is_deleted() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let split = Change {
        message_uuid: Some("u1".into()),
        extra_uuids: vec!["u2".into(), "u3".into()],
        ..Change::to(Status::Submitted, later(1))
    };
    store.change(&id("m1"), split).await.unwrap();
    for uuid in ["u1", "u2", "u3"] {
        assert_eq!(store.owner_of(uuid).await.unwrap(), Some(id("m1")), "{uuid}");
        let app = record(&store, "m1").await.app;
        let found = store.find(Some(&app), uuid).await.unwrap();
        assert_eq!(found.map(|found| found.id), Some(id("m1")), "{uuid}");
        assert_eq!(store.find(Some("another"), uuid).await.unwrap(), None, "{uuid}");
    }
    assert_eq!(store.owner_of("u4").await.unwrap(), None);
}

#[tokio::test]
async fn a_call_that_a_report_on_an_earlier_one_has_overtaken_leaves_the_record_the_id_that_its_state_is_of()
 {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let first =
        Change { message_uuid: Some("u1".into()), ..Change::to(Status::Delivered, later(1)) };
    store.change(&id("m1"), first).await.unwrap();
    let late =
        Change { message_uuid: Some("u2".into()), ..Change::to(Status::Submitted, later(2)) };
    store.change(&id("m1"), late).await.unwrap();
    let kept = record(&store, "m1").await;
    assert_eq!((kept.status, kept.message_uuid.as_deref()), (Status::Delivered, Some("u1")));
    assert_eq!(store.owner_of("u2").await.unwrap(), Some(id("m1")));
}
