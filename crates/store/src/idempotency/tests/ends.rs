//! Keys that end with their messages.

use super::*;

/// Messages that came under the key `k1`, or under none.
fn under(keyed: bool, which: &[&str]) -> Vec<crate::NewMessage> {
    let keyed = |which: &&str| {
        let mut new = new(which);
        new.record.idempotency_key = keyed.then(|| "k1".to_owned());
        new
    };
    which.iter().map(keyed).collect()
}

async fn ends(store: &Store, which: &str, status: Status, code: &str, settlement: Settlement) {
    let (code, settle) = (Some(code.to_owned()), Settle::As(settlement));
    let change = Change { error_code: code, settle, ..Change::to(status, NOW) };
    store.change(&id(which), change).await.unwrap();
}

async fn is_bound(store: &Store) -> bool {
    store.kept_under("billing", "k1", NOW).await.unwrap().is_some()
}

#[tokio::test]
async fn a_key_ends_with_the_last_of_its_messages_where_none_was_sent_and_with_no_other() {
    use Settlement::{GiveBack, Keep};
    for (first, second, free) in [
        ((Status::Failed, "upstream.unavailable", GiveBack), (Status::Expired, "", GiveBack), true),
        ((Status::Failed, "upstream.rejected", GiveBack), (Status::Submitted, "", Keep), false),
        ((Status::Submitted, "", Keep), (Status::Failed, "upstream.rejected", GiveBack), false),
        ((Status::Failed, "send.unresolved", Keep), (Status::Failed, "x", GiveBack), false),
        ((Status::Canceled, "send.canceled", GiveBack), (Status::Failed, "x", GiveBack), false),
        ((Status::Canceled, "idem.elsewhere", GiveBack), (Status::Failed, "x", GiveBack), true),
    ] {
        let store = open(&in_memory());
        let guard = free_key(&store).await;
        let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
        store.accept(under(true, &["m1", "m2"]), Some(row)).await.unwrap();
        drop(guard);
        ends(&store, "m1", first.0, first.1, first.2).await;
        assert!(is_bound(&store).await, "{first:?} is one of two");
        ends(&store, "m2", second.0, second.1, second.2).await;
        assert_eq!(!is_bound(&store).await, free, "{first:?}, then {second:?}");
        assert_eq!(store.freed_keys(10).await, Ok(vec![]), "there are no replicas");
    }
}

async fn free_key(store: &Store) -> ClaimGuard {
    free(store, "code 1234").await
}

#[tokio::test]
async fn a_key_does_not_end_with_a_message_that_came_under_it_before_or_while_one_of_its_own_is_gone()
 {
    let store = open(&StoreOptions { most_messages: 2, ..in_memory() });
    let guard = free_key(&store).await;
    let old = store.key_row(&guard, answer("old"), NOW, NOW).unwrap();
    let over = old.ends();
    store.accept(under(true, &["old"]), Some(old)).await.unwrap();
    drop(guard);
    let Claim::New(guard) = claim(&store, "code 1234", over).await else { panic!("it ended") };
    let row = store.key_row(&guard, answer("queued"), over, over).unwrap();
    store.accept(under(true, &["m1"]), Some(row)).await.unwrap();
    drop(guard);
    ends(&store, "old", Status::Failed, "x", Settlement::GiveBack).await;
    assert!(is_bound(&store).await, "m1 is under way");
    ends(&store, "m1", Status::Failed, "x", Settlement::GiveBack).await;
    assert!(!is_bound(&store).await);

    let guard = free_key(&store).await;
    let row =
        store.key_row(&guard, StoredAnswer { message: Some(id("a")), ..answer("") }, NOW, NOW);
    store.accept(under(true, &["a", "b"]), Some(row.unwrap())).await.unwrap();
    drop(guard);
    ends(&store, "b", Status::Submitted, "", Settlement::Keep).await;
    store.accept(under(false, &["c"]), None).await.unwrap();
    assert_eq!(ids(&store).await, ["c", "a"], "b made room");
    ends(&store, "a", Status::Failed, "x", Settlement::GiveBack).await;
    assert!(is_bound(&store).await, "b was sent");
}

#[tokio::test]
async fn a_key_bound_to_an_earlier_message_ends_with_it_unless_its_answer_is_about_others_too() {
    for (others, failed_before) in [(false, false), (false, true), (true, false)] {
        let store = open(&in_memory());
        store.accept(under(false, &["m1"]), None).await.unwrap();
        let guard = free_key(&store).await;
        let row = store.key_row(&guard, answer("coalesced"), NOW, NOW).unwrap();
        let row = if others { row.about_others_too() } else { row };
        if failed_before {
            ends(&store, "m1", Status::Failed, "x", Settlement::GiveBack).await;
        }
        store.bind(row, NOW).await.unwrap();
        drop(guard);
        assert_eq!(is_bound(&store).await, !failed_before);
        if !failed_before {
            ends(&store, "m1", Status::Failed, "x", Settlement::GiveBack).await;
        }
        assert_eq!(is_bound(&store).await, others);
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_kept_under_its_key_all_the_same_and_an_older_answer_is_not() {
    for until in [None, Some(NOW.after(Duration::from_secs(60)))] {
        let store = open(&in_memory());
        let guard = free_key(&store).await;
        let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
        store.accept(under(true, &["m1"]), Some(row.among_replicas())).await.unwrap();
        ends(&store, "m1", Status::Failed, "upstream.rejected", Settlement::GiveBack).await;
        assert_eq!(store.freed_keys(10).await, Ok(vec![]), "a request is at it");
        store.answered_by_plivos_ids(&guard, answer("no"), until, vec![]).await.unwrap();
        drop(guard);
        assert_eq!(is_bound(&store).await, until.is_some());
        assert_eq!(store.freed_keys(10).await.unwrap().is_empty(), until.is_some());
    }
}

#[tokio::test]
async fn a_key_is_in_force_again_once_a_report_proves_that_one_of_its_messages_was_sent() {
    for (proved, is_let_go) in [("m1", false), ("m2", false), ("m1", true), ("m2", true)] {
        let store = open(&in_memory());
        let guard = free_key(&store).await;
        let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
        let row = if is_let_go { row } else { row.among_replicas() };
        store.accept(under(true, &["m1", "m2"]), Some(row)).await.unwrap();
        drop(guard);
        for each in ["m1", "m2"] {
            ends(&store, each, Status::Expired, "send.expired", Settlement::GiveBack).await;
        }
        if is_let_go {
            // As where the app waited, and was told so.
            store.let_go("billing", "k1", answer("").message.as_ref()).await.unwrap();
        }
        assert!(!is_bound(&store).await);
        // However late it comes.
        let late = NOW.after(Duration::from_secs(3_600));
        store.sweep(late).await.unwrap();
        let report = Report {
            status: Some(Status::Delivered),
            facts: ReportFacts::default(),
            sequence: 1,
            error_code: None,
            message_uuid: Some("u1".into()),
        };
        store.report(&id(proved), report, late).await.unwrap();
        assert!(is_bound(&store).await, "asking again would send {proved} twice");
        assert_eq!(store.freed_keys(10).await, Ok(vec![]), "replicas must not be told of its end");
        let untold = store.proved_keys(10).await.unwrap();
        assert_eq!(untold.len(), usize::from(!is_let_go), "replicas are to be told");
        for key in untold {
            store.told_of_proof(key).await.unwrap();
        }
        assert_eq!(store.proved_keys(10).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn a_key_that_was_freed_goes_when_it_would_have_ended_anyway() {
    let store = open(&in_memory());
    let guard = free_key(&store).await;
    let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
    let end = NOW.after(store.key_retention());
    store.accept(under(true, &["m1"]), Some(row)).await.unwrap();
    drop(guard);
    ends(&store, "m1", Status::Expired, "send.expired", Settlement::GiveBack).await;
    assert_eq!(store.sweep(end).await, Ok(0));
    assert_eq!(store.sweep(end.after(Duration::from_secs(120))).await, Ok(1), "the key's row");
}

#[tokio::test]
async fn a_freed_key_that_replicas_know_is_remembered_until_they_are_told_over_restarts_too() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let guard = free_key(&store).await;
    let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
    store.accept(under(true, &["m1"]), Some(row.among_replicas())).await.unwrap();
    drop(guard);
    ends(&store, "m1", Status::Expired, "send.expired", Settlement::GiveBack).await;
    let left = killed(&folder);
    let store = open(&in_file(&left));
    store.sweep(NOW).await.unwrap();
    let freed = store.freed_keys(10).await.unwrap();
    let (app, key, message) = ("billing".into(), "k1".into(), Some(id("m1")));
    assert_eq!(freed, [FreedKey { app, key, message }]);
    assert!(!is_bound(&store).await);
    store.told_of_end(freed[0].clone()).await.unwrap();
    assert_eq!(store.freed_keys(10).await, Ok(vec![]));
}

#[tokio::test]
async fn that_replicas_have_agreed_to_a_key_is_known_until_it_is_bound_anew() {
    let store = open(&in_memory());
    let bind = async |message: &str, now: Timestamp| {
        let Claim::New(guard) = claim(&store, "hi", now).await else { panic!("it is bound") };
        let said = StoredAnswer { message: Some(id(message)), ..answer("queued") };
        let row = store.key_row(&guard, said, now, now).unwrap().among_replicas();
        store.accept(under(true, &[message]), Some(row)).await.unwrap();
    };
    let agreed = async |now: Timestamp| {
        store.kept_under("billing", "k1", now).await.unwrap().map(|kept| kept.confirmed)
    };
    bind("m1", NOW).await;
    assert_eq!(agreed(NOW).await, Some(false));
    store.confirmed("billing", "k1", Some(&id("m2"))).await.unwrap();
    assert_eq!(agreed(NOW).await, Some(false), "they agreed to another message");
    store.confirmed("billing", "k1", Some(&id("m1"))).await.unwrap();
    assert_eq!(agreed(NOW).await, Some(true));

    let later = NOW.after(crate::DEFAULT_RETENTION * 2);
    bind("m2", later).await;

    assert_eq!(agreed(later).await, Some(false));
}
