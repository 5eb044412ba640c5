//! What may be opened, by whom, and what an older version has left.

use super::*;

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    let folder = folder();
    let first = open(&in_file(&folder));
    let second = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second:?}");
    assert!(second.to_string().contains("sendgate.db is in use by another sendgate"), "{second}");
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(path(&folder), &link).unwrap();
    let linked = StoreOptions { place: Place::File(link), ..in_file(&folder) };
    let third = Store::open(linked, NOW).unwrap_err();
    assert!(matches!(third, OpenError::InUse(_)), "{third:?}");
    drop(first);
    open(&in_file(&folder));
}

#[tokio::test]
async fn a_second_process_is_refused_where_the_file_beside_the_database_was_deleted() {
    let folder = folder();
    let first = open(&in_file(&folder));
    fs::remove_file(beside(&path(&folder), ".lock")).unwrap();
    let second = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second:?}");
    accept(&first, &["m1"]).await;
    drop(first);
    assert_eq!(ids(&open(&in_file(&folder))).await, ["m1"]);
}

#[test]
fn a_link_that_leads_nowhere_yet_is_the_database_that_it_leads_to() {
    let folder = folder();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(path(&folder), &link).unwrap();
    let linked = StoreOptions { place: Place::File(link), ..in_file(&folder) };
    let _first = open(&linked);
    let second = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second:?}");
}

#[test]
fn a_process_that_lets_go_a_moment_later_is_waited_for() {
    let folder = folder();
    let first = open(&in_file(&folder));
    let options = in_file(&folder);
    let second = std::thread::spawn(move || Store::open(options, NOW).map(drop));
    drop(first);
    second.join().unwrap().expect("the first had let go");
}

#[test]
fn files_that_are_no_store_are_refused_and_stay_as_they_are() {
    let (text, newer, foreign) = (folder(), folder(), folder());
    fs::write(path(&text), "dear diary, ".repeat(1_000)).unwrap();
    let with = |folder, sql| Connection::open(path(folder)).unwrap().execute_batch(sql).unwrap();
    with(&newer, "CREATE TABLE messages (id); PRAGMA user_version = 99");
    with(&foreign, "CREATE TABLE bookmarks (url)");
    for (folder, says) in [
        (&text, "sendgate.db is not a database that can be used"),
        (&newer, "was written by a newer sendgate (schema 99, this one knows 13)"),
        (&foreign, "is the database of another program"),
    ] {
        let before = fs::read(path(folder)).unwrap();
        let refused = Store::open(in_file(folder), NOW).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert!(fs::read(path(folder)).unwrap() == before, "{says}: the file was changed");
    }
}

#[tokio::test]
async fn a_used_database_whose_key_is_gone_says_so_until_the_next_start() {
    let folder = folder();
    let key = beside(&path(&folder), ".key");
    assert!(!open(&in_file(&folder)).lost_its_key(), "there was none yet");
    fs::remove_file(&key).unwrap();
    let store = open(&in_file(&folder));
    assert!(!store.lost_its_key(), "nothing was kept by it");
    accept(&store, &["m1"]).await;
    drop(store);
    fs::remove_file(&key).unwrap();
    assert!(open(&in_file(&folder)).lost_its_key());
    assert!(!open(&in_file(&folder)).lost_its_key());
}

#[test]
fn places_that_cannot_have_a_database_are_refused() {
    let folder = folder();
    fs::create_dir(path(&folder)).unwrap();
    let directory = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(directory, OpenError::File { .. }), "{directory:?}");
    let place = Place::File("/proc/sendgate.db".into());
    let unwritable = Store::open(StoreOptions { place, ..in_memory() }, NOW).unwrap_err();
    assert!(matches!(unwritable, OpenError::File { .. }), "{unwritable:?}");
    let place = Place::File(folder.path().join("no/such/folder/sendgate.db"));
    let missing = Store::open(StoreOptions { place, ..in_memory() }, NOW).unwrap_err();
    assert!(matches!(missing, OpenError::File { .. }), "{missing:?}");
}

#[tokio::test]
async fn what_the_first_version_kept_is_there_after_every_step() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1", "m2"]).await;
    bring(&store, "m1", Status::Submitted).await;
    // As it wrote one after which the message was sent again.
    let given_up = Attempt {
        number: 1,
        started: NOW,
        ended: Some(later(1)),
        outcome: Some(AttemptOutcome::InDoubt),
        http_status: None,
        code: Some("given_up".into()),
        account: None,
        plivo_time: None,
        given_up: None,
    };
    let timeout = Attempt { number: 2, code: Some("timeout".into()), ..given_up.clone() };
    for attempt in [given_up.clone(), timeout.clone()] {
        let call = Change { attempt: Some(attempt), ..Change::at(NOW) };
        store.change(&id("m2"), call).await.unwrap();
    }
    let before = store.list(&crate::Filter::default()).await.unwrap().records;
    drop(store);
    // As a sendgate of that version leaves it.
    let old = Connection::open(path(&folder)).unwrap();
    old.execute_batch(
        "DROP TABLE identity; ALTER TABLE attempts DROP COLUMN plivo_time; \
         DROP INDEX attempts_given_up; ALTER TABLE attempts DROP COLUMN given_up; ALTER TABLE idempotency_keys DROP COLUMN confirmed; DROP INDEX holds_untold; DROP INDEX holds_of_window; DROP TABLE dropped_events; DROP TRIGGER events_dropped; \
         DROP INDEX messages_to_look_at; ALTER TABLE messages DROP COLUMN account; \
         ALTER TABLE departed DROP COLUMN account; \
         ALTER TABLE messages DROP COLUMN next_try; ALTER TABLE departed DROP COLUMN next_try; \
         ALTER TABLE events DROP COLUMN revived; DROP TABLE made_room; DROP INDEX idempotency_keys_proved; \
         CREATE INDEX messages_to_look_at ON messages (next_look); PRAGMA user_version = 1",
    )
    .unwrap();
    drop(old);

    let store = open(&in_file(&folder));
    let after = store.list(&crate::Filter::default()).await.unwrap().records;
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert!(after.iter().all(|record| record.account == message::DEFAULT_ACCOUNT));
    assert_eq!(store.name().len(), 32, "{}", store.name());
    let given_up = Attempt { code: None, given_up: Some(later(1)), ..given_up };
    assert_eq!(record(&store, "m2").await.attempts, [given_up, timeout]);
}

#[tokio::test]
async fn only_this_user_can_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    for suffix in ["", "-wal", "-shm", ".key"] {
        let file = beside(&path(&folder), suffix);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_person_can_read_the_store_with_sqlites_own_program() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::Submitted).await;
    store.sweep(later(1)).await.unwrap();
    let person = Connection::open(path(&folder)).unwrap();
    let sql = "SELECT id || ' ' || status || ' ' || created FROM messages_shown";
    let shown: String = person.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(shown, "m1 submitted 2026-05-28 20:26:40");
    let sql = "SELECT message || ' ' || state || ' ' || at FROM events_shown";
    let shown: String = person.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(shown, "m1 submitted 2026-05-28 20:26:40");
}

#[tokio::test]
async fn a_statement_is_planned_once_whatever_is_bound_to_it() {
    let folder = folder();
    for options in [in_memory(), in_file(&folder)] {
        let store = open(&options);
        let planned = store.database.write(|connection| {
            let sql =
                "SELECT number FROM messages WHERE message_uuid = ? AND live = 0 AND updated > ?";
            let mut query = connection.prepare(sql)?;
            for nth in 0..3 {
                query.exists((format!("uuid {nth}"), nth))?;
            }
            Ok(query.get_status(rusqlite::StatementStatus::RePrepare))
        });
        assert_eq!(planned.await.unwrap(), 0, "planned anew so often: {options:?}");
    }
}
