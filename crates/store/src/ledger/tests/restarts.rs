//! What policies remember, over the ends of processes.

use tempfile::TempDir;

use super::*;
use crate::fixtures::{NOW, folder, in_file, killed, later, new, path};
use crate::{Change, Durability, Place, Settle, Store, StoreOptions};

fn reopened(folder: &TempDir, now: Timestamp) -> (TempDir, Store) {
    let left = killed(folder);
    let store = Store::open(in_file(&left), now).unwrap();
    (left, store)
}

#[tokio::test]
async fn reservations_are_held_over_a_restart_as_long_as_they_were() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    for which in ["kept", "open", "given back"] {
        let by = id(which);
        let reserved = store.ledger().reserve("p", which, secs(30.0), &by, NOW).await.unwrap();
        let Reserved::Yes(hold) = reserved else { panic!("{which} is free") };
        let mut new = new(which);
        new.holds = vec![hold];
        store.accept(vec![new], None).await.unwrap();
    }
    let lost = id("lost");
    store.ledger().reserve("p", "lost", secs(30.0), &lost, NOW).await.unwrap();
    for (which, settlement) in [("kept", Settlement::Keep), ("given back", Settlement::GiveBack)] {
        let settle = Change { settle: Settle::As(settlement), ..Change::at(NOW) };
        store.change(&id(which), settle).await.unwrap();
    }
    let (_left, after) = reopened(&folder, later(20));
    let holder = async |key: &'static str, now| {
        let ledger = after.ledger();
        let holder = ledger.holder("p", key, now).await.unwrap();
        holder.map(|holder| (holder.by.to_string(), holder.until))
    };
    for which in ["kept", "open"] {
        assert_eq!(holder(which, later(29)).await, Some((which.to_owned(), later(30))));
    }
    assert_eq!(holder("given back", later(20)).await, None);
    assert_eq!(holder("lost", later(20)).await, None, "its message was never accepted");
    let open = after.unfinished_one(&id("open")).await.unwrap().unwrap();
    after.ledger().settle(open.holds, Settlement::GiveBack).await.unwrap();
    assert_eq!(holder("open", later(29)).await, None, "it could still be given back");
    assert_eq!(holder("kept", later(30)).await, None);
}

#[tokio::test]
async fn that_another_ledger_is_to_hear_of_an_end_is_known_until_it_has_heard() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    let other =
        |token: u64| Hold { owner: "p".into(), key: "r:k".into(), token: (1 << 62) + token };
    for (token, which) in [(1, "kept"), (2, "given back"), (3, "open")] {
        let mut new = new(which);
        new.holds = vec![other(token)];
        store.accept(vec![new], None).await.unwrap();
    }
    for (which, settlement) in [("kept", Settlement::Keep), ("given back", Settlement::GiveBack)] {
        let settle = Change { settle: Settle::As(settlement), ..Change::at(NOW) };
        store.change(&id(which), settle).await.unwrap();
    }
    let (_left, after) = reopened(&folder, later(20));
    let mut untold = after.untold_holds(9).await.unwrap();
    untold.sort_by_key(|(hold, _)| hold.token);
    assert_eq!(untold, [(other(1), Settlement::Keep), (other(2), Settlement::GiveBack)]);
    assert_eq!(after.unfinished_one(&id("open")).await.unwrap().unwrap().holds, [other(3)]);
    after.told_of_holds(vec![other(1), other(2), other(3)]).await.unwrap();
    assert_eq!(after.untold_holds(9).await, Ok(vec![]));
    assert_eq!(after.unfinished_one(&id("open")).await.unwrap().unwrap().holds, [other(3)]);
}

#[tokio::test]
async fn values_and_counters_are_there_after_a_restart_until_they_end() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    let ledger = store.ledger();
    ledger.put("p", "short", b"s".to_vec(), secs(10.0), false, NOW).await.unwrap();
    for value in ["one", "two"] {
        ledger.put("p", "long", value.into(), secs(100.0), false, NOW).await.unwrap();
    }
    ledger.put("p", "long", b"three".to_vec(), secs(100.0), true, NOW).await.unwrap();
    for at in 0..5 {
        ledger.increment("p", "count", 2, secs(100.0), later(at)).await.unwrap();
    }
    store.sweep(NOW).await.unwrap();
    let (_left, after) = reopened(&folder, later(50));
    let ledger = after.ledger();
    let get = async |owner: &'static str, key: &'static str, now| {
        let value = ledger.get(owner, key, now).await.unwrap();
        value.map(|value| String::from_utf8(value).unwrap())
    };
    assert_eq!(get("p", "short", later(50)).await, None);
    assert_eq!(get("p", "long", later(99)).await.as_deref(), Some("two"));
    assert_eq!(get("other", "long", later(99)).await, None);
    assert_eq!(ledger.increment("p", "count", 1, secs(100.0), later(99)).await, Ok(11));
    assert_eq!(ledger.increment("p", "count", 1, secs(100.0), later(100)).await, Ok(1), "it ended");
}

/// A charge for a message that is accepted.
async fn spend(
    store: &Store,
    which: &str,
    kind: LimitKind,
    now: Timestamp,
) -> Result<Hold, Duration> {
    let charges = [charge("l", "k", kind, 1)];
    match store.ledger().take("p", &charges, now).await.unwrap() {
        Taken::Refused(refusals) => Err(refusals[0].wait),
        Taken::Ok { holds, .. } => {
            let mut new = new(which);
            (new.record.created, new.holds) = (now, holds.clone());
            store.accept(vec![new], None).await.unwrap();
            Ok(holds[0].clone())
        }
    }
}

#[tokio::test]
async fn a_clock_set_back_over_a_restart_neither_frees_nor_blocks_for_the_step() {
    for kind in [window(2, 60.0), gcra(2, 60.0, 2)] {
        let folder = folder();
        let store = Store::open(in_file(&folder), later(7_200)).unwrap();
        for which in ["m1", "m2"] {
            spend(&store, which, kind.clone(), later(7_200)).await.unwrap();
        }
        let (_left, after) = reopened(&folder, NOW);
        let wait = spend(&after, "m3", kind.clone(), NOW).await.unwrap_err();
        assert!(wait <= secs(60.0), "{kind:?}: {wait:?}");
        spend(&after, "m3", kind, NOW.after(wait)).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_given_back_is_free_after_a_restart_and_no_more_than_that() {
    for kind in [window(2, 60.0), gcra(2, 60.0, 2), calendar(2, Period::Day, "UTC")] {
        for (back, ledger_first) in [("m1", true), ("m1", false), ("m2", true), ("m2", false)] {
            let folder = folder();
            let store = Store::open(in_file(&folder), NOW).unwrap();
            let mut hold = spend(&store, "m1", kind.clone(), NOW).await.unwrap();
            let second = spend(&store, "m2", kind.clone(), NOW).await.unwrap();
            if back == "m2" {
                hold = second;
            }
            let settle = Settle::As(Settlement::GiveBack);
            let failed = Change { settle, ..Change::to(crate::Status::Failed, NOW) };
            if ledger_first {
                store.ledger().settle(vec![hold], Settlement::GiveBack).await.unwrap();
            }
            store.change(&id(back), failed).await.unwrap();
            let (_left, after) = reopened(&folder, NOW);
            spend(&after, "m3", kind.clone(), NOW).await.unwrap();
            let full = spend(&after, "m4", kind.clone(), NOW).await;
            assert!(full.is_err(), "{kind:?}, {back} given back");
        }
    }
}

async fn rows(store: &Store) -> [i64; 2] {
    let counted = store.database.read(|connection| {
        let sql = "SELECT (SELECT count(*) FROM holds), (SELECT count(*) FROM spent)";
        Ok(connection.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?]))?)
    });
    counted.await.unwrap()
}

#[tokio::test]
async fn of_a_month_one_row_stays_for_each_limit_and_key_however_much_was_charged() {
    let folder = folder();
    let month = calendar(100, Period::Month, "UTC");
    let options = StoreOptions { most_messages: 10, ..in_file(&folder) };
    let mut store = Store::open(options.clone(), NOW).unwrap();
    let mut last = 0;
    for n in 0..90 {
        if n % 30 == 29 {
            drop(store);
            store = Store::open(options.clone(), NOW).unwrap();
        }
        let which = format!("m{n}");
        let hold = spend(&store, &which, month.clone(), NOW).await.unwrap();
        assert!(hold.token > last, "{} after {last}", hold.token);
        last = hold.token;
        let settle = Settle::As(Settlement::Keep);
        let sent = Change { settle, ..Change::to(crate::Status::Delivered, NOW) };
        // A report that a process died after leaves a charge that nobody settles: it is kept when its message goes.
        let settles = n % 3 > 0;
        let ended = Change::to(crate::Status::Delivered, NOW);
        store.change(&id(&which), if settles { sent } else { ended }).await.unwrap();
    }
    let [holds, spent] = rows(&store).await;
    assert!(holds <= 10 && spent == 1, "{holds} holds and {spent} sums of 90 charges");
    drop(store);
    let store = Store::open(options, NOW).unwrap();
    for n in 90..100 {
        let which = format!("m{n}");
        spend(&store, &which, month.clone(), NOW).await.unwrap();
        store.change(&id(&which), Change::to(crate::Status::Delivered, NOW)).await.unwrap();
    }
    spend(&store, "m100", month, NOW).await.expect_err("the month is used up");
    store.sweep(later(40 * 86_400)).await.unwrap();
    assert_eq!(rows(&store).await, [0, 0], "the month is over");
}

#[tokio::test]
async fn usage_of_a_limit_that_became_another_is_taken_up_as_it_is_now() {
    let day = |zone| calendar(2, Period::Day, zone);
    let kinds = [window(2, 60.0), day("UTC"), day("Asia/Tokyo"), gcra(2, 3_600.0, 2)];
    for before in &kinds {
        for after in kinds.iter().filter(|after| *after != before) {
            let folder = folder();
            let store = Store::open(in_file(&folder), NOW).unwrap();
            spend(&store, "m1", before.clone(), NOW).await.unwrap();
            for which in ["m2", "m3"] {
                spend(&store, which, after.clone(), NOW).await.unwrap();
            }
            let (_left, store) = reopened(&folder, NOW);
            let full = spend(&store, "m4", after.clone(), NOW).await;
            assert!(full.is_err(), "{before:?}, then {after:?}");
        }
    }
}

#[tokio::test]
async fn tokens_never_repeat_over_restarts() {
    let folder = folder();
    let mut tokens = Vec::new();
    for n in 0..5 {
        // By then what was held before has ended, and its rows are still there.
        let now = later(n * 3_600);
        let store = Store::open(in_file(&folder), now).unwrap();
        let hold = spend(&store, &format!("m{n}"), window(2, 60.0), now).await.unwrap();
        tokens.push(hold.token);
    }
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
}

#[tokio::test]
async fn what_a_power_loss_or_a_kill_leaves_is_the_same_to_a_ledger() {
    let folder = folder();
    let place = Place::File(path(&folder));
    let options = StoreOptions { durability: Durability::Power, place, ..in_file(&folder) };
    let store = Store::open(options, NOW).unwrap();
    for which in ["m1", "m2"] {
        spend(&store, which, window(2, 60.0), NOW).await.unwrap();
    }
    let (_left, after) = reopened(&folder, later(1));
    assert_eq!(spend(&after, "m3", window(2, 60.0), later(1)).await, Err(secs(59.0)));
}

#[tokio::test]
async fn what_is_accepted_counts_after_a_restart_however_much_was_charged_since() {
    for kind in [gcra(3_000, 3_000.0, 3_000), calendar(3_000, Period::Day, "UTC")] {
        let folder = folder();
        let store = Store::open(in_file(&folder), NOW).unwrap();
        let mut taken = Vec::new();
        for _ in 0..2_000 {
            let charges = [charge("l", "k", kind.clone(), 1)];
            let answer = store.ledger().take("p", &charges, NOW).await.unwrap();
            let Taken::Ok { holds, .. } = answer else { panic!("{kind:?}: {answer:?}") };
            taken.extend(holds);
        }
        let mut busy = new("m1");
        busy.holds = taken;
        store.accept(vec![busy], None).await.unwrap();
        let (_left, after) = reopened(&folder, NOW);
        let charges = [charge("l", "k", kind.clone(), 0)];
        let answer = after.ledger().peek("p", &charges, NOW).await.unwrap();
        let Taken::Ok { standings, .. } = answer else { panic!("{kind:?}: {answer:?}") };
        assert_eq!(standings[0].remaining, 1_000, "{kind:?}");
    }
}

#[tokio::test]
async fn a_window_that_was_made_longer_counts_over_a_restart_what_it_counted_before() {
    for (swept, locked) in [(true, false), (true, true), (false, false), (false, true)] {
        let folder = folder();
        let store = Store::open(in_file(&folder), NOW).unwrap();
        for which in ["m1", "m2", "m3"] {
            spend(&store, which, window(3, 5.0), NOW).await.unwrap();
        }
        let refused = spend(&store, "m4", window(3, 60.0), later(2)).await;
        assert_eq!(refused, Err(secs(58.0)));
        if locked {
            let person = lock(&folder);
            store.accept(vec![new("m5")], None).await.expect_err("it is locked");
            store.sweep(later(3)).await.expect_err("it is locked");
            person.execute_batch("ROLLBACK").unwrap();
        }
        // With what is written next, whatever that is.
        if swept {
            store.sweep(later(3)).await.unwrap();
        } else {
            store.accept(vec![new("m5")], None).await.unwrap();
        }
        let (_left, after) = reopened(&folder, later(10));
        assert_eq!(spend(&after, "m6", window(3, 60.0), later(10)).await, Err(secs(50.0)));
        spend(&after, "m7", window(3, 60.0), later(60)).await.unwrap();
    }
}

#[tokio::test]
async fn who_was_refused_by_a_window_that_was_made_longer_is_after_a_kill_too() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    spend(&store, "m1", window(1, 5.0), NOW).await.unwrap();
    assert_eq!(spend(&store, "m2", window(1, 60.0), later(2)).await, Err(secs(58.0)));
    let (_left, after) = reopened(&folder, later(10));
    assert_eq!(spend(&after, "m3", window(1, 60.0), later(10)).await, Err(secs(50.0)));
}

#[tokio::test]
async fn a_token_whose_hold_counts_no_more_when_it_is_accepted_is_not_given_out_again() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    let charges = [charge("l", "k", window(1, 1.0), 1)];
    let mut last = new("m1");
    for now in [NOW, later(10)] {
        // The second look lets the first charge leave the window, before anybody has written it down.
        let answer = store.ledger().take("p", &charges, now).await.unwrap();
        let Taken::Ok { holds, .. } = answer else { panic!("{answer:?}") };
        if now == NOW {
            last.holds = holds;
        } else {
            store.ledger().settle(holds, Settlement::GiveBack).await.unwrap();
        }
    }
    let elsewhere = Hold { owner: "p".into(), key: "l:1:lk".into(), token: (1 << 62) + 7 };
    let token = last.holds[0].token;
    last.holds.push(elsewhere);
    store.accept(vec![last], None).await.unwrap();
    let (_left, after) = reopened(&folder, later(20));
    let hold = spend(&after, "m2", window(1, 1.0), later(20)).await.unwrap();
    assert!(hold.token > token && hold.token < 1 << 62, "{} after {token}", hold.token);
}

#[tokio::test]
async fn a_value_that_could_not_be_written_is_written_with_whatever_can_be_next() {
    for next in ["a message", "a sweep", "a look whether it is remembered"] {
        let folder = folder();
        let store = Store::open(in_file(&folder), NOW).unwrap();
        let person = lock(&folder);
        put(&store, "k", "v").await;
        store.remembered().await.expect_err("it is locked");
        person.execute_batch("ROLLBACK").unwrap();
        match next {
            "a message" => store.accept(vec![new("m1")], None).await.unwrap(),
            "a sweep" => drop(store.sweep(NOW).await.unwrap()),
            _ => store.remembered().await.unwrap(),
        }
        assert_eq!(got(&folder, "k").await.as_deref(), Some("v"), "with {next}");
    }
}

#[tokio::test]
async fn of_two_values_the_later_stands_though_the_earlier_could_not_be_written() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    let person = lock(&folder);
    put(&store, "k", "old").await;
    put(&store, "other", "kept").await;
    store.remembered().await.expect_err("it is locked");
    person.execute_batch("ROLLBACK").unwrap();
    put(&store, "k", "new").await;
    store.remembered().await.unwrap();
    store.sweep(NOW).await.unwrap();
    assert_eq!(got(&folder, "k").await.as_deref(), Some("new"));
    assert_eq!(got(&folder, "other").await.as_deref(), Some("kept"));
}

/// Nothing is committed while somebody else writes.
fn lock(folder: &TempDir) -> rusqlite::Connection {
    let person = rusqlite::Connection::open(path(folder)).unwrap();
    person.execute_batch("BEGIN IMMEDIATE").unwrap();
    person
}

async fn put(store: &Store, key: &str, value: &str) {
    let put = store.ledger().put("p", key, value.into(), secs(60.0), false, NOW).await;
    assert_eq!(put, Ok(true), "{key}");
}

/// What whoever comes after a kill finds.
async fn got(folder: &TempDir, key: &str) -> Option<String> {
    let (_left, after) = reopened(folder, NOW);
    let value = after.ledger().get("p", key, NOW).await.unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}
