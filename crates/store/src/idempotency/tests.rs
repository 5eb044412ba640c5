mod ends;

use std::time::Duration;

use message::Settlement;

use super::*;
use crate::fixtures::{NOW, folder, id, ids, in_file, in_memory, killed, new, open, record};
use crate::{Change, Report, ReportFacts, Secret, Settle, Status, StoreOptions};

fn fingerprint(fields: &[(&'static str, &str)]) -> Fingerprint {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect();
    Fingerprint::over(&Secret::from_words(b"words"), &fields)
}

fn request(text: &str) -> Fingerprint {
    fingerprint(&[("to", "+14155550123"), ("text", text)])
}

fn answer(body: &str) -> StoredAnswer {
    StoredAnswer {
        status: 202,
        headers: vec![("location".into(), "/v1/messages/m1".into())],
        body: body.into(),
        message: Some(id("m1")),
    }
}

async fn claim(store: &Store, text: &str, now: Timestamp) -> Claim {
    store.claim("billing", "k1", request(text), now).await.unwrap()
}

async fn free(store: &Store, text: &str) -> ClaimGuard {
    match claim(store, text, NOW).await {
        Claim::New(guard) => guard,
        taken => panic!("the key is not free: {taken:?}"),
    }
}

/// Accepts `which` under the guard's key.
async fn bind(store: &Store, guard: &ClaimGuard, which: &str, body: &str) {
    let row = store.key_row(guard, answer(body), NOW, NOW).unwrap();
    store.accept(vec![new(which)], Some(row)).await.unwrap();
}

#[tokio::test]
async fn an_equal_request_gets_the_answer_that_was_given_again() {
    let store = open(&in_memory());
    let guard = free(&store, "code 1234").await;
    bind(&store, &guard, "m1", "queued").await;
    store.answered(guard, answer("submitted")).await.unwrap();
    for _ in 0..2 {
        let again = claim(&store, "code 1234", NOW.after(Duration::from_secs(5))).await;
        assert!(
            matches!(&again, Claim::Replay(stored) if *stored == answer("submitted")),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn a_process_that_ends_between_acceptance_and_answer_leaves_the_answer_of_acceptance() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let guard = free(&store, "code 1234").await;
    bind(&store, &guard, "m1", "queued").await;
    let left = killed(&folder);
    let after = open(&in_file(&left));
    let again = claim(&after, "code 1234", NOW).await;
    assert!(matches!(&again, Claim::Replay(stored) if *stored == answer("queued")), "{again:?}");
    let other = claim(&after, "another", NOW).await;
    assert!(matches!(&other, Claim::Mismatch { fields } if *fields == ["text"]), "{other:?}");
}

#[tokio::test]
async fn another_request_under_the_key_is_told_which_fields_differ() {
    let store = open(&in_memory());
    let guard = free(&store, "code 1234").await;
    let in_flight = claim(&store, "code 1235", NOW).await;
    assert!(
        matches!(&in_flight, Claim::Unlike { fields, .. } if *fields == ["text"]),
        "{in_flight:?}"
    );
    bind(&store, &guard, "m1", "").await;
    let in_flight = claim(&store, "code 1235", NOW).await;
    assert!(matches!(&in_flight, Claim::Mismatch { .. }), "it is bound: {in_flight:?}");
    drop(guard);
    let other = fingerprint(&[("to", "+14155550199"), ("text", "x")]);
    let bound = store.claim("billing", "k1", other, NOW).await.unwrap();
    assert!(matches!(&bound, Claim::Mismatch { fields } if *fields == ["to", "text"]), "{bound:?}");
}

#[tokio::test]
async fn a_repeat_is_a_repeat_also_while_another_request_under_the_key_is_being_refused() {
    let store = open(&in_memory());
    let guard = free(&store, "code 1234").await;
    bind(&store, &guard, "m1", "submitted").await;
    drop(guard);
    let other = fingerprint(&[("to", "+14155550199"), ("text", "x")]);
    let refused = store.claim_in_flight(10, ("billing", "k1"), &other).unwrap();
    assert!(matches!(&refused, Claim::New(_)), "{refused:?}");

    let again = claim(&store, "code 1234", NOW).await;

    assert!(matches!(&again, Claim::Replay(stored) if *stored == answer("submitted")), "{again:?}");
}

#[tokio::test]
async fn a_request_that_was_refused_or_given_up_does_not_bind_its_key() {
    let store = open(&in_memory());
    drop(free(&store, "code 1234").await);
    drop(free(&store, "another text").await);
    let panicking = store.clone();
    let panicked = tokio::spawn(async move {
        let _guard = free(&panicking, "a third").await;
        panic!("as a request that meets a fault would");
    });
    assert!(panicked.await.is_err());
    let guard = free(&store, "code 1234").await;
    let row = store.key_row(&guard, answer(""), NOW, NOW).unwrap();
    drop(row);
    drop(guard);
    free(&store, "another text").await;
}

#[tokio::test]
async fn a_request_that_hangs_up_while_it_is_accepted_is_not_overtaken_by_its_repetition() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let slow = store.database.write(move |_| {
        let _open = gate.recv();
        Ok(())
    });
    let guard = free(&store, "code 1234").await;
    let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
    drop(store.accept(vec![new("m1")], Some(row)));
    drop(guard);
    let Claim::InFlight(first) = claim(&store, "code 1234", NOW).await else {
        panic!("the key is free while its message is being accepted")
    };
    go_on.send(()).unwrap();
    slow.await.unwrap();
    first.settled().await;
    let again = claim(&store, "code 1234", NOW).await;
    assert!(matches!(&again, Claim::Replay(stored) if *stored == answer("queued")), "{again:?}");
    assert_eq!(ids(&store).await, ["m1"]);
}

#[tokio::test]
async fn an_answer_in_the_making_keeps_the_claim_until_it_is_written() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let guard = free(&store, "code 1234").await;
    bind(&store, &guard, "m1", "queued").await;
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let slow = store.database.write(move |_| {
        let _open = gate.recv();
        Ok(())
    });
    drop(store.answered(guard, answer("submitted")));
    let Claim::InFlight(first) = claim(&store, "code 1234", NOW).await else {
        panic!("somebody could be told the older answer")
    };
    go_on.send(()).unwrap();
    slow.await.unwrap();
    first.settled().await;
    let again = claim(&store, "code 1234", NOW).await;
    assert!(matches!(&again, Claim::Replay(stored) if *stored == answer("submitted")), "{again:?}");
}

#[tokio::test]
async fn keys_belong_to_their_app() {
    let store = open(&in_memory());
    let guard = free(&store, "code 1234").await;
    bind(&store, &guard, "m1", "").await;
    let other = store.claim("shop", "k1", request("code 1234"), NOW).await.unwrap();
    assert!(matches!(other, Claim::New(_)), "{other:?}");
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_or_until_the_messages_own_deadline() {
    let (store, day) = (open(&in_memory()), Duration::from_secs(86_400));
    let guard = free(&store, "code 1234").await;
    bind(&store, &guard, "m1", "").await;
    drop(guard);
    let before = Timestamp(NOW.after(day).0 - 1);
    assert!(matches!(claim(&store, "code 1234", before).await, Claim::Replay(_)));
    let Claim::New(guard) = claim(&store, "code 1234", NOW.after(day)).await else {
        panic!("the key ended")
    };
    let scheduled = NOW.after(3 * day);
    let row = store.key_row(&guard, answer(""), scheduled, scheduled.after(2 * day)).unwrap();
    store.accept(vec![new("m2")], Some(row)).await.unwrap();
    drop(guard);
    let last = Timestamp(scheduled.after(2 * day).0 - 1);
    assert!(matches!(claim(&store, "code 1234", last).await, Claim::Replay(_)));
    assert!(matches!(claim(&store, "code 1234", scheduled.after(2 * day)).await, Claim::New(_)));
}

#[test]
fn the_retention_is_between_an_hour_and_a_week() {
    let of = |seconds| {
        let key_retention = Duration::from_secs(seconds);
        open(&StoreOptions { key_retention, ..in_memory() }).key_retention().as_secs()
    };
    assert_eq!((of(0), of(7_200), of(u64::MAX)), (3_600, 7_200, 604_800));
}

#[tokio::test]
async fn who_waits_for_a_request_in_flight_wakes_when_it_is_answered_or_refused() {
    for answered in [true, false] {
        let store = open(&in_memory());
        let guard = free(&store, "code 1234").await;
        let Claim::InFlight(waiting) = claim(&store, "code 1234", NOW).await else {
            panic!("it is in flight")
        };
        let Claim::InFlight(late) = claim(&store, "code 1234", NOW).await else {
            panic!("it is in flight")
        };
        let waiter = tokio::spawn(waiting.settled());
        if answered {
            bind(&store, &guard, "m1", "").await;
        }
        drop(guard);
        waiter.await.unwrap();
        late.settled().await;
        let again = claim(&store, "code 1234", NOW).await;
        assert_eq!(matches!(again, Claim::Replay(_)), answered, "{again:?}");
        assert_eq!(matches!(again, Claim::New(_)), !answered, "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_equal_requests_at_once_one_is_accepted() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let requests = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                match claim(&store, "code 1234", NOW).await {
                    Claim::New(guard) => {
                        bind(&store, &guard, &format!("m{n}"), "queued").await;
                        store.answered(guard, answer("submitted")).await.unwrap();
                        return;
                    }
                    Claim::Replay(stored) => return assert_eq!(stored, answer("submitted")),
                    Claim::InFlight(other) => other.settled().await,
                    Claim::Mismatch { fields } | Claim::Unlike { fields, .. } => {
                        panic!("equal requests differ in {fields:?}")
                    }
                }
            }
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    assert_eq!(ids(&store).await.len(), 1);
}

#[tokio::test]
async fn keys_and_answers_out_of_bounds_are_invalid() {
    let store = open(&in_memory());
    for key in [String::new(), "k".repeat(256)] {
        let refused = store.claim("billing", &key, request("x"), NOW).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    assert!(store.claim("billing", &"k".repeat(255), request("x"), NOW).await.is_ok());
    let guard = free(&store, "x").await;
    let large = answer(&"b".repeat(ANSWER_BYTES));
    let refused = store.key_row(&guard, large.clone(), NOW, NOW);
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    bind(&store, &guard, "m1", "queued").await;
    let refused = store.answered(guard, large).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let again = claim(&store, "x", NOW).await;
    assert!(matches!(&again, Claim::Replay(stored) if *stored == answer("queued")), "{again:?}");
}

#[tokio::test]
async fn claims_in_flight_are_bounded() {
    let store = open(&in_memory());
    let mut guards = Vec::new();
    for n in 0..CLAIMS {
        let claimed = store.claim_in_flight(u64::MAX, ("billing", &n.to_string()), &request("x"));
        guards.push(claimed.unwrap());
    }
    let refused = store.claim("billing", "one more", request("x"), NOW).await;
    assert!(matches!(refused, Err(StoreError::KeysFull)), "{refused:?}");
    guards.pop();
    assert!(store.claim("billing", "one more", request("x"), NOW).await.is_ok());
}

#[tokio::test]
async fn neither_hashes_nor_bodies_show_in_debug() {
    let store = open(&in_memory());
    let guard = free(&store, "code 1234").await;
    let row = store.key_row(&guard, answer("to +14155550123"), NOW, NOW).unwrap();
    assert_eq!(format!("{:?}", request("code 1234")), r#"["to", "text"]"#);
    let shown = format!("{row:?}");
    assert!(!shown.contains("5550123") && !shown.contains("43, 49"), "{shown}");
}

#[tokio::test]
async fn a_key_under_which_nothing_new_is_recorded_is_bound_as_every_other() {
    let bounds = StoreOptions { most_keys: 1, ..in_memory() };
    let store = open(&bounds);
    let guard = free(&store, "sale").await;
    let row = store.key_row(&guard, answer("coalesced"), NOW, NOW).unwrap();
    let ends = row.ends();
    store.bind(row, NOW).await.unwrap();
    drop(guard);
    let again = claim(&store, "sale", NOW).await;
    assert!(matches!(&again, Claim::Replay(stored) if *stored == answer("coalesced")), "{again:?}");
    store.sweep(NOW).await.unwrap();
    assert_eq!((store.kept_keys(), store.most_keys()), (1, 1));
    assert_eq!(store.next_key_end(NOW).await, Ok(Some(ends)));
    assert_eq!(store.next_key_end(ends).await, Ok(None));

    let other = store.claim_in_flight(1, ("billing", "k2"), &request("sale")).unwrap();
    let Claim::New(guard) = other else { panic!("it is free") };
    let row = store.key_row(&guard, answer("coalesced"), NOW, NOW).unwrap();
    assert_eq!(store.bind(row.clone(), NOW).await, Err(StoreError::KeysFull));
    // One that has ended makes room.
    assert_eq!(store.bind(row, ends).await, Ok(()));
}

#[tokio::test]
async fn until_an_answer_tells_plivos_id_a_message_goes_by_the_id_in_the_answer_of_its_acceptance()
{
    let store = open(&in_memory());
    let goes_by_ours = async |which| record(&store, which).await.own_id_told;
    let guard = free(&store, "code 1234").await;
    let row = store.key_row(&guard, answer("queued"), NOW, NOW).unwrap();
    store.accept(vec![new("m1"), new("m2")], Some(row.telling_own_ids())).await.unwrap();
    assert_eq!((goes_by_ours("m1").await, goes_by_ours("m2").await), (true, true));

    let named = vec![id("m1")];
    store.answered_by_plivos_ids(&guard, answer("submitted"), None, named).await.unwrap();

    assert_eq!((goes_by_ours("m1").await, goes_by_ours("m2").await), (false, true));
    store.accept(vec![new("m3")], None).await.unwrap();
    assert!(!goes_by_ours("m3").await);
}
